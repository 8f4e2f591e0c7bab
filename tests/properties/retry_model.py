"""What a guard that retries has to do, step by step: each call from the settings, the clock and chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.properties.allowances import allowance
from tests.properties.foreseen import Expected
from tests.properties.in_a_row import InARow
from tests.properties.retry_turns import KINDS, Busy, Ignored, Plan, Unready, all_of, any_of, says, single

from seawall.resilience import BreakerOpen, Retry, RetryRule, TimedOut

#: What a sleep that wakes too late adds.
OVERSLEEP = 3.0


@dataclass
class Foreseen:
    """``began``: (when, seconds left) of each attempt; ``told``: the events, without their numbers."""

    result: Any = None
    attempts: int = 0
    notes: list[str] = field(default_factory=list)
    began: list[tuple[float, float | None]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    told: list[tuple[Any, ...]] = field(default_factory=list)
    ended: float = 0.0


class RetryModel:
    """``breaker``: None: there is none; ``refuses``: whether it is on, else it only counts."""

    def __init__(self, retry: Retry, total: float | None, breaker: bool, refuses: bool) -> None:
        self.retry, self.total, self.refuses = retry, total, refuses
        self.expected = Expected()
        self.breaker = InARow(self.expected if refuses else None) if breaker else None
        self.budget = allowance(retry.budget)

    def call(self, plan: Plan, now: float) -> Foreseen:
        self.plan, self.now, self.started = plan, now, now
        self.seen = Foreseen()
        self.spared, self.before, self.draws = False, 0.0, 0
        outcome, result = self._travel()
        operation = plan.operation
        self.expected.add("calls", operation, self._close(outcome))
        self.expected.add("call_duration", operation, by=self.now - self.started)
        if self.seen.attempts and outcome != "cancelled":
            self.expected.add("retry_calls", operation, result)
        self.seen.ended = self.now
        return self.seen

    def _travel(self) -> tuple[str, str]:
        """(what the last attempt came to, how retrying ended)."""
        seen = self.seen
        outcome = ""
        while True:
            refused = self._refused()
            if refused is not None:
                if not seen.attempts:
                    seen.result = refused
                    return "rejected", ""
                if isinstance(refused, TimedOut):
                    seen.result, outcome = refused, "timeout"
                    self._tell("RetryExhausted", seen.attempts, "TimedOut")
                return outcome, "exhausted"
            outcome = self._attempt()
            if outcome in ("success", "slow") and not self._unready():
                return outcome, "first_try" if seen.attempts == 1 else "recovered"
            if outcome == "cancelled":
                return outcome, ""
            delay = self._delay(None if outcome in ("success", "slow") else seen.result)
            if isinstance(delay, str):
                return outcome, delay
            if not self._sleep(delay):
                return "cancelled", ""

    # -- one attempt

    def _rest(self) -> float | None:
        return None if self.total is None else self.started + self.total - self.now

    def _refused(self) -> BaseException | None:
        rest = self._rest()
        if rest is not None and rest <= 0:
            self._tell("TimeoutExceeded", "total", self.total, self.now - self.started)
            return self._timed_out(self.total)
        if self.breaker is None:
            return None
        if self.spared:
            self.epoch = 0
            return None
        why = self.breaker.admit(self.now)
        self.epoch = self.breaker.epoch
        if not why:
            return None
        if not self.refuses:
            self.expected.add("breaker_would_reject")
            self.spared, self.epoch = True, 0
            return None
        self.expected.add("rejections", "breaker", why)
        wait = self.breaker.until - self.now if why == "open" else None
        self._tell("CallRejected", "breaker", why, wait)
        return BreakerOpen("bank", "breaker", why, wait)

    def _timed_out(self, limit: float | None) -> TimedOut:
        assert limit is not None
        self.expected.add("timeouts", self.plan.operation, "total")
        return TimedOut("bank", "total", limit)

    def _attempt(self) -> str:
        seen, rest = self.seen, self._rest()
        turn = self.plan.turns[seen.attempts]
        seen.attempts += 1
        seen.began.append((self.now, rest))
        if seen.attempts == 1:
            self.budget.asked()
        else:
            self.expected.add("retries", self.plan.operation)
        if turn.trips:
            self._trip()
        seen.result, outcome, took = turn.made, KINDS[turn.kind][1], turn.seconds
        if outcome == "ignored" and self.breaker is None:
            outcome = "failure"
        if rest is not None and turn.seconds > 0 and turn.seconds >= rest and self.plan.how == "async def":
            # Of two things at the same moment, the cancellation comes first.
            seen.result, outcome, took = self._timed_out(rest), "timeout", rest
        elif rest is not None and outcome == "success" and took > rest:
            outcome = "slow"
        self.now += took
        self._settle(outcome, took)
        return outcome

    def _settle(self, outcome: str, took: float) -> None:
        operation, error = self.plan.operation, type(self.seen.result).__name__
        self.expected.add("attempts", operation, outcome)
        self.expected.add("attempt_duration", operation, by=took)
        if outcome in ("failure", "timeout"):
            self.expected.add("errors", error)
        if error == "TimedOut":
            self._tell("TimeoutExceeded", "total", self.seen.result.limit, took)
        if outcome in ("success", "slow"):
            self.budget.succeeded()
        if self.breaker is not None:
            self.breaker.settle(self.epoch, outcome, self.now)

    def _unready(self) -> bool:
        if self.retry.on_result is None or not self._may_repeat(None):
            return False
        return isinstance(self.seen.result, Unready)

    # -- whether another follows, and when

    def _delay(self, error: BaseException | None) -> float | str:
        """Seconds, or how retrying ends."""
        seen, retry = self.seen, self.retry
        if error is not None and self.breaker is not None and all_of(error, (Ignored,)):
            return "not_retryable"
        rule = self._rule(error)
        if rule is None or not self._may_repeat(error):
            return "not_retryable"
        name = "result" if error is None else type(error).__name__
        self.budget.failed()
        shut = self.breaker is not None and self.breaker.shut(self.now)
        if seen.attempts >= self._set(rule, "attempts") or (shut and self.refuses):
            return self._exhausted(name)
        self.spared = self.spared or shut
        delay = self.before = self._back_off(rule)
        asked = None if error is None else self._asked(error)
        if asked is not None:
            if asked > retry.max_retry_after:
                return self._exhausted(name)
            delay = max(delay, asked)
        rest = self._rest()
        if rest is not None and delay >= rest:
            return self._exhausted(name)
        if not self.budget.spend():
            if error is not None:
                seen.notes.append("bank: not retried, the retry budget is used up")
            self._tell("BudgetExhausted", seen.attempts + 1, name)
            return "budget_exhausted"
        self._tell("RetryScheduled", seen.attempts + 1, delay, name)
        return delay

    def _rule(self, error: BaseException | None) -> RetryRule | None:
        if error is not None:
            for kind, rule in self.retry.per_error:
                if any_of(error, (kind,)):
                    return rule
            if not any_of(error, self.retry.on):
                return None
        return RetryRule()

    def _set(self, rule: RetryRule, name: str) -> Any:
        own = getattr(rule, name)
        return getattr(self.retry, name) if own is None else own

    def _may_repeat(self, error: BaseException | None) -> bool:
        if self.retry.idempotent is None or self.plan.operation in self.retry.idempotent:
            return True
        return error is not None and all_of(error, self.retry.unsent)

    def _back_off(self, rule: RetryRule) -> float:
        kind, base = self._set(rule, "backoff"), self._set(rule, "base_delay")
        most, jitter = self._set(rule, "max_delay"), self._set(rule, "jitter")
        if kind == "decorrelated":
            longest = 3 * max(base, self.before)
            delay = min(most, base + (longest - base) * self._draw())
            assert min(most, base) <= delay <= min(most, longest)
            return float(delay)
        growth = {
            "constant": [1, 1, 1, 1],
            "exponential": [self._set(rule, "multiplier") ** n for n in range(4)],
            "fibonacci": [1, 1, 2, 3],
        }[kind]
        whole = min(most, base * growth[self.seen.attempts - 1])
        least = {"none": whole, "equal": whole / 2, "full": 0.0}[jitter]
        delay = whole if jitter == "none" else least + (whole - least) * self._draw()
        assert least <= delay <= whole
        return float(delay)

    def _draw(self) -> float:
        self.draws += 1
        return self.plan.draws[(self.draws - 1) % len(self.plan.draws)]

    def _asked(self, error: BaseException) -> float | None:
        """The longest that one of a group asks for."""
        waits = []
        for one in single(error):
            wait = None
            if self.retry.retry_after is says:
                wait = 2.0 if type(one) is TimeoutError else None
                self.expected.listener_errors["retry_after"] += wait is None
            if wait is None:
                wait = {Busy: getattr(one, "meant", None), BreakerOpen: 1.5}.get(type(one))
            waits.append(wait)
        return max((wait for wait in waits if wait is not None), default=None)

    def _exhausted(self, name: str) -> str:
        self._tell("RetryExhausted", self.seen.attempts, name)
        return "exhausted"

    def _sleep(self, delay: float) -> bool:
        """Whether it comes to its end."""
        nap = self.plan.naps[len(self.seen.slept) % len(self.plan.naps)]
        self.seen.slept.append(delay)
        if nap == "interrupted":
            self.seen.result = self.plan.interrupt
            return False
        self.now += delay + (OVERSLEEP if nap == "too long" else 0)
        if nap == "trips":
            self._trip()
        self.expected.add("retry_delay_seconds", self.plan.operation, by=delay)
        return True

    def _trip(self) -> None:
        if self.breaker is not None and self.refuses:
            self.breaker.force("forced_open", self.now)

    # -- the end

    def _close(self, outcome: str) -> str:
        """The outcome of the call."""
        if outcome in ("success", "slow", "ignored"):
            return "success"
        if outcome == "cancelled":
            return outcome
        if self.seen.attempts > 1:
            self.seen.notes.append(f"bank: gave up after {self.seen.attempts} attempts")
        self._tell("CallFailed", type(self.seen.result).__name__, outcome, self.seen.attempts)
        return outcome

    def _tell(self, *event: Any) -> None:
        self.seen.told.append(event)
