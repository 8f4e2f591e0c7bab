"""Retry: settings, and the delay before each attempt.

Exponential back-off with jitter as in Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog,
2015).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from seawall.resilience.checks import Checks, type_names
from seawall.resilience.retry_budget import RetryBudget

JITTERS = ("none", "full", "equal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Ask again after a failure that may pass.

    attempts: attempts in all, the first included; 1 to 100. 3: two retries catch most blips.
    base_delay, max_delay: seconds before the first retry, and the most before any.
    multiplier: growth from one delay to the next, >= 1.
    jitter: ``full`` draws from [0, delay], ``equal`` from [delay/2, delay], ``none`` takes the delay.
    ``full``
        spreads callers the most.
    on: exception types that are worth another attempt. Rejections by the guard's own policies never are.
    budget: what all callers of the guard may spend on retries together; ``None``: no bound but ``attempts``.
    """

    attempts: int = 3
    base_delay: float = 0.1
    max_delay: float = 5.0
    multiplier: float = 2.0
    jitter: str = "full"
    on: tuple[type[BaseException], ...] = (Exception,)
    budget: RetryBudget | None = field(default_factory=RetryBudget)

    def __post_init__(self) -> None:
        checks = Checks("Retry")
        checks.number("attempts", self.attempts, at_least=1, at_most=100, whole=True)
        base = checks.number("base_delay", self.base_delay, at_least=0)
        checks.number("max_delay", self.max_delay, at_least=self.base_delay if base else 0)
        checks.number("multiplier", self.multiplier, at_least=1)
        checks.one_of("jitter", self.jitter, JITTERS)
        checks.exceptions("on", self.on)
        if self.budget is not None and not isinstance(self.budget, RetryBudget):
            checks.fail("budget", self.budget, "a RetryBudget, or None")
        checks.done()

    def delay(self, retry: int, random: Callable[[], float]) -> float:
        """Seconds before retry number ``retry`` (from 1). ``random`` draws from [0, 1)."""
        try:
            full = min(self.max_delay, self.base_delay * self.multiplier ** (retry - 1))
        except OverflowError:
            full = self.max_delay
        if self.jitter == "full":
            return full * random()
        return full * (0.5 + random() / 2) if self.jitter == "equal" else full

    def describe(self) -> dict[str, object]:
        return {
            "attempts": self.attempts,
            "base_delay": self.base_delay,
            "max_delay": self.max_delay,
            "multiplier": self.multiplier,
            "jitter": self.jitter,
            "on": type_names(self.on),
            "budget": self.budget.describe() if self.budget else None,
        }
