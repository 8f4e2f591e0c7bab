"""Retries against a model that says beforehand when each attempt begins, each wait, and all that is counted.

What chance says is drawn too, so that jittered delays are foreseen exactly, and lie within their bounds.
"""

from __future__ import annotations

import asyncio
import math
import warnings
from typing import Any
from unittest import mock

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, precondition, rule
from tests.properties import in_a_row
from tests.properties.adds_up import Sums
from tests.properties.foreseen import acame_to, came_to, same
from tests.properties.retry_model import OVERSLEEP, RetryModel
from tests.properties.retry_turns import ASKS, KINDS, Busy, Ignored, Plan, Turn, Unready, says
from tests.properties.wall_clock import WallClock

from seawall.resilience import (
    Guard,
    Registry,
    Retry,
    RetryBudget,
    RetryRule,
    RetryThrottle,
    Timeout,
    remaining,
)
from seawall.resilience.events import Transition
from seawall.testing import ManualClock, Recording

MOST, TTL, MAX_RETRY_AFTER = 4, 2048.0, 4.0
BUDGETS = [
    None,
    RetryBudget(ratio=0.25, floor_per_second=2 / TTL, ttl=TTL),
    RetryThrottle(max_tokens=5, token_ratio=0.5),
]
RULES: list[tuple[tuple[type[BaseException], RetryRule], ...]] = [
    (),
    ((Busy, RetryRule(attempts=1)), (ConnectionError, RetryRule(attempts=2))),
    ((Busy, RetryRule(attempts=MOST, backoff="constant", base_delay=0.25, jitter="none")),),
    ((ConnectionError, RetryRule(backoff="fibonacci", jitter="equal", base_delay=0.5)),),
    ((TimeoutError, RetryRule(multiplier=4.0, max_delay=8.0)), (Exception, RetryRule())),
]
JITTERED = [(b, j) for b in ("constant", "exponential", "fibonacci") for j in ("none", "full", "equal")]
RETRIES = st.builds(
    lambda pace, **rest: Retry(backoff=pace[0], jitter=pace[1], max_retry_after=MAX_RETRY_AFTER, **rest),
    pace=st.sampled_from([*JITTERED, ("decorrelated", "full")]),
    attempts=st.integers(1, MOST),
    base_delay=st.sampled_from([0.0, 0.125, 1.0]),
    max_delay=st.sampled_from([1.0, 3.0, 100.0]),
    multiplier=st.sampled_from([1.0, 1.5, 3.0]),
    on=st.sampled_from([(Exception,), (ConnectionError, Busy)]),
    per_error=st.sampled_from(RULES),
    on_result=st.sampled_from([None, lambda result: isinstance(result, Unready)]),
    idempotent=st.sampled_from([None, None, (), ("read",)]),
    unsent=st.sampled_from([(), (ConnectionRefusedError,)]),
    retry_after=st.sampled_from([None, says]),
    budget=st.sampled_from(BUDGETS),
)
WORSE = [kind for kind in KINDS if kind != "answer"]
TURNS = st.builds(
    Turn,
    kind=st.sampled_from([*WORSE, *["answer", "lost", "busy"] * 3]),
    seconds=st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.5]),
    asks=st.sampled_from(ASKS),
    trips=st.sampled_from([False] * 9 + [True]),
)
NAPS = st.lists(st.sampled_from([*["well"] * 6, "too long", "trips", "interrupted"]), min_size=1, max_size=3)
PLANS = st.builds(
    Plan,
    how=st.sampled_from(["def", "async def"]),
    operation=st.sampled_from(["read", "write"]),
    turns=st.lists(TURNS, min_size=MOST, max_size=MOST),
    naps=NAPS,
    draws=st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1 - 2**-10]), min_size=1, max_size=3),
)


class RetryMachine(WallClock):
    def __init__(self) -> None:
        super().__init__()
        self._patches.append(mock.patch("seawall.resilience.journey.random", self._draw))
        self._patches[-1].start()
        self.clock = ManualClock()
        self.calls = self.attempts = self.admitted = 0

    @initialize(
        retry=RETRIES,
        total=st.sampled_from([None, None, 2.5, 8.0]),
        mode=st.sampled_from([None, "on", "on", "metrics_only"]),
        heard=st.booleans(),
    )
    def build(self, retry: Retry, total: float | None, mode: str | None, heard: bool) -> None:
        self.model = RetryModel(retry, total, mode is not None, refuses=mode == "on")
        self.make_guard(retry, total, mode, heard)

    def make_guard(
        self, retry: Retry, total: float | None, mode: str | None, heard: bool, **more: Any
    ) -> None:
        registry = Registry("t")
        self.events = Recording()
        if heard:
            registry.subscribe(self.events)
        with warnings.catch_warnings():
            # Some of what is drawn does not go together.
            warnings.simplefilter("ignore")
            self.guard = Guard(
                "bank",
                registry=registry,
                retry=retry,
                timeout=None if total is None else Timeout(total=total),
                breaker=None if mode is None else in_a_row.breaker(mode, ignore=(Ignored,)),
                operations=("read", "write"),
                **more,
                clock=self.clock,
                sleep=self._sleep,
                asleep=self._asleep,
            )
        self.heard, self.armed = heard, mode == "on"
        self.functions = {name: self.guard.operation(name)(self._body) for name in self.guard.operations}
        self.coroutines = {name: self.guard.operation(name)(self._abody) for name in self.guard.operations}
        self.sums = Sums(self.guard)
        self.fresh = self.clock()

    # -- the dependency, the waits and chance, as planned

    def _begin(self) -> Turn:
        turn = self.plan.turns[len(self.began)]
        self.began.append((self.clock(), remaining()))
        if turn.trips:
            self._trip()
        return turn

    def _end(self, turn: Turn) -> Any:
        if isinstance(turn.made, BaseException):
            raise turn.made
        return turn.made

    def _body(self) -> Any:
        turn = self._begin()
        self.clock.advance(turn.seconds)
        return self._end(turn)

    async def _abody(self) -> Any:
        turn = self._begin()
        await asyncio.sleep(turn.seconds)
        return self._end(turn)

    def _nap(self, seconds: float) -> tuple[str, float]:
        nap = self.plan.naps[len(self.slept) % len(self.plan.naps)]
        self.slept.append(seconds)
        return nap, seconds + (OVERSLEEP if nap == "too long" else 0)

    def _sleep(self, seconds: float) -> None:
        nap, seconds = self._nap(seconds)
        if nap == "interrupted":
            raise self.plan.interrupt
        self.clock.advance(seconds)
        if nap == "trips":
            self._trip()

    async def _asleep(self, seconds: float) -> None:
        nap, seconds = self._nap(seconds)
        if nap == "interrupted":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await asyncio.sleep(seconds)
        if nap == "trips":
            self._trip()

    def _trip(self) -> None:
        if self.armed:
            self.guard.force("forced_open")

    def _draw(self) -> float:
        self.drawn += 1
        return self.plan.draws[(self.drawn - 1) % len(self.plan.draws)]

    # -- what happens

    @rule(plan=PLANS)
    def call(self, plan: Plan) -> None:
        self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """As planned, and as foreseen."""
        self._forget_in_time()
        self.plan, self.drawn = plan, 0
        self.began: list[tuple[float, float | None]] = []
        self.slept: list[float] = []
        self.events.clear()
        foreseen = self.model.call(plan, self.clock())
        got = self.ask(plan)
        assert same(got, foreseen.result), (got, foreseen.result)
        assert self.began == foreseen.began
        assert self.slept == foreseen.slept
        assert self.drawn == self.model.draws
        assert self.clock() == foreseen.ended
        assert getattr(got, "__notes__", []) == foreseen.notes
        assert not self.heard or self._told() == foreseen.told
        self.calls += 1
        self.attempts += foreseen.attempts
        self.admitted += foreseen.attempts > 0

    def ask(self, plan: Plan) -> Any:
        if plan.how == "def":
            return came_to(self.functions[plan.operation])
        return acame_to(self.clock, self.coroutines[plan.operation])

    def _told(self) -> list[tuple[Any, ...]]:
        """The events of a call but transitions, without where and when."""
        told = [event for event in self.events.events if not isinstance(event, Transition)]
        assert all(event.dependency == "bank" and event.operation == self.plan.operation for event in told)
        common = ("dependency", "operation", "number", "at")
        return [
            (
                type(event).__name__,
                *(getattr(event, f) for f in event.__dataclass_fields__ if f not in common),
            )
            for event in told
        ]

    @rule(seconds=st.sampled_from([0.5, 5.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.armed and self.model.breaker.state in ("closed", "forced_open"))
    @rule(state=st.sampled_from(["closed", "closed", "forced_open"]))
    def force(self, state: str) -> None:
        self.guard.force(state)
        self.model.breaker.force(state, self.clock())  # type: ignore[union-attr]

    def _forget_in_time(self) -> None:
        """Before anything that budgets count gets too old to count, all of it does."""
        if self.clock() - self.fresh > TTL * 0.7:
            self.clock.advance(TTL)
            self.guard.read()
            if isinstance(self.guard.retry.budget, RetryBudget):  # type: ignore[union-attr]
                self.model.budget.forget()
            if self.model.breaker is not None:
                self.model.breaker.look(self.clock())
            self.fresh = self.clock()

    # -- what always holds

    @invariant()
    def same_numbers(self) -> None:
        if self.model.breaker is not None:
            self.model.breaker.look(self.clock())
        self.sums.hold(calls=self.calls, attempts=self.attempts, admitted=self.admitted)
        self.model.expected.same_as(self.sums)
        if self.guard.budget is not None:
            left = self.sums.total("retry_budget_remaining")
            assert math.isclose(left, self.model.budget.left, abs_tol=1e-12)

    @invariant()
    def same_breaker(self) -> None:
        if self.guard.breaker is not None:
            assert self.model.breaker is not None
            breaker = self.guard.breaker.deciding
            assert (breaker.state, breaker.epoch) == (self.model.breaker.state, self.model.breaker.epoch)
            assert breaker.probes_out == 0


TestRetry = RetryMachine.TestCase
TestRetry.settings = settings(max_examples=60, stateful_step_count=40)
