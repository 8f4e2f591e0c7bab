"""Back-off: how long to wait before the next attempt, and how that is spread.

Exponential with jitter, and decorrelated, as in Brooker, "Exponential Backoff And Jitter" (AWS Architecture
Blog, 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seawall.resilience.checks import Checks

BACKOFFS = ("constant", "exponential", "fibonacci", "decorrelated")
JITTERS = ("none", "full", "equal")
#: A decorrelated delay is at most so many times the one before.
SPREAD = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how fast an error is retried: the settings of :class:`Retry`, complete."""

    attempts: int
    backoff: str
    base_delay: float
    max_delay: float
    multiplier: float
    jitter: str

    def check(self, checks: Checks) -> None:
        checks.number("attempts", self.attempts, at_least=1, at_most=100, whole=True)
        checks.one_of("backoff", self.backoff, BACKOFFS)
        base = checks.number("base_delay", self.base_delay, at_least=0)
        checks.number("max_delay", self.max_delay, at_least=self.base_delay if base else 0)
        checks.number("multiplier", self.multiplier, at_least=1)
        checks.one_of("jitter", self.jitter, JITTERS)
        if self.backoff == "decorrelated" and self.jitter in ("none", "equal"):
            checks.fail("jitter", self.jitter, "full with decorrelated: it is random by itself")

    def delay(self, retry: int, before: float, random: Callable[[], float]) -> float:
        """Seconds before retry number ``retry`` (from 1). ``before``: the delay before the last one, 0 at
        first; ``random`` draws from [0, 1).
        """
        if self.backoff == "decorrelated":
            most = SPREAD * max(self.base_delay, before)
            return min(self.max_delay, self.base_delay + random() * (most - self.base_delay))
        full = min(self.max_delay, self._grown(retry))
        if self.jitter == "full":
            return full * random()
        return full * (0.5 + random() / 2) if self.jitter == "equal" else full

    def _grown(self, retry: int) -> float:
        if self.backoff == "constant":
            return self.base_delay
        if self.backoff == "fibonacci":
            this, following = 1, 1
            for _ in range(retry - 1):
                this, following = following, this + following
            return self.base_delay * this
        try:
            return self.base_delay * self.multiplier ** (retry - 1)
        except OverflowError:
            return self.max_delay
