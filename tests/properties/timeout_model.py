"""Two guards with timeouts, one inside the other: an interpreter with a clock and timers of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.properties.foreseen import Expected

from seawall.resilience import TimedOut, Timeout

BACK_OFF = 0.25
#: What a function of the arguments says; a string: it raises that. None: the fixed limit holds.
SAYS: list[Any] = [None, 0.5, 2, "unknown", -1.0, float("nan"), True]
Answer = tuple[bool, Any]
Body = Callable[[int], Answer]


def seconds_for(rows: int) -> float | None:
    """A ``Timeout.attempt_for``."""
    said = SAYS[rows]
    if isinstance(said, str):
        raise LookupError(said)
    return said  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Leaf:
    """A run of the innermost function. ``heeds``: what it does when it is cancelled."""

    seconds: float
    kind: str
    heeds: str
    made: Any = field(init=False)
    excuse: Any = field(init=False)

    def __post_init__(self) -> None:
        kinds: dict[str, Callable[[], Any]] = {
            "answer": object,
            "fail": ConnectionError,
            "late": TimeoutError,
        }
        object.__setattr__(self, "made", kinds[self.kind]())
        excuses: dict[str, Callable[[], Any]] = {"fails": ConnectionError, "times out": TimeoutError}
        object.__setattr__(self, "excuse", excuses.get(self.heeds, object)())


@dataclass(frozen=True)
class Nested:
    """A run of the outer function: it asks the inner guard in between."""

    before: float
    leaves: list[Leaf]
    after: float


@dataclass(frozen=True)
class Plan:
    """``leaves``: seconds after which the task of an ``async def`` is cancelled from outside."""

    how: str
    operation: str
    rows: int
    turns: list[Leaf | Nested]
    leaves: float | None


@dataclass(eq=False)
class Timer:
    at: float
    fired: bool = False


class GuardModel:
    """``attempts``: None: it has no retry."""

    def __init__(self, name: str, timeout: Timeout | None, attempts: int | None) -> None:
        self.name, self.timeout, self.attempts = name, timeout, attempts
        self.expected = Expected()
        self.asked = 0
        self.admitted = 0
        self.calls = 0

    def limits(self, operation: str) -> Timeout | None:
        if self.timeout is None:
            return None
        return self.timeout.by_operation.get(operation, self.timeout)

    def of_attempt(self, operation: str, rows: int) -> float | None:
        """Asked once for each attempt."""
        own = self.limits(operation)
        assert own is not None
        if own.attempt_for is None or SAYS[rows] is None:
            return own.attempt
        if rows in (1, 2):
            return float(SAYS[rows])
        self.expected.listener_errors["timeout.attempt_for"] += 1
        return own.attempt


class World:
    """``pending``: cancellations of the task that nobody has taken back."""

    def __init__(self, outer: GuardModel, inner: GuardModel) -> None:
        self.outer, self.inner = outer, inner

    def call(self, plan: Plan, now: float) -> Any:
        self.plan, self.now = plan, now
        self.began: list[tuple[float, float | None]] = []
        self.told: list[tuple[str, str, float, float]] = []
        self.notes: dict[int, list[str]] = {}
        self.deadlines: list[float] = []
        self.pending = 0
        is_async = plan.how == "async def"
        self.timers = [Timer(now + plan.leaves)] if is_async and plan.leaves is not None else []
        _, result = self._guarded(self.outer, plan.operation, lambda n: self._turn(plan.turns[n]))
        return result

    # -- what runs

    def _turn(self, turn: Leaf | Nested) -> Answer:
        if isinstance(turn, Leaf):
            return self._leaf(turn)
        if not self._sleep(turn.before):
            return False, asyncio.CancelledError()
        answer = self._guarded(self.inner, "default", lambda n: self._leaf(turn.leaves[n]))
        if answer[0] and not self._sleep(turn.after):
            return False, asyncio.CancelledError()
        return answer

    def _leaf(self, leaf: Leaf) -> Answer:
        rest = min(self.deadlines) - self.now if self.deadlines else None
        self.began.append((self.now, None if rest is None else max(0.0, rest)))
        if self._sleep(leaf.seconds):
            return leaf.kind == "answer", leaf.made
        if leaf.heeds == "ends":
            return False, asyncio.CancelledError()
        return leaf.heeds == "answers", leaf.excuse

    def _sleep(self, seconds: float) -> bool:
        """Whether it comes to its end; at the same moment, the cancellation is first."""
        if self.plan.how == "def" or not seconds:
            self.now += seconds
            return True
        due = [timer.at for timer in self.timers if not timer.fired and timer.at <= self.now + seconds]
        if not due:
            self.now += seconds
            return True
        self.now = min(due)
        for timer in self.timers:
            if not timer.fired and timer.at == self.now:
                timer.fired = True
                self.pending += 1
        return False

    # -- a call of a guard

    def _guarded(self, guard: GuardModel, operation: str, body: Body) -> Answer:
        started, before = self.now, self.pending
        limits = guard.limits(operation)
        ends = [*self.deadlines]
        if limits is not None and limits.total is not None:
            ends.append(started + limits.total)
        end = min(ends, default=None)
        guard.calls += 1
        asked, result = 0, ""
        if end is not None and end <= started:
            answer: Answer = (False, TimedOut(guard.name, "total", 0.0))
            self._count_timeout(guard, operation, answer[1], 0.0)
            outcome = "timeout"
        else:
            guard.admitted += 1
            answer, outcome, result = (False, None), "", "not_retryable"
        while not outcome or result == "again":
            asked += 1
            guard.expected.add("retries", operation, by=asked > 1)
            answer, outcome = self._attempt(guard, operation, end, lambda: body(asked - 1))  # noqa: B023
            result = self._next(guard, outcome, asked, end)
            if result == "again":
                if self.pending > before or not self._sleep(BACK_OFF):
                    answer, outcome, result = (False, asyncio.CancelledError()), "cancelled", ""
                else:
                    guard.expected.add("retry_delay_seconds", operation, by=BACK_OFF)
        if result and guard.attempts is not None and outcome != "cancelled":
            guard.expected.add("retry_calls", operation, result)
        guard.expected.add("calls", operation, "success" if answer[0] else outcome)
        guard.expected.add("call_duration", operation, by=self.now - started)
        if not answer[0] and outcome != "cancelled" and asked > 1:
            notes = self.notes.setdefault(id(answer[1]), [])
            notes.append(f"{guard.name}: gave up after {asked} attempts")
        return answer

    def _next(self, guard: GuardModel, outcome: str, asked: int, end: float | None) -> str:
        if outcome in ("success", "slow"):
            return "first_try" if asked == 1 else "recovered"
        if guard.attempts is None or outcome == "cancelled":
            return "not_retryable"
        late = end is not None and self.now + BACK_OFF >= end
        return "exhausted" if asked == guard.attempts or late else "again"

    def _attempt(
        self, guard: GuardModel, operation: str, end: float | None, body: Callable[[], Answer]
    ) -> tuple[Answer, str]:
        guard.asked += 1
        began, before = self.now, self.pending
        limit, scope = self._limit(guard, operation, end)
        timer = None
        if limit is not None:
            self.deadlines.append(began + limit)
            timer = Timer(began + limit)
            self.timers += [timer] if self.plan.how == "async def" else []
        answer = body()
        if limit is not None:
            self.deadlines.pop()
        if timer in self.timers:
            self.timers.remove(timer)
        if timer is not None and timer.fired:
            self.pending -= 1
            if isinstance(answer[1], asyncio.CancelledError) and self.pending <= before:
                assert limit is not None
                answer = (False, TimedOut(guard.name, scope, limit))
        took = self.now - began
        return answer, self._settle(guard, operation, answer, took, limit)

    def _limit(self, guard: GuardModel, operation: str, end: float | None) -> tuple[float | None, str]:
        own = guard.limits(operation)
        if own is None or (own.attempt is None and own.total is None):
            return None, ""
        rest = None if end is None else end - self.now
        attempt = guard.of_attempt(operation, self.plan.rows)
        if attempt is None or (rest is not None and rest < attempt):
            return rest, "total"
        return attempt, "attempt"

    def _settle(
        self, guard: GuardModel, operation: str, answer: Answer, took: float, limit: float | None
    ) -> str:
        error = answer[1]
        if answer[0]:
            outcome = "slow" if limit is not None and took > limit else "success"
        elif isinstance(error, asyncio.CancelledError):
            outcome = "cancelled"
        else:
            outcome = "timeout" if isinstance(error, TimeoutError) else "failure"
            guard.expected.add("errors", type(error).__name__)
        guard.expected.add("attempts", operation, outcome)
        guard.expected.add("attempt_duration", operation, by=took)
        if isinstance(error, TimedOut) and error.dependency == guard.name:
            self._count_timeout(guard, operation, error, took)
        return outcome

    def _count_timeout(self, guard: GuardModel, operation: str, error: TimedOut, elapsed: float) -> None:
        if guard.timeout is not None:
            guard.expected.add("timeouts", operation, error.scope)
        self.told.append((guard.name, error.scope, error.limit, elapsed))
