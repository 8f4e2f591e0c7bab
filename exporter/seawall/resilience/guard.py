"""A guard: one dependency, its policies, its numbers. The unit that people think in."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from seawall.resilience import process
from seawall.resilience import registry as registries
from seawall.resilience.accounts import Accounts
from seawall.resilience.block import Blocks
from seawall.resilience.breaker import Breaker
from seawall.resilience.breaker_state import BreakerState
from seawall.resilience.bulkhead import Bulkhead, BulkheadState
from seawall.resilience.checks import Checks
from seawall.resilience.coalesce import Coalesce
from seawall.resilience.deadline import Clock
from seawall.resilience.description import Objectives, describe
from seawall.resilience.fallback import Fallback
from seawall.resilience.fields import DEFAULT_BUCKETS
from seawall.resilience.flights import Flights
from seawall.resilience.guard_checks import POLICIES, check_guard
from seawall.resilience.hedge import Hedge
from seawall.resilience.ledger import Ledger, layout_of
from seawall.resilience.lint import findings, look_at
from seawall.resilience.machinery import Machinery
from seawall.resilience.operation import Operation
from seawall.resilience.rate_limit import RateLimit, limiter_of
from seawall.resilience.reading import Counted, read, snapshot
from seawall.resilience.reconfigure import reconfigure
from seawall.resilience.reporting import Reporter
from seawall.resilience.retry import Retry
from seawall.resilience.retry_account import account_of
from seawall.resilience.stale import StaleStore
from seawall.resilience.timeout import Timeout
from seawall.resilience.verdict import Verdicts
from seawall.resilience.window import MARKS
from seawall.resilience.worker_threads import WorkerThreads

#: Seconds between two rounds of housekeeping, run by the first call that finds it due.
SLICE = 1.0


class Guard(Machinery):
    """Policies around the calls to one dependency, in this order from the outside:

    coalesce, fallback, total timeout, retry (with budget), breaker, rate limit, bulkhead, attempt timeout,
    hedge, the call. Those that are ``None`` are left out. ``@guard``, ``@guard.operation(...)``,
    ``guard.call(f, ...)``, ``await guard.acall(f, ...)``, ``with guard:`` and ``async with guard:`` use it.

    name: 1 to 200 characters, none of them a control or line separator; the ``dependency`` label of all
    series. Unique in a registry.
    operations: what is asked of the dependency, each counted on its own; ``()`` means one, ``default``.
    criticality: ``critical`` (the service is down without it), ``default``, ``sheddable``.
    description: a sentence for people, on health pages and in the policy document.
    objectives: what callers are promised; alerts on error budgets follow from it.
    buckets: upper bounds of the duration histograms, in seconds, ascending.
    registry: where it is listed, and who hears of it; by default one for the process.
    clock: seconds, monotonic. sleep / asleep: how back-off waits; tests pass their own.

    Raises :class:`ConfigurationError` with all that is wrong.
    """

    #: The name of the family that it belongs to (``family.py``); "" for none.
    family = ""

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
        hedge: Hedge | None = None,
        coalesce: Coalesce | None = None,
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
        given = (breaker, retry, timeout, bulkhead, rate_limit, fallback, hedge, coalesce)
        self.policies: dict[str, Any] = {k: v for k, v in zip(POLICIES, given, strict=True) if v is not None}
        check_guard(name, self.policies, operations, criticality, objectives, buckets)
        self.name = name
        self.operations = tuple(operations) or ("default",)
        self._look()
        self.criticality = criticality
        self.description = description
        self.objectives = objectives
        self.clock = clock
        self.sleep = sleep
        self.asleep = asleep
        self.retry = retry
        self.timeout = timeout
        self.fallback = fallback
        self.hedge = hedge
        self.lock = threading.RLock()
        self.registry = registry = registry if registry is not None else registries.default_registry
        self.report = Reporter(self, registry)
        self.heed(breaker)
        modes = fallback.modes if fallback else ()
        threads = timeout.threads if timeout else None
        maybe = (
            ("stale", "stale" in modes),
            ("retry_budget", retry and retry.budget),
            ("timeout_threads", threads),
        )
        extra = [x for x, there in maybe if there]
        present = (*self.policies, *extra)
        stale_for = fallback.stale_for if fallback else None
        self.ledger = Ledger(layout_of(self.operations, present, modes, tuple(buckets), stale_for))
        self.began = clock()
        self.breaker = BreakerState(breaker, entered_at=self.began) if breaker else None
        self.limiter = limiter_of(rate_limit) if rate_limit else None
        self.bulkhead = BulkheadState(bulkhead) if bulkhead else None
        self.workers = WorkerThreads(threads, f"seawall {name}") if threads else None
        failed = partial(self.report.failed, "fallback.key")
        self.stale = StaleStore(fallback, failed) if fallback and "stale" in modes else None
        uncoalesced = partial(self.report.failed, "coalesce.key")
        self.flights = Flights(coalesce, uncoalesced) if coalesce else None
        self.accounts = Accounts(self.ledger)
        self.counted = Counted()
        budget = retry.budget if retry else None
        self.budget = account_of(budget, registry, clock, self.accounts) if budget else None
        self.watching: Callable[[], bool] | None = None
        self._operations = {o: Operation(self, o) for o in self.operations}
        self._blocks = Blocks(self)
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
        block = self._blocks.begin()
        try:
            self._blocks.enter(block)
        except BaseException:
            self._blocks.abandon(block)
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._blocks.leave(error)

    async def __aenter__(self) -> None:
        block = self._blocks.begin()
        try:
            await self._blocks.aenter(block)
        except BaseException:
            self._blocks.abandon(block)
            raise

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

    def lint(self) -> tuple[str, ...]:
        """What its policies together do not do, and how to mend it: the text of its ``PolicyWarning``."""
        return findings(self.policies, self.operations, [layer.policies for layer in self.below])

    def _look(self) -> None:
        look_at(self, self.policies)

    def read(self) -> list[float]:
        """Every number of the guard as of now, by the layout of ``ledger.layout`` (see ``ledger.py``)."""
        return self.read_versioned()[0].copy()

    def read_versioned(self) -> tuple[list[float], int]:
        """With it a number that stays while no counter changes, for readers that keep what they write."""
        self.pass_time()
        return read(self)

    def snapshot(self) -> dict[str, Any]:
        """State, ratios and the last transition, for a health page. No text of any exception."""
        self.pass_time()
        return snapshot(self)

    # -- operations by hand

    def reconfigure(
        self,
        *,
        breaker: Breaker | None = None,
        retry: Retry | None = None,
        timeout: Timeout | None = None,
        bulkhead: Bulkhead | None = None,
        rate_limit: RateLimit | None = None,
    ) -> None:
        """Give policies that the guard has other settings, keeping what they know: see ``reconfigure.py``.

        ``None``: as it is. :class:`ConfigurationError` names all that is wrong; then nothing has changed.
        """
        names = ("breaker", "retry", "timeout", "bulkhead", "rate_limit")
        given = (breaker, retry, timeout, bulkhead, rate_limit)
        reconfigure(self, {k: v for k, v in zip(names, given, strict=True) if v is not None})

    def heed(self, breaker: Breaker | None) -> None:
        """What follows from a breaker's settings beside its state."""
        self.verdicts = Verdicts()
        self._slice = SLICE
        if breaker is not None:
            safely = self.report.safely
            self.verdicts = Verdicts(
                breaker.record, breaker.ignore, safely(breaker.record_if), safely(breaker.ignore_if)
            )
            if breaker.window_seconds is not None:
                self._slice = min(SLICE, breaker.window_seconds / MARKS)

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
