"""What a guard with a fallback has to answer, after all that its retries came to (``retry_model.py``)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.properties.retry_model import RetryModel
from tests.properties.retry_turns import Plan, Turn, any_of

from seawall.resilience import Fallback, Retry, TimedOut

UNKNOWN = "b"
#: Three of them are equal, and are three questions; one can't be hashed.
SUBJECTS: list[Any] = [1, 1.0, True, "a", UNKNOWN, [1]]


def key(subject: Any) -> str:
    """A ``Fallback.key``."""
    if subject == UNKNOWN:
        raise LookupError(subject)
    return str(subject)


@dataclass(frozen=True)
class Asked(Plan):
    """A call with an argument. ``function``: of two; ``alternative``, ``queue``: how these go, if asked;
    ``plain``: whether they are ``def`` even where the call is ``async def``."""

    subject: Any
    named: bool
    function: int
    alternative: Turn
    queue: Turn
    plain: bool

    @property
    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return ((), {"subject": self.subject}) if self.named else ((self.subject,), {})


class FallbackModel(RetryModel):
    """``helped``: what alternative and queue were asked; ``queued``: what the queue has taken."""

    plan: Asked

    def __init__(self, fallback: Fallback, retry: Retry, total: float | None, mode: str | None) -> None:
        super().__init__(retry, total, mode is not None, refuses=mode == "on")
        self.fallback = fallback
        #: (question, answer, when), the least recently written first.
        self.kept: list[tuple[Any, Any, float]] = []
        self.queued: list[Any] = []
        self.helped: list[tuple[Any, ...]] = []

    def _close(self, outcome: str) -> str:
        error = self.seen.result
        if outcome in ("success", "slow") and self.fallback.stale_for is not None and not self._unready():
            self._keep()
        if outcome in ("success", "slow", "ignored", "cancelled") or not any_of(error, self.fallback.on):
            return super()._close(outcome)
        for mode in self.fallback.modes:
            age = None
            if mode == "stale":
                ok, value, age = self._stale()
            elif mode == "default":
                ok, value = True, self.fallback.default
            else:
                ok, value = self._help(mode)
            if isinstance(value, asyncio.CancelledError | BaseExceptionGroup):
                self.seen.result, self.seen.notes = value, []
                return "cancelled"
            told = "served" if ok else "failed"
            self.expected.add("degradations", self.plan.operation, mode, told)
            self._tell("CallDegraded", mode, told, type(error).__name__, age)
            if ok:
                self.seen.result, self.seen.notes = value, []
                return "degraded"
        return super()._close(outcome)

    def _question(self) -> Any:
        """What tells one question from another; None where that can't be said."""
        plan = self.plan
        whose = plan.how, plan.operation, plan.function
        if self.fallback.key is not None:
            known = plan.subject != UNKNOWN
            question = (*whose, str(plan.subject)) if known else None
        else:
            known = not isinstance(plan.subject, list)
            question = (*whose, plan.named, type(plan.subject), plan.subject) if known else None
        self.expected.listener_errors["fallback.key"] += not known
        return question

    def _keep(self) -> None:
        if (question := self._question()) is not None:
            self.kept = [one for one in self.kept if one[0] != question]
            self.kept = [*self.kept, (question, self.seen.result, self.now)][-self.fallback.capacity :]

    def _stale(self) -> tuple[bool, Any, float | None]:
        question = self._question()
        assert self.fallback.stale_for is not None
        for kept, answer, at in self.kept:
            if kept == question and self.now - at <= self.fallback.stale_for:
                self.expected.add("stale_age", by=self.now - at)
                return True, answer, self.now - at
        return False, None, None

    def _help(self, mode: str) -> tuple[bool, Any]:
        turn = self.plan.alternative if mode == "alternative" else self.plan.queue
        self.helped.append((mode, *self.plan.arguments))
        limit = None if self.plan.plain or self.plan.how == "def" else self.fallback.timeout
        if limit is not None and turn.seconds >= limit:
            self.now += limit
            return False, TimedOut("bank", "attempt", limit)
        self.now += turn.seconds
        ok = not isinstance(turn.made, BaseException)
        if ok and mode == "queued":
            self.queued.append(self.plan.subject)
        return ok, turn.made
