"""The rules of a call that left the fast lane, top to bottom: attempts, retries, fallback, the end."""

from __future__ import annotations

from collections.abc import Generator
from random import random

from seawall.resilience.attempt import ASK, SLEEP, Answer, Attempts, Step
from seawall.resilience.errors import RetryBudgetExhausted
from seawall.resilience.events import (
    BudgetExhausted,
    CallDegraded,
    CallFailed,
    RetryExhausted,
    RetryScheduled,
)
from seawall.resilience.retry_after import asked
from seawall.resilience.verdict import matches, neutral

#: In place of an error's name, where a result was what was wrong.
RESULT = "result"


class Journey(Attempts):
    """One call of one operation."""

    __slots__ = ("backed_off",)

    def run(self) -> Generator[Step, Answer, Answer]:
        """A call from its beginning."""
        if self.watch is None:
            self.watch = self.op.guard.report.watch(self.op.name)
        return (yield from self._whole(self._travel(None)))

    def resume(
        self, answer: Answer, started: float, seconds: float, epoch: int
    ) -> Generator[Step, Answer, Answer]:
        """A call whose first attempt ran, and ended, in the fast lane. Its permits are given back already."""
        self.started = started
        self.epoch = epoch
        self.attempts = 1
        outcome = self.settle(*answer, seconds)
        return (yield from self._whole(self._travel((answer, outcome))))

    def once(self) -> Generator[Step, Answer, Answer]:
        """A block of code: one attempt, no retry and no fallback."""
        self.watch = self.op.guard.report.watch(self.op.name)
        return (yield from self._whole(self._block()))

    def _block(self) -> Generator[Step, Answer, Answer]:
        answer, outcome = yield from self.attempt()
        return self._end(answer, outcome)

    def _whole(self, travel: Generator[Step, Answer, Answer]) -> Generator[Step, Answer, Answer]:
        """Count a call that is given up from outside, too: who drove it was interrupted, or forgot it."""
        try:
            return (yield from travel)
        except GeneratorExit:
            self._close("cancelled", "GeneratorExit")
            raise
        finally:
            # An interrupt on the way to it does not reach it: what it took goes back now.
            travel.close()

    def _travel(self, first: tuple[Answer, str] | None) -> Generator[Step, Answer, Answer]:
        op = self.op
        self.backed_off = 0.0
        result = "not_retryable"
        answer, outcome = first if first else (yield from self.attempt())
        while True:
            if answer[0]:
                if op.unwanted is None or not op.unwanted(answer[1]):
                    result = "first_try" if self.attempts == 1 else "recovered"
                    break
                outcome = "unwanted"
            if outcome in ("cancelled", "rejected") or not self.attempts:
                break
            delay, result = self._next_delay(None if answer[0] else answer[1])
            if delay is None:
                break
            slept = yield from self.wait("retry", (SLEEP, delay, ""))
            if not slept[0]:
                answer, outcome = slept, "cancelled"
                break
            op.add("retry_delay_seconds", delay)
            failed, asked_before = (answer, outcome), self.attempts
            answer, outcome = yield from self.attempt()
            if outcome == "rejected":
                # The dependency's own exception says more than that its breaker opened meanwhile.
                (answer, outcome), result = failed, "exhausted"
                break
            if outcome == "timeout" and self.attempts == asked_before:
                # The wait took more than the total: no attempt failed that could be worth another.
                delay, result = self._exhausted(type(answer[1]).__name__)
                break
        if op.guard.retry is not None and self.attempts and outcome != "cancelled":
            op.count("retry_calls", result)
        return (yield from self._finish(answer, outcome))

    # -- after a failure

    def _next_delay(self, error: BaseException | None) -> tuple[float | None, str]:
        """Seconds to wait before the next attempt, or None; and how retrying ended if it ends here.

        error: ``None`` stands for a result that was not wanted.
        """
        op, guard = self.op, self.op.guard
        retry = guard.retry
        if retry is None or (error is not None and guard.verdicts.ignores(error)):
            return None, "not_retryable"
        pace = retry.pace(error)
        if pace is None or not retry.may_repeat(op.name, error):
            return None, "not_retryable"
        name = RESULT if error is None else type(error).__name__
        now = op.clock()
        if guard.budget is not None:
            with guard.lock:
                guard.budget.failed(now)
        if self.attempts >= pace.attempts or guard.shut(now):
            return self._exhausted(name)
        if guard.would_be_shut(now):
            # In metrics_only: were the breaker on, the call would end here. What follows counts for nothing.
            self.epoch = 0
        delay = self.backed_off = pace.delay(self.attempts, self.backed_off, random)
        wait = None if error is None else asked(error, retry.retry_after, guard.report.failed)
        if wait is not None:
            if wait > retry.max_retry_after:
                return self._exhausted(name)
            delay = max(delay, wait)
        rest = self.rest()
        if rest is not None and delay >= rest:
            return self._exhausted(name)
        if guard.budget is not None:
            with guard.lock:
                allowed = guard.budget.spend(now)
            if not allowed:
                if error is not None:
                    _note(error, str(RetryBudgetExhausted(guard.name)))
                guard.report.event(BudgetExhausted, op.name, attempt=self.attempts + 1, error=name)
                return None, "budget_exhausted"
        guard.report.event(RetryScheduled, op.name, attempt=self.attempts + 1, delay=delay, error=name)
        return delay, ""

    def _exhausted(self, error: str) -> tuple[None, str]:
        self.op.guard.report.event(RetryExhausted, self.op.name, attempts=self.attempts, error=error)
        return None, "exhausted"

    # -- the end: fallback, and the one outcome of the call

    def _finish(self, answer: Answer, outcome: str) -> Generator[Step, Answer, Answer]:
        guard = self.op.guard
        ok, value = answer
        if ok:
            if guard.stale is not None and outcome in ("success", "slow"):
                guard.stale.keep(
                    (self.op.name, self.function), self.args, self.kwargs, value, self.op.clock()
                )
            return self._end(answer, outcome)
        error = type(value).__name__
        settled = outcome == "cancelled" or (outcome == "ignored" and guard.verdicts.ignores(value))
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
        if outcome == "ignored" and guard.verdicts.ignores(value):
            self._close("success", error)
            return answer
        if self.attempts > 1:
            _note(value, f"{guard.name}: gave up after {self.attempts} attempts")
        ended = outcome if outcome in ("rejected", "timeout") else "failure"
        # Before the end: whoever hears of it is still within the call's span.
        guard.report.event(CallFailed, self.op.name, error=error, outcome=ended, attempts=self.attempts)
        self._close(ended, error)
        return answer

    def _degrade(self, cause: str) -> Generator[Step, Answer, Answer | None]:
        """The first fallback that serves; None when none did; a cancellation ends it."""
        op, guard = self.op, self.op.guard
        self.stray()
        fallback = guard.fallback
        assert fallback is not None
        for mode in fallback.modes:
            age: float | None = None
            served: Answer = (False, None)
            if mode == "stale":
                assert guard.stale is not None
                kept = guard.stale.get((self.op.name, self.function), self.args, self.kwargs, op.clock())
                if kept is not None:
                    served, age = (True, kept[0]), kept[1]
                    op.observe("stale_age", age)
            elif mode == "default":
                served = (True, fallback.default)
            else:
                function = fallback.alternative if mode == "alternative" else fallback.queue
                served = yield ASK, fallback.timeout, function
                if not served[0] and neutral(served[1]):
                    return served
            op.count("degradations", mode, "served" if served[0] else "failed")
            guard.report.event(
                CallDegraded,
                op.name,
                mode=mode,
                outcome="served" if served[0] else "failed",
                cause=cause,
                stale_age=age,
            )
            if served[0]:
                return served
        return None

    def _close(self, outcome: str, error: str) -> None:
        op, guard = self.op, self.op.guard
        seconds = op.clock() - self.started
        slot = -1
        if self._counted(outcome, error):
            op.count("calls", outcome)
            slot = op.observe("call_duration", seconds, op.name)
        if self.watch is not None:
            guard.report.observed(
                self.watch.call_ended, outcome, self.attempts, guard.state, error, slot, seconds
            )
        op.tick_if_due()

    def _counted(self, outcome: str, error: str) -> bool:
        """Whether it is a call of its own, and not what several share (``flights.py``)."""
        return self.op.counts is None or self.op.counts(outcome, error)


def _note(error: BaseException, text: str) -> None:
    """Add the history to an exception that takes notes; one that takes none goes on as it is."""
    try:
        if text not in getattr(error, "__notes__", ()):
            error.add_note(text)
    except Exception:
        return
