"""Fallbacks in every order of what fails, beside a model: who is asked, what is served, how old it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, rule
from tests.properties.fallback_model import SUBJECTS, Asked, FallbackModel, key
from tests.properties.foreseen import acame_to, came_to
from tests.properties.retry_turns import ASKS, Turn
from tests.properties.test_retry_machine import MOST, NAPS, RETRIES, TURNS, RetryMachine

from seawall.resilience import BreakerOpen, Fallback, Retry, TimedOut

STALE_FOR, CAPACITY, DEFAULT = 5.0, 2, object()
MODES = st.one_of(
    st.sets(st.sampled_from(["alternative", "stale", "queue", "default"]), min_size=1),
    st.sampled_from([{"stale"}, {"stale", "default"}, {"default"}]),
)
ON: list[tuple[type[BaseException], ...]] = [
    (Exception,),
    (Exception,),
    (ConnectionError,),
    (TimeoutError, BreakerOpen),
    (TimedOut, ValueError),
]
HELP = st.builds(
    Turn,
    kind=st.sampled_from(["answer", "answer", "lost", "late", "ignored", "cancelled", "torn"]),
    seconds=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    asks=st.just(ASKS[0]),
    trips=st.just(False),
)
CALLS = st.builds(
    Asked,
    how=st.sampled_from(["def", "async def"]),
    operation=st.sampled_from(["read", "read", "read", "write"]),
    turns=st.lists(TURNS, min_size=MOST, max_size=MOST),
    naps=NAPS,
    draws=st.just([0.5]),
    subject=st.sampled_from(SUBJECTS),
    named=st.sampled_from([False, False, True]),
    function=st.sampled_from([0, 0, 1]),
    alternative=HELP,
    queue=HELP,
    plain=st.booleans(),
)


def plain(kind: str) -> st.SearchStrategy[Asked]:
    """One of few questions, asked of a dependency whose attempts all end so at once."""
    turn = st.builds(Turn, st.just(kind), st.just(0.0), st.just(ASKS[0]), st.just(False))
    return st.builds(
        Asked,
        how=st.sampled_from(["def", "def", "async def"]),
        operation=st.just("read"),
        turns=st.lists(turn, min_size=MOST, max_size=MOST),
        naps=st.just(["well"]),
        draws=st.just([0.5]),
        subject=st.sampled_from([1, 1.0, True, "a"]),
        named=st.just(False),
        function=st.sampled_from([0, 0, 1]),
        alternative=HELP,
        queue=HELP,
        plain=st.booleans(),
    )


class FallbackMachine(RetryMachine):
    """The retry machine's guard, with a fallback: all that holds there has to hold here."""

    model: FallbackModel
    plan: Asked

    @initialize(
        retry=RETRIES,
        total=st.sampled_from([None, None, 2.5, 8.0]),
        mode=st.sampled_from([None, "on", "on", "metrics_only"]),
        heard=st.booleans(),
        modes=MODES,
        on=st.sampled_from(ON),
        timeout=st.sampled_from([None, 0.5]),
        keyed=st.booleans(),
    )
    def build(  # type: ignore[override]
        self,
        retry: Retry,
        total: float | None,
        mode: str | None,
        heard: bool,
        modes: set[str],
        on: tuple[type[BaseException], ...],
        timeout: float | None,
        keyed: bool,
    ) -> None:
        chosen: dict[str, Any] = {
            "alternative": {"alternative": partial(self._help, "alternative")},
            "stale": {"stale_for": STALE_FOR},
            "queue": {"queue": partial(self._help, "queued")},
            "default": {"default": DEFAULT},
        }
        fallback = Fallback(
            on=on,
            timeout=timeout,
            key=key if keyed else None,
            capacity=CAPACITY,
            **{name: value for one in sorted(modes) for name, value in chosen[one].items()},
        )
        self.queued: list[Any] = []
        self.helped: list[tuple[Any, ...]] = []
        self.model = FallbackModel(fallback, retry, total, mode)
        self.make_guard(retry, total, mode, heard, fallback=fallback)
        bodies = {"def": self._question, "async def": self._aquestion}
        self.guarded = {
            (how, name, number): self.guard.operation(name)(partial(body, number))
            for how, body in bodies.items()
            for name in self.guard.operations
            for number in (0, 1)
        }

    # -- the dependency, and what stands in for it

    def _question(self, number: int, subject: Any) -> Any:
        assert (number, subject) == (self.plan.function, self.plan.subject)
        return self._body()

    async def _aquestion(self, number: int, subject: Any) -> Any:
        assert (number, subject) == (self.plan.function, self.plan.subject)
        return await self._abody()

    def _help(self, mode: str, *args: Any, **kwargs: Any) -> Any:
        self.helped.append((mode, args, kwargs))
        turn = self.plan.alternative if mode == "alternative" else self.plan.queue
        if self.plan.how == "async def" and not self.plan.plain:
            return self._ahelp(mode, turn)
        self.clock.advance(turn.seconds)
        return self._helped(mode, turn)

    async def _ahelp(self, mode: str, turn: Turn) -> Any:
        await asyncio.sleep(turn.seconds)
        return self._helped(mode, turn)

    def _helped(self, mode: str, turn: Turn) -> Any:
        if mode == "queued" and not isinstance(turn.made, BaseException):
            self.queued.append(self.plan.subject)
        return self._end(turn)

    # -- what happens

    @rule(plan=CALLS)
    def call(self, plan: Asked) -> None:  # type: ignore[override]
        self.follow(plan)

    @rule(plan=plain("answer"))
    def answered(self, plan: Asked) -> None:
        self.follow(plan)

    @rule(plan=plain("lost"))
    def lost(self, plan: Asked) -> None:
        self.follow(plan)

    @rule(plan=plain("answer"), seconds=st.sampled_from([STALE_FOR, STALE_FOR + 0.125]), again=plain("lost"))
    def same_later(self, plan: Asked, seconds: float, again: Asked) -> None:
        self.follow(plan)
        self.clock.advance(seconds)
        self.follow(replace(again, how=plan.how, subject=plan.subject, function=plan.function))

    def ask(self, plan: Asked) -> Any:  # type: ignore[override]
        args, kwargs = plan.arguments
        guarded = partial(self.guarded[plan.how, plan.operation, plan.function], *args, **kwargs)
        return came_to(guarded) if plan.how == "def" else acame_to(self.clock, guarded)

    @invariant()
    def same_help(self) -> None:
        """The same questions to the same helpers, and nothing that was queued is lost."""
        assert self.helped == self.model.helped
        assert self.queued == self.model.queued


TestFallback = FallbackMachine.TestCase
TestFallback.settings = settings(max_examples=60, stateful_step_count=40)
