"""An operation of a guard: what users decorate and call, and what the hot path reads."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from seawall.resilience.async_timeout import Expiries
from seawall.resilience.breaker_state import OPEN
from seawall.resilience.building import builders_of
from seawall.resilience.detours import Handover
from seawall.resilience.errors import BreakerOpen
from seawall.resilience.fallback import MISSING
from seawall.resilience.flights import counts, uncounted
from seawall.resilience.guarding import Guarding
from seawall.resilience.ledger import GIL
from seawall.resilience.rate_limit import RateLimitState
from seawall.resilience.stopwatch import Stopwatch
from seawall.resilience.timeout import UNBOUNDED

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard


Predicate = Callable[[Any], bool]


class Operation(Guarding):
    """One operation of a guard: a decorator, and ``call`` / ``acall``. Its attributes are what the lane
    reads.

    ``lane`` is the breaker's epoch while successes may take the fast lane, else 0, as it ever is where calls
    have limits of their own or run on worker threads (not ``on_lane``). ``open_lane`` is the same,
    but 0 too while someone is to be asked first: an observer, or the sampling of the guard's own cost.
    Before ``refuse_until`` a call is sent away at once, after ``tick`` housekeeping is due (guard's clock).
    ``sampling``: calls are sent aside (``detours.py``), the next one to be timed, or all to a ``handover``.
    """

    __slots__ = (
        "bad", "base", "bounds", "clock", "coroutines", "counts", "default", "dependency", "expiries",
        "first_limit", "functions", "guard", "handover", "judge", "keep", "lane", "limiter", "limits", "name",
        "on_lane", "open_lane", "permits", "refuse_until", "refused", "sampling", "slots", "slow_after",
        "sum_slot", "suspect", "tick", "unwanted", "waiters", "watching",
    )  # fmt: skip

    def __init__(self, guard: Guard, name: str) -> None:
        self.guard = guard
        self.name = name
        self.dependency = guard.name
        self.clock = guard.clock
        lane = guard.ledger.layout.lanes[name]
        self.slots = guard.ledger.slots
        self.bounds = guard.ledger.layout.bounds
        self.base = lane.offset
        self.sum_slot = lane.offset + lane.size - 1
        self.lane = self.open_lane = 0
        self.tick = -inf
        self.sampling = False
        self.handover: Handover | None = None
        self.watching: Callable[[], bool] = _nobody
        self.limiter = guard.limiter if isinstance(guard.limiter, RateLimitState) else None
        self.permits = guard.bulkhead.permits if guard.bulkhead else None
        self.waiters = guard.bulkhead.waiters if guard.bulkhead else None
        self.keep = guard.stale.keep if guard.stale else None
        timeout = guard.timeout
        self.limits = timeout.limits(name, guard.report.failed) if timeout else UNBOUNDED
        self.on_lane = self.limits.ask is None and guard.workers is None
        self.first_limit: float | None = self.limits.first[0] if self.limits.bounded else None
        self.expiries = Expiries(self.first_limit or inf, guard.clock)
        breaker = guard.breaker
        self.bad = guard.report.safely(breaker.settings.record_result) if breaker else None
        retry = guard.retry
        repeats = retry is not None and retry.may_repeat(name)
        self.unwanted = guard.report.safely(retry.on_result) if retry and repeats else None
        self.judge = _either(self.bad, self.unwanted)
        # Of shared executions: whether a call that ends is counted, and what must not end on the lane.
        self.counts = counts if guard.flights else None
        self.suspect = _either(uncounted if guard.flights else None, self.judge)
        slow = breaker.settings.slow_after if breaker and breaker.settings.slow_after else inf
        # Where each call has its own limit, its journey knows what is late.
        self.slow_after = slow if self.limits.ask else min(slow, self.first_limit or inf)
        fallback = guard.fallback
        self.default = (
            fallback.default if fallback is not None and fallback.modes[0] == "default" else MISSING
        )
        self.refused = lane.refused
        self.refuse_until = -inf
        self.functions, self.coroutines = builders_of(self)

    def _operation(self) -> Operation:
        return self if self.handover is None else self.handover.target()

    def retire(self, target: Callable[[], Operation]) -> None:
        """Shut the lane for good: calls go on to ``target()``. Caller holds the guard's lock."""
        self.handover = Handover(target)
        self.sampling = True
        self.lane = self.open_lane = 0
        self.refuse_until = -inf

    # -- at the entry of the lane

    def shift(self, lane: int, ask: Callable[[], bool] | None) -> None:
        """Set the lane, and who is to be asked before it is taken. Caller holds the guard's lock."""
        self.lane = lane if self.on_lane else 0
        self.open_lane = 0 if ask or self.sampling else self.lane
        self.watching = ask or _nobody
        self.refuse_until = self._refuse_until()

    def unwatched_lane(self) -> int:
        """The lane of a call that finds it not open to all: 0 when the call must leave it."""
        if self.sampling:
            return 0
        try:
            return 0 if self.watching() else self.lane
        except Exception as error:
            self.guard.report.failed("observer", error)
            return self.lane

    def sample_taken(self) -> None:
        with self.guard.lock:
            # Unless it was retired this moment: its calls go aside for good.
            self.sampling = self.handover is not None
            self.guard.shift_lanes()

    def sampled(self, inside: Stopwatch, began: float) -> None:
        """A sampled call has ended: what it took beside the function is the guard's own cost."""
        if not inside.strayed:
            self.observe("overhead", self.clock() - began - inside.seconds)

    def _refuse_until(self) -> float:
        """Until when the short way out will do: nobody is told, no fallback is asked but a default value."""
        guard = self.guard
        if not GIL or guard.breaker is None or guard.breaker.state != OPEN or guard.report.audience():
            return -inf
        if guard.flights is not None:
            # Whoever shares it is to know what it came to.
            return -inf
        if guard.fallback is not None and (
            self.default is MISSING or not issubclass(BreakerOpen, guard.fallback.on)
        ):
            return -inf
        return guard.breaker.open_until

    def told(self, outcome: str, seconds: float) -> str:
        """What the breaker hears of an attempt: late is ``slow`` to it only when it has a ``slow_after``."""
        breaker = self.guard.breaker
        if outcome != "slow" or breaker is None:
            return outcome
        slow_after = breaker.settings.slow_after
        return "slow" if slow_after is not None and seconds > slow_after else "success"

    # -- the ledger, off the lane

    def count(self, field: str, *labels: str) -> None:
        ledger = self.guard.ledger
        ledger.add(ledger.layout.at(field, self.name, *labels))

    def add(self, field: str, amount: float) -> None:
        ledger = self.guard.ledger
        ledger.add(ledger.layout.at(field, self.name), amount)

    def observe(self, field: str, seconds: float, *labels: str) -> int:
        """Add to a histogram; the slot of the bucket."""
        return self.guard.ledger.observe(field, seconds, *labels)

    def tick_if_due(self) -> None:
        now = self.clock()
        if now > self.tick:
            self.guard.housekeep(now)


def _nobody() -> bool:
    return False


def _either(one: Predicate | None, other: Predicate | None) -> Predicate | None:
    if one is None or other is None:
        return one or other
    return lambda result: one(result) or other(result)
