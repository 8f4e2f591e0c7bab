"""The rules of a call that left the fast lane, read from top to bottom: admission, attempt, retry, fallback.

A journey is a generator: it yields what is to be done (:data:`Step`) and is sent what came of it
(:data:`Answer`), so that ``def`` and ``async def`` share every rule. The drivers are in ``drivers.py``.
"""

from __future__ import annotations

from collections.abc import Generator
from random import random
from typing import TYPE_CHECKING, Any

from seawall.resilience.errors import BreakerOpen, BulkheadFull, RateLimited, Rejected, TimedOut
from seawall.resilience.events import (
    BudgetExhausted,
    CallDegraded,
    CallFailed,
    CallRejected,
    RetryExhausted,
    RetryScheduled,
    TimeoutExceeded,
)
from seawall.resilience.timeout import deadline, reset_deadline
from seawall.resilience.verdict import ignored, matches, verdict

if TYPE_CHECKING:
    from seawall.resilience.hotpath import Operation
    from seawall.resilience.observer import Watch

#: What to do: (ATTEMPT, limit in seconds or None, scope), (SLEEP, seconds, ""), (QUEUE, seconds, ""),
#: (ASK, limit, function of a fallback).
Step = tuple[str, float | None, Any]
#: What came of it: (True, result), (False, exception); for QUEUE (False, reason) too.
Answer = tuple[bool, Any]
ATTEMPT, SLEEP, QUEUE, ASK = "attempt", "sleep", "queue", "ask"


class Journey:
    """One call of one operation."""

    __slots__ = ("args", "attempts", "epoch", "kwargs", "op", "outer", "started", "watch")

    def __init__(self, op: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.op = op
        self.args = args
        self.kwargs = kwargs
        self.attempts = 0
        self.epoch = 0
        self.started = op.clock()
        self.outer = deadline.get()
        self.watch: Watch | None = None

    def run(self) -> Generator[Step, Answer, Answer]:
        """A call from its beginning."""
        self.watch = self.op.guard.watch(self.op.name)
        return (yield from self._travel(None))

    def resume(
        self, answer: Answer, started: float, seconds: float, epoch: int
    ) -> Generator[Step, Answer, Answer]:
        """A call whose first attempt ran, and ended, in the fast lane. Its permits are given back already."""
        self.started = started
        self.epoch = epoch
        self.attempts = 1
        outcome = self._settle(*answer, seconds)
        return (yield from self._travel((answer, outcome)))

    def once(self) -> Generator[Step, Answer, Answer]:
        """A block of code: one attempt, no retry and no fallback."""
        self.watch = self.op.guard.watch(self.op.name)
        answer, outcome = yield from self._attempt()
        return self._end(answer, outcome)

    def _travel(self, first: tuple[Answer, str] | None) -> Generator[Step, Answer, Answer]:
        op = self.op
        result = "not_retryable"
        answer, outcome = first if first else (yield from self._attempt())
        while True:
            if answer[0]:
                result = "first_try" if self.attempts == 1 else "recovered"
                break
            if outcome in ("cancelled", "rejected"):
                break
            delay, result = self._next_delay(answer[1])
            if delay is None:
                break
            slept = yield from self._wait("retry", (SLEEP, delay, ""))
            if not slept[0]:
                answer, outcome = slept, "cancelled"
                break
            op.add("retry_delay_seconds", delay)
            failed, (answer, outcome) = (answer, outcome), (yield from self._attempt())
            if outcome == "rejected":
                # The dependency's own exception says more than that its breaker opened meanwhile.
                (answer, outcome), result = failed, "exhausted"
                break
        if self.attempts and outcome != "cancelled":
            op.count("retry_calls", result)
        return (yield from self._finish(answer, outcome))

    # -- one attempt: admission in the documented order, the call, its verdict

    def _attempt(self) -> Generator[Step, Answer, tuple[Answer, str]]:
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
            guard.observed(self.watch.attempt_started, self.attempts)
        answer = yield ATTEMPT, limit, scope
        seconds = op.clock() - now
        if token is not None:
            reset_deadline(token)
        if guard.bulkhead is not None:
            with guard.lock:
                guard.bulkhead.leave()
        return answer, self._settle(*answer, seconds)

    def _enter(self) -> Generator[Step, Answer, BaseException | None]:
        """Breaker, rate limit, bulkhead. What an outer one granted goes back when an inner one rejects."""
        op, guard = self.op, self.op.guard
        if (limit := self._limit(op.clock()))[0] is not None and limit[0] <= 0:
            return self._timed_out("total", self._total(), op.clock() - self.started)
        with guard.lock:
            now = op.clock()
            self.epoch, reason, retry_after = guard.admit(now)
        guard.emit_changes(op.name)
        if reason:
            return self._reject(BreakerOpen(guard.name, "breaker", reason, retry_after))
        refused: BaseException | None = None
        if guard.limiter is not None:
            with guard.lock:
                wait = guard.limiter.take(now)
            if wait is None:
                refused = self._reject(RateLimited(guard.name, "rate_limit", "exceeded", guard.limiter.retry_after(now)))
            elif wait > 0:
                refused = yield from self._queue("rate_limit", "rate_limiter_wait", (SLEEP, wait, ""))
                if refused is not None:
                    with guard.lock:
                        guard.limiter.give_back()
        if refused is None and guard.bulkhead is not None:
            with guard.lock:
                entered = guard.bulkhead.enter()
            if not entered:
                refused = yield from self._queue("bulkhead", "bulkhead_wait", (QUEUE, guard.bulkhead.settings.max_wait, ""))
                if refused is not None and guard.limiter is not None:
                    with guard.lock:
                        guard.limiter.give_back()
        if refused is not None:
            with guard.lock:
                guard.settle(self.epoch, "ignored", "", op.clock())
        return refused

    def _queue(self, policy: str, histogram: str, step: Step) -> Generator[Step, Answer, BaseException | None]:
        """Wait for a permit, never beyond the total; the histogram counts those who waited."""
        op, guard = self.op, self.op.guard
        began = op.clock()
        rest = self._rest(began)
        whole = step[1] or 0.0
        ok, why = yield from self._wait(policy, step if rest is None or whole <= rest else (step[0], rest, step[2]))
        waited = op.clock() - began
        if isinstance(why, BaseException):
            return why
        if waited > 0:
            op.observe(histogram, waited)
        if rest is not None and whole > rest and (not ok or step[0] == SLEEP):
            return self._timed_out("total", self._total(), op.clock() - self.started)
        return None if ok else self._reject(BulkheadFull(guard.name, policy, why))

    def _wait(self, reason: str, step: Step) -> Generator[Step, Answer, Answer]:
        watch = self.watch
        if watch is not None:
            self.op.guard.observed(watch.wait_started, reason)
        answer = yield step
        if watch is not None:
            self.op.guard.observed(watch.wait_ended)
        return answer

    def _settle(self, ok: bool, value: Any, seconds: float) -> str:
        """Count one attempt in the ledger and in the breaker. The outcome of an attempt of the ledger."""
        op, guard = self.op, self.op.guard
        error = "" if ok else type(value).__name__
        outcome = "slow" if seconds > op.slow_after else "success"
        if not ok:
            outcome = verdict(value, guard.record, guard.ignore)
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
            guard.observed(self.watch.attempt_ended, outcome, error, slot, seconds)
        guard.emit_changes(op.name)
        return outcome

    # -- after a failure

    def _next_delay(self, error: BaseException) -> tuple[float | None, str]:
        """Seconds to wait before the next attempt, or None; and how retrying ended if it ends here."""
        op, guard = self.op, self.op.guard
        retry = guard.retry
        if retry is None or not matches(error, retry.on) or ignored(error, guard.ignore):
            return None, "not_retryable"
        name = type(error).__name__
        if self.attempts >= retry.attempts:
            return self._exhausted(name)
        now = op.clock()
        delay = retry.delay(self.attempts, random)
        asked = getattr(error, "retry_after", None)
        if isinstance(asked, int | float):
            delay = max(delay, float(asked))
        rest = self._rest(now)
        if rest is not None and delay >= rest:
            return self._exhausted(name)
        if guard.budget is not None:
            with guard.lock:
                allowed = guard.budget.spend(now, guard.calls_ended())
            if not allowed:
                guard.emit(BudgetExhausted, op.name, attempt=self.attempts + 1, error=name)
                return None, "budget_exhausted"
        guard.emit(RetryScheduled, op.name, attempt=self.attempts + 1, delay=delay, error=name)
        return delay, ""

    def _exhausted(self, error: str) -> tuple[None, str]:
        self.op.guard.emit(RetryExhausted, self.op.name, attempts=self.attempts, error=error)
        return None, "exhausted"

    # -- the end: fallback, and the one outcome of the call

    def _finish(self, answer: Answer, outcome: str) -> Generator[Step, Answer, Answer]:
        guard = self.op.guard
        ok, value = answer
        if ok:
            if guard.stale is not None:
                guard.stale.keep(self.op.name, self.args, self.kwargs, value, self.op.clock())
            return self._end(answer, outcome)
        error = type(value).__name__
        settled = outcome == "cancelled" or (outcome == "ignored" and ignored(value, guard.ignore))
        if not settled and guard.fallback is not None and matches(value, guard.fallback.on):
            served = yield from self._degrade(error)
            if served is not None:
                self._close("degraded" if served[0] else "cancelled", error)
                return served
        return self._end(answer, outcome)

    def _end(self, answer: Answer, outcome: str) -> Answer:
        """The one outcome of a call that no fallback answered."""
        guard = self.op.guard
        ok, value = answer
        if ok:
            self._close("success", "")
            return answer
        error = type(value).__name__
        if outcome == "cancelled":
            self._close("cancelled", error)
            return answer
        if outcome == "ignored" and ignored(value, guard.ignore):
            self._close("success", error)
            return answer
        if self.attempts > 1:
            value.add_note(f"{guard.name}: gave up after {self.attempts} attempts")
        ended = outcome if outcome in ("rejected", "timeout") else "failure"
        self._close(ended, error)
        guard.emit(CallFailed, self.op.name, error=error, outcome=ended, attempts=self.attempts)
        return answer

    def _degrade(self, cause: str) -> Generator[Step, Answer, Answer | None]:
        """The first fallback that serves; None when none did; a cancellation ends it."""
        op, guard = self.op, self.op.guard
        fallback = guard.fallback
        assert fallback is not None
        for mode in fallback.modes:
            age: float | None = None
            served: Answer = (False, None)
            if mode == "stale":
                assert guard.stale is not None
                kept = guard.stale.get(op.name, self.args, self.kwargs, op.clock())
                if kept is not None:
                    served, age = (True, kept[0]), kept[1]
                    op.observe("stale_age", age)
            elif mode == "default":
                served = (True, fallback.default)
            else:
                function = fallback.alternative if mode == "alternative" else fallback.queue
                served = yield ASK, fallback.timeout, function
                if not served[0] and verdict(served[1], (Exception,), ()) == "cancelled":
                    return served
            op.count("degradations", mode, "served" if served[0] else "failed")
            guard.emit(
                CallDegraded, op.name, mode=mode, outcome="served" if served[0] else "failed", cause=cause, stale_age=age
            )
            if served[0]:
                return served
        return None

    def _close(self, outcome: str, error: str) -> None:
        op, guard = self.op, self.op.guard
        seconds = op.clock() - self.started
        op.count("calls", outcome)
        slot = op.observe("call_duration", seconds, op.name)
        if self.watch is not None:
            guard.observed(self.watch.call_ended, outcome, self.attempts, guard.state, error, slot, seconds)
        op.tick_if_due()

    # -- time, rejections

    def _rest(self, now: float) -> float | None:
        """Seconds left of the total and of the inherited deadline."""
        timeout = self.op.guard.timeout
        ends = [self.outer[0]] if self.outer is not None else []
        if timeout is not None and timeout.total is not None:
            ends.append(self.started + timeout.total)
        return min(ends) - now if ends else None

    def _limit(self, now: float) -> tuple[float | None, str]:
        """(seconds, scope) that bound an attempt that begins now."""
        timeout = self.op.guard.timeout
        rest = self._rest(now)
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
        self.op.guard.emit(TimeoutExceeded, self.op.name, scope=scope, limit=limit, elapsed=elapsed)

    def _reject(self, rejection: Rejected) -> Rejected:
        self.op.guard.count_rejection(rejection.policy, rejection.reason)
        self.op.guard.emit(
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
