"""A guard: one dependency, its policies, its numbers. The unit that people think in."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from seawall.resilience import process
from seawall.resilience import registry as registries
from seawall.resilience.accounts import Accounts
from seawall.resilience.block import Blocks
from seawall.resilience.breaker import Breaker
from seawall.resilience.breaker_state import CLOSED, FORCED_OPEN, OPEN, BreakerState, Change
from seawall.resilience.bulkhead import Bulkhead, BulkheadState
from seawall.resilience.checks import Checks
from seawall.resilience.deadline import Clock
from seawall.resilience.description import Objectives, describe
from seawall.resilience.fallback import Fallback
from seawall.resilience.fields import DEFAULT_BUCKETS
from seawall.resilience.guard_checks import POLICIES, check_guard
from seawall.resilience.guarding import Guarding
from seawall.resilience.ledger import GIL, Ledger, layout_of
from seawall.resilience.operation import Operation
from seawall.resilience.rate_limit import RateLimit, RateLimitState, limiter_of
from seawall.resilience.reading import read, snapshot
from seawall.resilience.reporting import Reporter
from seawall.resilience.retry import Retry
from seawall.resilience.retry_account import account_of
from seawall.resilience.stale import StaleStore
from seawall.resilience.timeout import Timeout
from seawall.resilience.verdict import Verdicts
from seawall.resilience.window import MARKS

#: Seconds between two rounds of housekeeping, run by the first call that finds it due.
SLICE = 1.0


class Guard(Guarding):
    """Policies around the calls to one dependency, in this order from the outside:

    fallback, total timeout, retry (with budget), breaker, rate limit, bulkhead, attempt timeout, the call.

    name: 1 to 200 characters, no control characters; the ``dependency`` label of all series. Unique in a
    registry.
    operations: what is asked of the dependency, each counted on its own; ``()`` means one, ``default``.
    criticality: ``critical`` (the service is down without it), ``default``, ``sheddable``.
    objectives: what callers are promised; alerts on error budgets follow from it.
    buckets: upper bounds of the duration histograms, in seconds, ascending.
    clock: seconds, monotonic. sleep / asleep: how back-off waits; tests pass their own.

    Raises :class:`ConfigurationError` with all that is wrong.
    """

    def __init__(
        self,
        name: str,
        *,
        breaker: Breaker | None = None,
        retry: Retry | None = None,
        timeout: Timeout | None = None,
        bulkhead: Bulkhead | None = None,
        rate_limit: RateLimit | None = None,
        fallback: Fallback | None = None,
        operations: Sequence[str] = (),
        criticality: str = "default",
        description: str = "",
        objectives: Objectives | None = None,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        registry: registries.Registry | None = None,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        asleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        given = (breaker, retry, timeout, bulkhead, rate_limit, fallback)
        self.policies: dict[str, Any] = {k: v for k, v in zip(POLICIES, given, strict=True) if v is not None}
        check_guard(name, self.policies, operations, criticality, objectives, buckets)
        self.name = name
        self.criticality = criticality
        self.description = description
        self.objectives = objectives
        self.clock = clock
        self.sleep = sleep
        self.asleep = asleep
        self.retry = retry
        self.timeout = timeout
        self.fallback = fallback
        self.lock = threading.RLock()
        registry = registry if registry is not None else registries.default_registry
        self.report = Reporter(self, registry)
        self.verdicts = Verdicts()
        if breaker is not None:
            record_if, ignore_if = (
                self.report.safely(breaker.record_if),
                self.report.safely(breaker.ignore_if),
            )
            self.verdicts = Verdicts(breaker.record, breaker.ignore, record_if, ignore_if)
        self.operations = tuple(operations) or ("default",)
        modes = fallback.modes if fallback else ()
        extra = [
            x for x, there in (("stale", "stale" in modes), ("retry_budget", retry and retry.budget)) if there
        ]
        present = (*self.policies, *extra)
        stale_for = fallback.stale_for if fallback else None
        self.ledger = Ledger(layout_of(self.operations, present, modes, tuple(buckets), stale_for))
        self.began = clock()
        self.breaker = BreakerState(breaker, entered_at=self.began) if breaker else None
        self.limiter = limiter_of(rate_limit) if rate_limit else None
        self.bulkhead = BulkheadState(bulkhead) if bulkhead else None
        failed = partial(self.report.failed, "fallback.key")
        self.stale = StaleStore(fallback, failed) if fallback and "stale" in modes else None
        self.accounts = Accounts(self.ledger)
        budget = retry.budget if retry else None
        self.budget = account_of(budget, registry, clock, self.accounts) if budget else None
        self.watching: Callable[[], bool] | None = None
        self._operations = {o: Operation(self, o) for o in self.operations}
        self._blocks = Blocks(self)
        window = breaker.window_seconds if breaker else None
        self._slice = SLICE if window is None else min(SLICE, window / MARKS)
        self.shift_lanes()
        registry.add(self)
        process.remember(self)

    # -- use

    def operation(self, name: str) -> Operation:
        """A declared operation. ``ConfigurationError`` names those that there are."""
        if name not in self._operations:
            allowed = ", ".join(self.operations)
            checks = Checks(f"Guard {self.name}")
            checks.fail("operation", name, allowed)
            checks.done()
        return self._operations[name]

    def _operation(self) -> Operation:
        return self.operation("default")

    def __enter__(self) -> None:
        """Guard a block: one attempt. A block can't run twice, so retry and fallback stay out."""
        self._blocks.enter()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._blocks.leave(error)

    async def __aenter__(self) -> None:
        await self._blocks.aenter()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await self._blocks.aleave(error)

    # -- what it is and how it does

    @property
    def state(self) -> str:
        """The breaker's state; "" without a breaker."""
        return self.breaker.state if self.breaker else ""

    def describe(self) -> dict[str, Any]:
        """This guard's part of the policy document."""
        return describe(self)

    def read(self) -> list[float]:
        """Every number of the guard as of now, by the layout of ``ledger.layout`` (see ``ledger.py``)."""
        self.pass_time()
        return read(self)

    def snapshot(self) -> dict[str, Any]:
        """State, ratios and the last transition, for a health page. No text of any exception."""
        self.pass_time()
        return snapshot(self)

    def pass_time(self) -> None:
        """Let an open breaker become half-open when its time is over: whoever looks sees the truth."""
        if self.breaker is not None:
            with self.lock:
                self._apply(self.breaker.pass_time(self.clock()))
            self.report.transitions("")

    # -- operations by hand

    def force(self, state: str, reason: str = "by hand") -> None:
        """Move the breaker to ``forced_open``, ``disabled``, ``metrics_only``, or ``closed`` and empty."""
        allowed = ("closed", "forced_open", "disabled", "metrics_only")
        checks = Checks(f"Guard {self.name}")
        checks.one_of("state", state, allowed)
        if self.breaker is None:
            checks.fail("breaker", None, "a guard with a breaker")
        checks.done()
        assert self.breaker is not None
        with self.lock:
            self._apply(self.breaker.force(state, reason, self.clock(), self.accounts.lane_successes()))
            self.shift_lanes()
        self.report.transitions("")

    # -- for the executors. Caller holds the lock where it says so.

    def admit(self, now: float) -> tuple[int, str, float | None]:
        """(epoch, reason, retry_after) of the breaker; reason "" means admitted. Caller holds the lock."""
        if self.breaker is None:
            return 1, "", None
        reason, change = self.breaker.admit(now)
        self._apply(change)
        if not reason:
            return self.breaker.epoch, "", None
        self.accounts.count_avoided(1)
        wait = max(0.0, self.breaker.open_until - now) if reason == "open" else None
        return 0, reason, wait

    def shut(self, now: float) -> bool:
        """Whether the breaker would reject a call that came now."""
        breaker = self.breaker
        if breaker is None:
            return False
        return breaker.state == FORCED_OPEN or (breaker.state == OPEN and now < breaker.open_until)

    def settle(self, epoch: int, outcome: str, error: str, now: float) -> None:
        """Tell the breaker what an admitted attempt came to. Caller holds the lock."""
        if self.breaker is not None:
            self._apply(self.breaker.settle(epoch, outcome, error, now, self.accounts.lane_successes()))
            self.shift_lanes()

    def wake(self) -> None:
        assert self.bulkhead is not None
        with self.lock:
            self.bulkhead.wake()

    def housekeep(self, now: float) -> None:
        """What is due once a slice: credit the retry budget, learn the mean attempt time, sample a call."""
        with self.lock:
            for op in self._operations.values():
                op.tick = now + self._slice
                op.sampling = True
            if self.breaker is not None:
                self.breaker.window.pass_time(now, self.accounts.lane_successes())
            if self.bulkhead is not None:
                self.bulkhead.trim()
            self.shift_lanes()
            if self.budget is not None:
                self.budget.roll(now)
            self.accounts.learn_mean()

    def declared(self) -> Iterable[Operation]:
        return self._operations.values()

    def audience_changed(self) -> None:
        """Listeners came or went: what a rejection has to tell may have changed."""
        with self.lock:
            self.shift_lanes()

    # -- inside

    def _apply(self, change: Change | None) -> None:
        """A transition: numbers, lanes, the event to come. Caller holds the lock."""
        if change is None:
            return
        assert self.breaker is not None
        layout, slots = self.ledger.layout, self.ledger.slots
        slots[layout.at("breaker_transitions", change.from_state, change.to_state)] += 1
        if change.recovery is not None:
            self.ledger.observe("breaker_recovery", change.recovery)
        if change.false_open:
            slots[layout.at("breaker_false_opens")] += 1
        if change.to_state == CLOSED:
            self.breaker.window.clear(self.accounts.lane_successes())
        if change.to_state == OPEN:
            self.accounts.learn_mean()
        self.report.decided(change)
        self.shift_lanes()

    def shift_lanes(self) -> None:
        """Open or shut the fast lane. Without a GIL it stays shut: its stores are only safe under one."""
        lane = 1
        if self.breaker is not None:
            lane = (
                self.breaker.epoch
                if self.breaker.lane_open(self.clock(), self.accounts.lane_successes())
                else 0
            )
        if not GIL or (self.limiter is not None and not isinstance(self.limiter, RateLimitState)):
            lane = 0
        for op in self._operations.values():
            op.shift(lane, self.watching)

    def observer_changed(self) -> None:
        """The registry's observer came or went."""
        with self.lock:
            self.watching = self.report.question()
            self.shift_lanes()
