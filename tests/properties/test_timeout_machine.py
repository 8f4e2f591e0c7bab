"""Timeouts of a guard inside another's: who may take how long, and who is told so, foreseen by a model.

In ``def`` nobody is interrupted, and what comes too late is slow; in ``async def`` the task is cancelled by
either guard or from outside, at any moment or at the same one, and the function may not heed it.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, rule
from tests.properties.adds_up import Sums
from tests.properties.foreseen import acame_to, came_to, same
from tests.properties.timeout_model import BACK_OFF, SAYS, GuardModel, Leaf, Nested, Plan, World, seconds_for
from tests.properties.wall_clock import WallClock

from seawall.resilience import Guard, Registry, Retry, Timeout, remaining
from seawall.resilience.events import TimeoutExceeded
from seawall.testing import ManualClock, Recording

MOST = 3
LIMITS = [(0.5, None), (None, 1.0), (1.0, 1.0), (0.75, 2.0), (2.0, 4.0), (None, 3.0)]
SIMPLE = st.builds(
    lambda limits, ask: Timeout(attempt=limits[0], total=limits[1], attempt_for=ask),
    limits=st.sampled_from(LIMITS),
    ask=st.sampled_from([None, None, seconds_for]),
)
OUTER = st.none() | st.builds(
    lambda most, read: Timeout(
        attempt=most.attempt, total=most.total, attempt_for=most.attempt_for, by_operation=read
    ),
    most=SIMPLE,
    read=st.just({}) | (st.none() | SIMPLE).map(lambda own: {"read": own}),
)
ATTEMPTS = st.none() | st.integers(1, MOST)
TIMES = st.sampled_from([0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 3.0])
LEAVES = st.builds(
    Leaf,
    seconds=TIMES,
    kind=st.sampled_from(["answer", "answer", "fail", "late"]),
    heeds=st.sampled_from(["ends", "ends", "answers", "fails", "times out"]),
)
TURNS = LEAVES | st.builds(
    Nested, before=TIMES, leaves=st.lists(LEAVES, min_size=MOST, max_size=MOST), after=TIMES
)
PLANS = st.builds(
    Plan,
    how=st.sampled_from(["def", "async def", "async def"]),
    operation=st.sampled_from(["read", "write"]),
    rows=st.integers(0, len(SAYS) - 1),
    turns=st.lists(TURNS, min_size=MOST, max_size=MOST),
    leaves=st.sampled_from([None, None, None, 0.5, 1.0, 2.25]),
)


class TimeoutMachine(WallClock):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.registry = Registry("t")
        self.events = Recording()
        self.registry.subscribe(self.events)

    def _guard(self, model: GuardModel, *operations: str) -> Guard:
        retry = None
        if model.attempts is not None:
            retry = Retry(
                attempts=model.attempts, base_delay=BACK_OFF, backoff="constant", jitter="none", budget=None
            )
        with warnings.catch_warnings():
            # Some of what is drawn does not go together.
            warnings.simplefilter("ignore")
            return Guard(
                model.name,
                timeout=model.timeout,
                retry=retry,
                operations=operations,
                registry=self.registry,
                clock=self.clock,
                sleep=self.clock.sleep,
            )

    @initialize(outer=OUTER, attempts=ATTEMPTS, inner=st.none() | SIMPLE, inner_attempts=ATTEMPTS)
    def build(
        self, outer: Timeout | None, attempts: int | None, inner: Timeout | None, inner_attempts: int | None
    ) -> None:
        self.model = World(GuardModel("outer", outer, attempts), GuardModel("inner", inner, inner_attempts))
        self.outer = self._guard(self.model.outer, "read", "write")
        self.inner = self._guard(self.model.inner)
        self.functions = {name: self.outer.operation(name)(self._body) for name in self.outer.operations}
        self.coroutines = {name: self.outer.operation(name)(self._abody) for name in self.outer.operations}
        self.within, self.awithin = self.inner(self._leaf), self.inner(self._aleaf)
        self.sums = [(Sums(self.outer), self.model.outer), (Sums(self.inner), self.model.inner)]

    # -- what runs

    def _body(self, rows: int) -> Any:
        turn = self.turns.pop(0)
        self.leaves = [turn] if isinstance(turn, Leaf) else list(turn.leaves)
        if isinstance(turn, Leaf):
            return self._leaf(rows)
        self.clock.advance(turn.before)
        result = self.within(rows)
        self.clock.advance(turn.after)
        return result

    def _leaf(self, rows: int) -> Any:
        leaf = self._begin()
        self.clock.advance(leaf.seconds)
        return self._end(leaf)

    async def _abody(self, rows: int) -> Any:
        turn = self.turns.pop(0)
        self.leaves = [turn] if isinstance(turn, Leaf) else list(turn.leaves)
        if isinstance(turn, Leaf):
            return await self._aleaf(rows)
        await self._sleep(turn.before)
        result = await self.awithin(rows)
        await self._sleep(turn.after)
        return result

    async def _aleaf(self, rows: int) -> Any:
        leaf = self._begin()
        try:
            await self._sleep(leaf.seconds)
        except asyncio.CancelledError:
            if leaf.heeds == "ends":
                raise
            if leaf.heeds == "answers":
                return leaf.excuse
            raise leaf.excuse from None
        return self._end(leaf)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _begin(self) -> Leaf:
        self.began.append((self.clock(), remaining()))
        return self.leaves.pop(0)

    def _end(self, leaf: Leaf) -> Any:
        if leaf.kind != "answer":
            raise leaf.made
        return leaf.made

    # -- what happens

    @rule(plan=PLANS)
    def call(self, plan: Plan) -> None:
        self.turns = list(plan.turns)
        self.began: list[tuple[float, float | None]] = []
        self.events.clear()
        foreseen = self.model.call(plan, self.clock())
        if plan.how == "def":
            got = came_to(lambda: self.functions[plan.operation](plan.rows))
        else:
            got = acame_to(self.clock, lambda: self.coroutines[plan.operation](plan.rows), plan.leaves)
        assert same(got, foreseen), (got, foreseen)
        assert self.began == self.model.began
        assert self.clock() == self.model.now
        assert getattr(got, "__notes__", []) == self.model.notes.get(id(foreseen), [])
        told = [(e.dependency, e.scope, e.limit, e.elapsed) for e in self.events.of(TimeoutExceeded)]
        assert told == self.model.told
        assert remaining() is None

    @rule(seconds=st.sampled_from([0.25, 1.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def same_numbers(self) -> None:
        errors = self.model.outer.expected.listener_errors + self.model.inner.expected.listener_errors
        for sums, model in self.sums:
            sums.hold(calls=model.calls, attempts=model.asked, admitted=model.admitted)
            model.expected.same_as(sums, errors)


TestTimeout = TimeoutMachine.TestCase
TestTimeout.settings = settings(max_examples=60, stateful_step_count=40)
