"""All policies in one guard: whatever happens, permits come back, limits hold and the numbers add up."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import invariant, precondition, rule
from tests.properties.adds_up import Sums
from tests.properties.wall_clock import WallClock

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Fallback,
    Guard,
    RateLimit,
    Registry,
    Rejected,
    Retry,
    RetryBudget,
    TimedOut,
    Timeout,
)
from seawall.resilience.events import Transition
from seawall.resilience.fields import TRANSITIONS
from seawall.testing import ManualClock, Recording

LIMIT, BURST, PERMITS, ATTEMPTS = 3, 5, 2, 3


class Ignored(Exception): ...


ANSWERS: dict[str, Any] = {
    "success": None,
    "slow": None,
    "failure": ConnectionError(),
    "timeout": TimeoutError(),
    "ignored": Ignored(),
    "cancelled": asyncio.CancelledError(),
}


class CompositionMachine(WallClock):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.events = Recording()
        registry = Registry("t")
        registry.subscribe(self.events)
        self.guard = Guard(
            "bank",
            registry=registry,
            clock=self.clock,
            sleep=self.clock.sleep,
            breaker=Breaker(
                window_calls=8,
                minimum_calls=4,
                open_for=10,
                half_open_permits=PERMITS,
                slow_after=1.0,
                ignore=(Ignored,),
            ),
            retry=Retry(
                attempts=ATTEMPTS,
                base_delay=0.5,
                jitter="none",
                budget=RetryBudget(ratio=0.3, floor_per_second=0.2),
            ),
            timeout=Timeout(attempt=5.0, total=20.0),
            bulkhead=Bulkhead(limit=LIMIT),
            rate_limit=RateLimit(rate=4, burst=BURST, max_wait=0.3),
            fallback=Fallback(default="degraded", on=(ConnectionError,)),
        )
        self.script: list[str] = []
        self.call = self.guard(self._body)
        self.flying: list[Context] = []
        self.calls = self.admitted = self.asked = 0
        self.sums = Sums(self.guard)

    def _body(self) -> str:
        self.asked += 1
        assert self.guard.bulkhead is not None
        assert self.guard.bulkhead.in_flight <= LIMIT
        what = self.script.pop(0)
        if what == "slow":
            self.clock.advance(1.5)
        error = ANSWERS[what]
        if error is not None:
            raise error
        return "answer"

    @rule(script=st.lists(st.sampled_from(list(ANSWERS)), min_size=ATTEMPTS, max_size=ATTEMPTS))
    def whole_call(self, script: list[str]) -> None:
        self.script = list(script)
        self.calls += 1
        asked_before = self.asked
        try:
            answer = self.call()
        except (ConnectionError, TimeoutError, Ignored, Rejected, asyncio.CancelledError):
            return
        finally:
            self.admitted += self.asked > asked_before
        assert answer in ("answer", "degraded")

    @rule()
    def begin_block(self) -> None:
        context = copy_context()
        self.calls += 1
        try:
            context.run(self.guard.__enter__)
        except (Rejected, TimedOut):
            return
        self.asked += 1
        self.admitted += 1
        self.flying.append(context)

    @precondition(lambda self: self.flying)
    @rule(what=st.sampled_from(list(ANSWERS)), data=st.data())
    def end_block(self, what: str, data: st.DataObject) -> None:
        context = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        error = ANSWERS[what]
        context.run(self.guard.__exit__, type(error) if error else None, error, None)

    @rule(seconds=st.sampled_from([0.0, 0.2, 1.0, 4.0, 10.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(state=st.sampled_from(["closed", "forced_open", "disabled", "metrics_only"]))
    def force(self, state: str) -> None:
        self.guard.force(state)

    @precondition(lambda self: not self.sums.would_move)
    @invariant()
    def numbers_add_up(self) -> None:
        away = len(self.flying)
        self.sums.hold(calls=self.calls - away, attempts=self.asked - away, admitted=self.admitted - away)
        assert self.sums.total("bulkhead_in_flight") == away
        assert self.sums.total("retries") <= (ATTEMPTS - 1) * self.calls

    @invariant()
    def state_moves_along_its_edges(self) -> None:
        seen = self.events.of(Transition)
        assert all((t.from_state, t.to_state) in TRANSITIONS for t in seen)
        assert all(a.to_state == b.from_state for a, b in pairwise(seen))

    def teardown(self) -> None:
        super().teardown()
        for context in self.flying:
            context.run(self.guard.__exit__, None, None, None)
        self.sums.hold(calls=self.calls, attempts=self.asked, admitted=self.admitted)
        assert self.guard.bulkhead is not None
        assert self.guard.bulkhead.in_flight == 0


TestComposition = CompositionMachine.TestCase
TestComposition.settings = settings(max_examples=100, stateful_step_count=50)
