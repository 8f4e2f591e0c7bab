"""Retry budget: how many retries all callers of a guard may make, as a share of its calls.

After Finagle's ``RetryBudget``: a sliding time to live, a ratio, and a floor so that a quiet client can
retry.
Without one, three layers of three attempts make 27 calls out of one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from seawall.resilience.checks import Checks

SLICES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """ratio: retries allowed per call, in [0, 10]. 0.2 as in Finagle and Linkerd: at most 20 % more load.
    floor_per_second: retries allowed whatever the traffic.
    ttl: seconds that a call counts for, in (0, 3600].
    name: guards of one registry whose budgets have the same name share one. None: each guard has its own.
    """

    ratio: float = 0.2
    floor_per_second: float = 1.0
    ttl: float = 10.0
    name: str | None = None

    def __post_init__(self) -> None:
        checks = Checks("RetryBudget")
        checks.number("ratio", self.ratio, at_least=0, at_most=10)
        checks.number("floor_per_second", self.floor_per_second, at_least=0)
        checks.number("ttl", self.ttl, above=0, at_most=3600)
        checks.name("name", self.name)
        checks.done()

    def describe(self) -> dict[str, object]:
        return {
            "ratio": self.ratio,
            "floor_per_second": self.floor_per_second,
            "ttl": self.ttl,
            "name": self.name,
        }


@dataclass(slots=True)
class RetryBudgetState:
    """Calls and retries of the last ``ttl`` seconds, in slices. Caller holds the lock of the budget."""

    settings: RetryBudget
    earned_by: str = "calls"
    _slices: deque[list[float]] = field(default_factory=deque)

    def credit(self, now: float, calls: float) -> None:
        """Credit calls to the newest slice, begin a new one when it is over."""
        slices = self._slices
        step = self.settings.ttl / SLICES
        if not slices:
            slices.append([now, 0, 0])
        slices[-1][1] += calls
        if now - slices[-1][0] >= step:
            slices.append([now, 0, 0])
        while slices[0][0] <= now - self.settings.ttl and len(slices) > 1:
            slices.popleft()

    def failed(self) -> None:
        """An attempt failed that is worth a retry: a budget is only spent by retries."""

    def spend(self) -> bool:
        """Take one retry, if there is one left; after :meth:`credit`."""
        if self._allowed() - self._spent() < 1:
            return False
        self._slices[-1][2] += 1
        return True

    def remaining_ratio(self) -> float:
        """What is left, in [0, 1] of what is allowed; 1 when nothing is allowed and nothing was spent."""
        spent = self._spent()
        if not spent:
            return 1.0
        allowed = self._allowed()
        return max(0.0, 1 - spent / allowed) if allowed else 0.0

    def reconfigure(self, settings: RetryBudget) -> None:
        """Other settings; the calls and retries that were counted stay."""
        self.settings = settings

    def clear(self) -> None:
        """Forget what was."""
        self._slices.clear()

    def _allowed(self) -> float:
        return self.settings.ratio * sum([s[1] for s in self._slices]) + (
            self.settings.floor_per_second * self.settings.ttl
        )

    def _spent(self) -> float:
        return sum([s[2] for s in self._slices])
