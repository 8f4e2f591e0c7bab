"""How a guard's parts work together: what the executors ask of it, under its lock where it says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from seawall.resilience import timer
from seawall.resilience.accounts import Accounts
from seawall.resilience.breaker_state import OPEN, BreakerState, Change
from seawall.resilience.bulkhead import BulkheadState
from seawall.resilience.deadline import Clock
from seawall.resilience.errors import Rejected
from seawall.resilience.guarding import Guarding
from seawall.resilience.ledger import GIL, Ledger
from seawall.resilience.operation import Operation
from seawall.resilience.rate_limit import Limiter, RateLimitState
from seawall.resilience.reporting import Reporter
from seawall.resilience.retry_account import RetryAccount


class Machinery(Guarding):
    """The working parts of a guard. It is built by, and only used as, a :class:`Guard`."""

    clock: Clock
    lock: threading.RLock
    ledger: Ledger
    accounts: Accounts
    report: Reporter
    breaker: BreakerState | None
    bulkhead: BulkheadState | None
    limiter: Limiter | None
    budget: RetryAccount | None
    watching: Callable[[], bool] | None
    #: The layers further in, of a pipeline.
    below: tuple[Machinery, ...] = ()
    name: str
    policies: dict[str, Any]
    #: What a test is to be asked before each attempt: the error to fail it with, if any.
    faults: tuple[Callable[[str], BaseException | None], ...] = ()
    _operations: dict[str, Operation]
    _slice: float

    def admit(self, now: float, spared: bool = False) -> tuple[int, str, float | None]:
        """(epoch, reason, retry_after) of the breaker; reason "" means admitted. Caller holds the lock.

        spared: the call was admitted although, had the breaker been on, it would not have been: epoch 0.
        """
        if self.breaker is None:
            return 1, "", None
        if (shadow := self.breaker.shadow) is not None:
            if not spared and not shadow.admit(now)[0]:
                return shadow.epoch, "", None
            self.ledger.slots[self.ledger.layout.at("breaker_would_reject")] += not spared
            return 0, "", None
        reason, change = self.breaker.admit(now)
        self._apply(change)
        if not reason:
            return self.breaker.epoch, "", None
        self.accounts.count_avoided(1)
        wait = max(0.0, self.breaker.open_until - now) if reason == "open" else None
        return 0, reason, wait

    def shut(self, now: float) -> bool:
        """Whether the breaker would reject a call that came now."""
        return self.breaker is not None and self.breaker.shut(now)

    def would_be_shut(self, now: float) -> bool:
        """The same of a breaker in metrics_only, were it on."""
        return self.breaker is not None and self.breaker.deciding.shut(now)

    def refused_below(self, error: BaseException) -> bool:
        """Whether a layer further in turned the call away: the dependency was not asked."""
        return isinstance(error, Rejected) and any(layer.name == error.dependency for layer in self.below)

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
                op.expiries = op.expiries.still_open()
            if self.breaker is not None:
                successes, until = self.accounts.lane_successes(), now + self._slice
                self.breaker.deciding.window.pass_time(now, successes, until)
            if self.bulkhead is not None:
                self.bulkhead.trim()
            self.shift_lanes()
            if self.budget is not None:
                self.budget.roll(now)
            self.accounts.learn_mean()

    def pass_time(self) -> None:
        """Let an open breaker become half-open when its time is over: whoever looks sees the truth."""
        if self.breaker is not None:
            with self.lock:
                self._apply(self.breaker.pass_time(self.clock()))
            self.report.transitions("")

    def keep_in(self, slots: list[float]) -> None:
        """Count in this storage from now on, from the numbers as they are. Caller holds the lock."""
        for i, number in enumerate(self.ledger.slots):
            slots[i] = number
        self.ledger.slots = slots
        for op in self._operations.values():
            op.slots = slots

    def declared(self) -> Iterable[Operation]:
        return self._operations.values()

    def audience_changed(self) -> None:
        """Listeners came or went: what a rejection has to tell may have changed."""
        with self.lock:
            self.shift_lanes()

    # -- what follows from a transition

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
        if change.to_state == OPEN:
            self.accounts.learn_mean()
        self.report.decided(change)
        self.shift_lanes()
        if change.to_state == OPEN:
            timer.of_process.remind(self, self.breaker.open_until)

    def shift_lanes(self) -> None:
        """Open or shut the fast lane. Without a GIL it stays shut: its stores are only safe under one."""
        lane = 1
        if self.breaker is not None:
            lane = (
                self.breaker.deciding.epoch
                if self.breaker.lane_open(self.clock(), self.accounts.lane_successes())
                else 0
            )
        if not GIL or (self.limiter is not None and not isinstance(self.limiter, RateLimitState)):
            lane = 0
        if self.faults:
            lane = 0
        if self.bulkhead is not None and self.bulkhead.owed:
            lane = 0
        for op in self._operations.values():
            op.shift(lane, self.watching)

    def observer_changed(self) -> None:
        """The registry's observer came or went."""
        with self.lock:
            self.watching = self.report.question()
            self.shift_lanes()

    # -- for tests

    def fail_by(self, *faults: Callable[[str], BaseException | None]) -> None:
        """Ask these before each attempt. While there are any the lane is shut: no call passes them by."""
        with self.lock:
            self.faults = faults
            self.shift_lanes()

    def fault(self, operation: str) -> tuple[bool, Any] | None:
        """What an attempt is to come to without asking anybody: the error of the first that has one."""
        errors = (error for ask in self.faults if (error := ask(operation)) is not None)
        return next(((False, error) for error in errors), None)
