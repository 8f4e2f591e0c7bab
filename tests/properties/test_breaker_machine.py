"""The breaker of a guard against a model that keeps every result in a list; calls overlap and time jumps.

Beside it runs one in metrics_only, which everybody passes: its shadow is to be what the real one is.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import invariant, precondition, rule
from tests.properties.adds_up import Sums
from tests.properties.breaker_model import MINIMUM, OPEN_FOR, PERMITS, RATIO, WINDOW, BreakerModel
from tests.properties.wall_clock import WallClock

from seawall.resilience import Breaker, BreakerOpen, Guard, Registry
from seawall.testing import ManualClock


class Ignored(Exception): ...


OUTCOMES = {
    "success": None,
    "failure": ConnectionError(),
    "timeout": TimeoutError(),
    "ignored": Ignored(),
    "cancelled": asyncio.CancelledError(),
}


class BreakerMachine(WallClock):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        breaker = Breaker(
            window_calls=WINDOW,
            minimum_calls=MINIMUM,
            failure_ratio=RATIO,
            open_for=OPEN_FOR,
            half_open_permits=PERMITS,
            ignore=(Ignored,),
        )
        registry = Registry("t")
        self.guard = Guard("bank", breaker=breaker, registry=registry, clock=self.clock)
        unarmed = replace(breaker, mode="metrics_only")
        self.twin = Guard("twin", breaker=unarmed, registry=registry, clock=self.clock)
        self.twin_flying: list[Context] = []
        self.call = self.guard(self._body)
        self.model = BreakerModel(self.clock())
        self.flying: list[tuple[Context, int]] = []
        self.calls = self.admitted = 0
        self.sums = Sums(self.guard)

    def _body(self, error: BaseException | None) -> str:
        if error is not None:
            raise error
        return "answer"

    def _answer(self, error: BaseException | None) -> object:
        try:
            return self.call(error)
        except BaseException as raised:
            return raised

    def _passes_twin(self, outcome: str) -> bool:
        try:
            return self.twin.call(self._body, OUTCOMES[outcome]) == "answer"
        except BaseException as raised:
            return raised is OUTCOMES[outcome]

    @rule(outcome=st.sampled_from(list(OUTCOMES)))
    def whole_call(self, outcome: str) -> None:
        expected = self.model.admit(self.clock())
        epoch = self.model.epoch
        self.calls += 1
        got = self._answer(OUTCOMES[outcome])
        admitted = not isinstance(got, BreakerOpen)
        assert admitted == expected
        assert not admitted or got is (OUTCOMES[outcome] or "answer")
        assert self._passes_twin(outcome)
        if admitted:
            self.admitted += 1
            self.model.settle(epoch, outcome, self.clock())

    @rule()
    def begin(self) -> None:
        expected = self.model.admit(self.clock())
        context = copy_context()
        self.calls += 1
        context.run(self.twin.__enter__)
        try:
            context.run(self.guard.__enter__)
        except BreakerOpen:
            assert not expected
            self.twin_flying.append(context)
        else:
            assert expected
            self.admitted += 1
            self.flying.append((context, self.model.epoch))

    @precondition(lambda self: self.flying)
    @rule(outcome=st.sampled_from(list(OUTCOMES)), data=st.data())
    def end(self, outcome: str, data: st.DataObject) -> None:
        context, epoch = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        error = OUTCOMES[outcome]
        for guard in (self.guard, self.twin):
            context.run(guard.__exit__, type(error) if error else None, error, None)
        self.model.settle(epoch, outcome, self.clock())

    @precondition(lambda self: self.twin_flying)
    @rule(outcome=st.sampled_from(list(OUTCOMES)), data=st.data())
    def end_what_should_not_be(self, outcome: str, data: st.DataObject) -> None:
        context = self.twin_flying.pop(data.draw(st.integers(0, len(self.twin_flying) - 1)))
        context.run(self.twin.__exit__, None, OUTCOMES[outcome], None)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.1, 9.9, 10.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def reset(self) -> None:
        self.guard.force("closed")
        self.twin.force("closed")
        self.twin.force("metrics_only")
        if self.model.state != "closed":
            self.model.move("closed", self.clock())
        self.model.results = []
        self.model.epoch += 1

    @rule()
    def look(self) -> None:
        """A scrape: an open breaker whose time is over becomes half-open without a call."""
        self.model.look(self.clock())
        self.guard.read()
        self.twin.read()

    @invariant()
    def same_state(self) -> None:
        assert self.guard.state == self.model.state

    @invariant()
    def same_window(self) -> None:
        if self.model.state == "closed":
            snapshot = self.guard.snapshot()
            assert snapshot["window_calls"] == len(self.model.results)
            calls = len(self.model.results)
            assert snapshot["failure_ratio"] == (sum(self.model.results) / calls if calls else 0.0)

    @invariant()
    def the_shadow_is_as_the_real_one(self) -> None:
        real, unarmed = self.guard.breaker, self.twin.breaker
        assert real is not None
        assert unarmed is not None
        shadow = unarmed.shadow
        assert self.twin.state == "metrics_only"
        assert shadow is not None
        assert (shadow.state, shadow.probes_out) == (real.state, real.probes_out)
        if real.state == "open":
            assert (shadow.open_until, shadow.why_opened) == (real.open_until, real.why_opened)
        now, at = self.clock(), self.twin.ledger.layout.at
        assert shadow.ratios(now, self.twin.accounts.lane_successes()) == real.ratios(
            now, self.guard.accounts.lane_successes()
        )
        refused = self.twin.ledger.slots[at("breaker_would_reject")]
        assert refused == self.calls - self.admitted

    @precondition(lambda self: not self.sums.would_move)
    @invariant()
    def numbers_add_up(self) -> None:
        ended = self.admitted - len(self.flying)
        self.sums.hold(calls=self.calls - len(self.flying), attempts=ended, admitted=ended)
        assert self.sums.total("rejections") == self.calls - self.admitted

    @invariant()
    def epoch_counts_transitions(self) -> None:
        """And nothing else but resets: what a late result does not move, it does not change."""
        assert self.guard.breaker is not None
        assert self.guard.breaker.epoch == self.model.epoch
        assert self.guard.breaker.probes_out == self.model.out


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=150, stateful_step_count=60)
