"""Settings of hedging: ask again before the first answer is overdue."""

from __future__ import annotations

from dataclasses import dataclass

from seawall.resilience.checks import Checks

#: More copies than that are a flood, whatever the budget says.
MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Ask once more when the answer is late, and take whichever comes first. ``async def`` only.

    delay: seconds without an answer until a further copy of the call is started, > 0. About the 95th
        percentile of the dependency: then one call in twenty is asked twice (Dean and Barroso, "The Tail at
        Scale", 2013). It says nothing at or above the attempt timeout, which bounds the whole race.
    most: copies beside the first, 1 to 10, one every ``delay`` seconds. 1: the second copy brings nearly all
        of the gain.
    operations: names of the operations that may be asked twice at the same time because it does no harm.
        ``None``: all of them. Name them where one of them writes: a hedged payment is paid twice.

    A copy never waits, and is not started while the breaker is anything but closed, without a free bulkhead
    place and rate-limit permit, or when the retry budget refuses it: hedges are extra load as retries are.
    """

    delay: float
    most: int = 1
    operations: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        checks = Checks("Hedge")
        checks.number("delay", self.delay, above=0)
        checks.number("most", self.most, at_least=1, at_most=MOST, whole=True)
        named = self.operations
        if named is not None and not (isinstance(named, tuple) and all(isinstance(o, str) for o in named)):
            checks.fail("operations", named, "a tuple of names, or None")
        checks.done()

    def covers(self, operation: str) -> bool:
        """Whether calls of this operation are hedged."""
        return self.operations is None or operation in self.operations

    def describe(self) -> dict[str, object]:
        return {
            "delay": self.delay,
            "most": self.most,
            "operations": None if self.operations is None else list(self.operations),
        }
