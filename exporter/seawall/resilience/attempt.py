"""One attempt: admission in the documented order, the call itself, and its verdict.

An attempt is a generator: it yields what is to be done (:data:`Step`) and is sent what came of it
(:data:`Answer`), so that ``def`` and ``async def`` share every rule. The drivers are in ``drivers.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from seawall.resilience.errors import BreakerOpen, BulkheadFull, RateLimited, Rejected, TimedOut
from seawall.resilience.events import CallRejected, TimeoutExceeded
from seawall.resilience.stopwatch import Stopwatch
from seawall.resilience.timeout import deadline, reset_deadline

if TYPE_CHECKING:
    from seawall.resilience.observer import Watch
    from seawall.resilience.operation import Operation

#: What to do: (ATTEMPT, limit in seconds or None, scope), (SLEEP, seconds, ""), (QUEUE, seconds, ""),
#: (ASK, limit, function of a fallback).
Step = tuple[str, float | None, Any]
#: What came of it: (True, result), (False, exception); for QUEUE (False, reason) too.
Answer = tuple[bool, Any]
ATTEMPT, SLEEP, QUEUE, ASK = "attempt", "sleep", "queue", "ask"


class Attempts:
    """The attempts of one call: what it knows of itself, and how one attempt goes."""

    __slots__ = ("args", "attempts", "epoch", "function", "kwargs", "op", "outer", "started", "watch")

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
        self.outer = deadline.get()
        self.watch: Watch | None = None

    def attempt(self) -> Generator[Step, Answer, tuple[Answer, str]]:
        op, guard = self.op, self.op.guard
        rejected = yield from self._enter()
        if rejected is not None:
            return (False, rejected), _outcome_unasked(rejected)
        self.attempts += 1
        if self.attempts > 1:
            op.count("retries")
        now = op.clock()
        limit, scope = self._limit(now)
        token = deadline.set((now + limit, op.clock)) if limit is not None else None
        if self.watch is not None:
            guard.report.observed(self.watch.attempt_started, self.attempts)
        answer = yield ATTEMPT, limit, scope
        seconds = op.clock() - now
        if token is not None:
            reset_deadline(token)
        if guard.bulkhead is not None:
            with guard.lock:
                guard.bulkhead.leave()
        return answer, self.settle(*answer, seconds)

    def _enter(self) -> Generator[Step, Answer, BaseException | None]:
        """Breaker, rate limit, bulkhead. What an outer one granted goes back when an inner one rejects."""
        op, guard = self.op, self.op.guard
        if (limit := self._limit(op.clock()))[0] is not None and limit[0] <= 0:
            return self._timed_out("total", self._total(), op.clock() - self.started)
        with guard.lock:
            now = op.clock()
            self.epoch, reason, retry_after = guard.admit(now)
        guard.report.transitions(op.name)
        if reason:
            return self._reject(BreakerOpen(guard.name, "breaker", reason, retry_after))
        refused: BaseException | None = None
        if guard.limiter is not None:
            with guard.lock:
                wait = guard.limiter.take(now)
            if wait is None:
                refused = self._reject(
                    RateLimited(guard.name, "rate_limit", "exceeded", guard.limiter.retry_after(now))
                )
            elif wait > 0:
                refused = yield from self._queue("rate_limit", "rate_limiter_wait", (SLEEP, wait, ""))
                if refused is not None:
                    with guard.lock:
                        guard.limiter.give_back()
        if refused is None and guard.bulkhead is not None:
            with guard.lock:
                entered = guard.bulkhead.enter()
            if not entered:
                refused = yield from self._queue(
                    "bulkhead", "bulkhead_wait", (QUEUE, guard.bulkhead.settings.max_wait, "")
                )
                if refused is not None and guard.limiter is not None:
                    with guard.lock:
                        guard.limiter.give_back()
        if refused is not None:
            with guard.lock:
                guard.settle(self.epoch, "ignored", "", op.clock())
        return refused

    def _queue(
        self, policy: str, histogram: str, step: Step
    ) -> Generator[Step, Answer, BaseException | None]:
        """Wait for a permit, never beyond the total; the histogram counts those who waited."""
        op, guard = self.op, self.op.guard
        began = op.clock()
        rest = self.rest(began)
        whole = step[1] or 0.0
        ok, why = yield from self.wait(
            policy, step if rest is None or whole <= rest else (step[0], rest, step[2])
        )
        waited = op.clock() - began
        if isinstance(why, BaseException):
            return why
        if waited > 0:
            op.observe(histogram, waited)
        if rest is not None and whole > rest and (not ok or step[0] == SLEEP):
            return self._timed_out("total", self._total(), op.clock() - self.started)
        return None if ok else self._reject(BulkheadFull(guard.name, policy, why))

    def wait(self, reason: str, step: Step) -> Generator[Step, Answer, Answer]:
        watch = self.watch
        self._stray()
        if watch is not None:
            self.op.guard.report.observed(watch.wait_started, reason)
        answer = yield step
        if watch is not None:
            self.op.guard.report.observed(watch.wait_ended)
        return answer

    def _stray(self) -> None:
        """What this call takes from now on is not the guard's own cost alone."""
        if isinstance(self.function, Stopwatch):
            self.function.strayed = True

    def settle(self, ok: bool, value: Any, seconds: float) -> str:
        """Count one attempt in the ledger and in the breaker. The outcome of an attempt of the ledger."""
        op, guard = self.op, self.op.guard
        error = "" if ok else type(value).__name__
        outcome = "slow" if seconds > op.slow_after else "success"
        if ok and op.judge is not None and op.judge(value):
            error, outcome = "result", "failure"
        if not ok:
            self._stray()
            outcome = guard.verdicts.outcome(value)
        failed = outcome in ("failure", "timeout")
        op.count("attempts", outcome)
        slot = op.observe("attempt_duration", seconds, op.name)
        with guard.lock:
            if failed:
                guard.ledger.slots[guard.ledger.error_slot(error)] += 1
            guard.settle(self.epoch, outcome, error, op.clock())
        if isinstance(value, TimedOut) and not ok and value.dependency == guard.name:
            self._count_timeout(value.scope, value.limit, seconds)
        if self.watch is not None:
            guard.report.observed(self.watch.attempt_ended, outcome, error, slot, seconds)
        guard.report.transitions(op.name)
        return outcome

    def rest(self, now: float) -> float | None:
        """Seconds left of the total and of the inherited deadline."""
        timeout = self.op.guard.timeout
        ends = [self.outer[0]] if self.outer is not None else []
        if timeout is not None and timeout.total is not None:
            ends.append(self.started + timeout.total)
        return min(ends) - now if ends else None

    def _limit(self, now: float) -> tuple[float | None, str]:
        """(seconds, scope) that bound an attempt that begins now."""
        timeout = self.op.guard.timeout
        rest = self.rest(now)
        if timeout is not None and timeout.attempt is not None and (rest is None or timeout.attempt <= rest):
            return timeout.attempt, "attempt"
        return rest, "total"

    def _total(self) -> float:
        timeout = self.op.guard.timeout
        ends = [self.outer[0] - self.started] if self.outer is not None else []
        if timeout is not None and timeout.total is not None:
            ends.append(timeout.total)
        return min(ends)

    def _timed_out(self, scope: str, limit: float, elapsed: float) -> TimedOut:
        self._count_timeout(scope, limit, elapsed)
        return TimedOut(self.op.guard.name, scope, limit)

    def _count_timeout(self, scope: str, limit: float, elapsed: float) -> None:
        if self.op.guard.timeout is not None:
            self.op.count("timeouts", scope)
        self.op.guard.report.event(TimeoutExceeded, self.op.name, scope=scope, limit=limit, elapsed=elapsed)

    def _reject(self, rejection: Rejected) -> Rejected:
        ledger = self.op.guard.ledger
        ledger.slots[ledger.layout.at("rejections", rejection.policy, rejection.reason)] += 1
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
