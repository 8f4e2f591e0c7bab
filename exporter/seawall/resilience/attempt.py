"""One attempt: admission in the documented order, the call itself, and its verdict.

An attempt is a generator: it yields what is to be done (:data:`Step`) and is sent what came of it
(:data:`Answer`), so that ``def`` and ``async def`` share every rule. The drivers are in ``drivers.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from seawall.resilience.bulkhead import Granted
from seawall.resilience.deadline import AT, Deadline, alive, current, reset, rest_of
from seawall.resilience.errors import BreakerOpen, BulkheadFull, RateLimited, Rejected, TimedOut
from seawall.resilience.events import CallRejected, TimeoutExceeded
from seawall.resilience.stopwatch import Stopwatch

if TYPE_CHECKING:
    from seawall.resilience.observer import Watch
    from seawall.resilience.operation import Operation

#: What to do: (ATTEMPT, limit in seconds or None, scope), (SLEEP, seconds, ""),
#: (QUEUE, seconds, where what gives the place back is noted),
#: (ASK, limit, function of a fallback).
Step = tuple[str, float | None, Any]
#: What came of it: (True, result), (False, exception); for QUEUE (False, reason) too.
Answer = tuple[bool, Any]
ATTEMPT, SLEEP, QUEUE, ASK = "attempt", "sleep", "queue", "ask"


class Attempts:
    """The attempts of one call: what it knows of itself, and how one attempt goes."""

    __slots__ = (
        "args",
        "attempts",
        "epoch",
        "function",
        "given",
        "kwargs",
        "late_after",
        "limits",
        "op",
        "outer",
        "started",
        "watch",
    )

    def __init__(
        self, op: Operation, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.op = op
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.attempts = 0
        self.epoch = 0
        self.started = op.clock()
        self.outer = alive(current.get())
        self.given = rest_of(self.outer)
        self.limits = op.limits
        self.late_after = op.slow_after
        self.watch: Watch | None = None

    def attempt(self) -> Generator[Step, Answer, tuple[Answer, str]]:
        op, guard = self.op, self.op.guard
        granted: Granted = []
        answer: Answer = (False, GeneratorExit())
        mine: Deadline | None = None
        token = None
        began = self.started
        asked = False
        try:
            rejected = yield from self._ask_in_turn(granted)
            if rejected is not None:
                return (False, rejected), _outcome_unasked(rejected)
            asked = True
            self.attempts += 1
            if self.attempts > 1:
                op.count("retries")
            limit, scope = self._limit()
            began = op.clock()
            if limit is not None:
                mine = [began + limit, op.clock, self.outer]
                token = current.set(mine)
            if self.watch is not None:
                guard.report.observed(self.watch.attempt_started, self.attempts)
            fault = guard.fault(op.name) if guard.faults else None
            answer = (yield ATTEMPT, limit, scope) if fault is None else fault
        finally:
            # Left by an answer, or closed because whoever drives this was interrupted: nothing stays taken.
            # What matters most first: after each call an interrupt may take the rest away.
            if mine is not None:
                mine[AT] = inf
            if not asked:
                # What an outer policy granted goes back when an inner one rejects.
                with guard.lock:
                    for give_back in reversed(granted):
                        give_back()
            else:
                if guard.bulkhead is not None:
                    guard.bulkhead.permits.append(None)
                    guard.wake()
                if token is not None:
                    reset(token)
                outcome = self.settle(*answer, op.clock() - began)
        return answer, outcome

    def _ask_in_turn(self, granted: Granted) -> Generator[Step, Answer, BaseException | None]:
        """Breaker, rate limit, bulkhead: why the call is refused, or None. ``granted`` grows with each."""
        op, guard = self.op, self.op.guard
        if (rest := self.rest()) is not None and rest <= 0:
            return self._timed_out("total", self._total())
        with guard.lock:
            now = op.clock()
            self.epoch, reason, retry_after = guard.admit(now, self.attempts > 0 and not self.epoch)
            if not reason:
                granted.append(lambda: guard.settle(self.epoch, "ignored", "", op.clock()))
        guard.report.transitions(op.name)
        if reason:
            return self._reject(BreakerOpen(guard.name, "breaker", reason, retry_after))
        limiter, bulkhead = guard.limiter, guard.bulkhead
        if limiter is not None:
            with guard.lock:
                wait = limiter.take(now)
                permit = limiter.newest
            if wait is None:
                return self._reject(
                    RateLimited(guard.name, "rate_limit", "exceeded", limiter.retry_after(now))
                )
            granted.append(partial(limiter.give_back, permit))
            if wait > 0:
                refused = yield from self._queue("rate_limit", "rate_limiter_wait", (SLEEP, wait, ""))
                if refused is not None:
                    return refused
                if (more := limiter.shut_until - op.clock()) > 0.001:
                    return self._reject(RateLimited(guard.name, "rate_limit", "exceeded", more))
        if bulkhead is not None:
            with guard.lock:
                entered = bulkhead.enter(granted)
            if not entered:
                step = (QUEUE, bulkhead.settings.max_wait, granted)
                return (yield from self._queue("bulkhead", "bulkhead_wait", step))
        return None

    def _queue(
        self, policy: str, histogram: str, step: Step
    ) -> Generator[Step, Answer, BaseException | None]:
        """Wait for a permit, never beyond the total; the histogram counts those who waited."""
        op, guard = self.op, self.op.guard
        began = op.clock()
        rest = self.rest()
        whole = step[1] or 0.0
        if rest is not None and (rest <= 0 or (step[0] == SLEEP and whole > rest)):
            return self._timed_out("total", self._total())
        ok, why = yield from self.wait(
            policy, step if rest is None or whole <= rest else (step[0], rest, step[2])
        )
        waited = op.clock() - began
        if isinstance(why, BaseException):
            return why
        if waited > 0:
            op.observe(histogram, waited)
        if rest is not None and whole > rest and why == "wait_exceeded":
            return self._timed_out("total", self._total())
        return None if ok else self._reject(BulkheadFull(guard.name, policy, why))

    def wait(self, reason: str, step: Step) -> Generator[Step, Answer, Answer]:
        watch = self.watch
        self.stray()
        if watch is not None:
            self.op.guard.report.observed(watch.wait_started, reason)
        answer = yield step
        if watch is not None:
            self.op.guard.report.observed(watch.wait_ended)
        return answer

    def stray(self) -> None:
        """What this call takes from now on is not the guard's own cost alone."""
        if isinstance(self.function, Stopwatch):
            self.function.strayed = True

    def settle(self, ok: bool, value: Any, seconds: float) -> str:
        """Count one attempt in the ledger and in the breaker. The outcome of an attempt of the ledger."""
        op, guard = self.op, self.op.guard
        error = "" if ok else type(value).__name__
        outcome = "slow" if seconds > self.late_after else "success"
        if ok and op.bad is not None and op.bad(value):
            error, outcome = "result", "failure"
        refused_below = not ok and guard.refused_below(value)
        if not ok:
            self.stray()
            outcome = "ignored" if refused_below else self._throttled(value, guard.verdicts.outcome(value))
        failed = outcome in ("failure", "timeout")
        op.count("attempts", outcome)
        slot = op.observe("attempt_duration", seconds, op.name)
        with guard.lock:
            if failed:
                guard.ledger.slots[guard.ledger.error_slot(error)] += 1
            guard.settle(self.epoch, op.told(outcome, seconds), error, op.clock())
        if isinstance(value, TimedOut) and not ok and value.dependency == guard.name:
            self._count_timeout(value.scope, value.limit, seconds)
        if self.watch is not None:
            guard.report.observed(self.watch.attempt_ended, outcome, error, slot, seconds)
        guard.report.transitions(op.name)
        return "rejected" if refused_below else outcome

    def _throttled(self, error: BaseException, outcome: str) -> str:
        """Of an attempt that the dependency refused because it was too much: see ``RateLimit``."""
        limiter, guard = self.op.guard.limiter, self.op.guard
        pause = None if limiter is None else limiter.settings.throttled(error, guard.report.failed)
        if limiter is None or pause is None:
            return outcome
        with guard.lock:
            limiter.drain(self.op.clock() + pause)
        return outcome if limiter.settings.throttled_counts else "ignored"

    def rest(self) -> float | None:
        """Seconds left of the total and of the inherited deadline."""
        rest, total = rest_of(self.outer), self.limits.total
        if total is not None:
            rest = min(rest, self.started + total - self.op.clock())
        return None if rest == inf else rest

    def _limit(self) -> tuple[float | None, str]:
        """(seconds, scope) that bound an attempt that begins now; no seconds where no timeout is set."""
        if not self.limits.bounded:
            return None, ""
        attempt, rest = self.limits.of_attempt(self.args, self.kwargs), self.rest()
        limit, scope = rest, "total"
        if attempt is not None and (rest is None or attempt <= rest):
            limit, scope = attempt, "attempt"
        if limit is not None:
            self.late_after = min(self.op.slow_after, limit)
        return limit, scope

    def _total(self) -> float:
        """Seconds that this call had when it began."""
        own = inf if self.limits.total is None else self.limits.total
        return max(0.0, min(own, self.given))

    def _timed_out(self, scope: str, limit: float) -> TimedOut:
        self._count_timeout(scope, limit, self.op.clock() - self.started)
        return TimedOut(self.op.guard.name, scope, limit)

    def _count_timeout(self, scope: str, limit: float, elapsed: float) -> None:
        if self.op.guard.timeout is not None:
            self.op.count("timeouts", scope)
        self.op.guard.report.event(TimeoutExceeded, self.op.name, scope=scope, limit=limit, elapsed=elapsed)

    def _reject(self, rejection: Rejected) -> Rejected:
        self.stray()
        ledger = self.op.guard.ledger
        ledger.add(ledger.layout.at("rejections", rejection.policy, rejection.reason))
        self.op.guard.report.event(
            CallRejected,
            self.op.name,
            policy=rejection.policy,
            reason=rejection.reason,
            retry_after=rejection.retry_after,
        )
        return rejection


def _outcome_unasked(error: BaseException) -> str:
    """Of an attempt that never began."""
    if isinstance(error, Rejected):
        return "rejected"
    return "timeout" if isinstance(error, TimedOut) else "cancelled"
