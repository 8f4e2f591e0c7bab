"""A guard whose settings change at any time: limits hold, places come back, nothing is had for nothing."""

from __future__ import annotations

from contextvars import Context, copy_context

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.properties.adds_up import Sums

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Guard,
    RateLimit,
    Registry,
    Rejected,
    Retry,
    RetryBudget,
    Timeout,
)
from seawall.testing import ManualClock

# Some settings do not go together: that is when it gets tight.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class ReconfigureMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.guard = Guard(
            "bank",
            registry=Registry("t"),
            clock=self.clock,
            sleep=self.clock.sleep,
            breaker=Breaker(minimum_calls=4, window_calls=8, open_for=10),
            retry=Retry(attempts=2, base_delay=0.5, jitter="none"),
            timeout=Timeout(attempt=5.0),
            bulkhead=Bulkhead(limit=3),
            rate_limit=RateLimit(rate=2, burst=4),
        )
        self.call = self.guard(self.body)
        self.inside: list[Context] = []
        self.calls = self.asked = self.admitted = 0
        self.limit = 3
        self.sums = Sums(self.guard)

    def body(self, good: bool) -> None:
        self.asked += 1
        assert self.guard.bulkhead is not None
        assert self.guard.bulkhead.in_flight == len(self.inside) + 1
        if not good:
            raise ConnectionError

    @rule(good=st.booleans(), times=st.integers(1, 4))
    def calls_come(self, good: bool, times: int) -> None:
        for _ in range(times):
            self.calls += 1
            full, before = len(self.inside) >= self.limit, self.asked
            try:
                self.call(good)
            except (ConnectionError, Rejected):
                continue
            finally:
                self.admitted += self.asked > before
            assert not full

    @rule()
    def enter(self) -> None:
        context = copy_context()
        self.calls += 1
        full = len(self.inside) >= self.limit
        try:
            context.run(self.guard.__enter__)
        except Rejected:
            return
        assert not full
        self.asked += 1
        self.admitted += 1
        self.inside.append(context)

    @precondition(lambda self: self.inside)
    @rule()
    def leave(self) -> None:
        self.inside.pop().run(self.guard.__exit__, None, None, None)

    @rule(seconds=st.sampled_from([0.3, 1.1, 10.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(limit=st.integers(1, 5))
    def other_bulkhead(self, limit: int) -> None:
        self.guard.reconfigure(bulkhead=Bulkhead(limit=limit))
        self.limit = limit

    @rule(rate=st.sampled_from([0.1, 2.0, 50.0]), burst=st.integers(1, 9))
    def other_rate(self, rate: float, burst: int) -> None:
        limiter = self.guard.limiter
        assert limiter is not None
        before = limiter.available(self.clock())
        self.guard.reconfigure(rate_limit=RateLimit(rate=rate, burst=burst))
        assert abs(limiter.available(self.clock()) - min(before, burst)) < 1e-6

    @rule(
        calls=st.integers(4, 12),
        seconds=st.sampled_from([None, 5.0, 30.0]),
        permits=st.integers(1, 3),
        open_for=st.sampled_from([1.0, 10.0]),
    )
    def other_breaker(self, calls: int, seconds: float | None, permits: int, open_for: float) -> None:
        breaker = self.guard.breaker
        assert breaker is not None
        self.guard.pass_time()
        before = (breaker.state, breaker.epoch, breaker.open_until, breaker.probes_out)
        lane = self.guard.accounts.lane_successes()
        size, failures = breaker.window.size(self.clock(), lane), len(breaker.window.failures)
        self.guard.reconfigure(
            breaker=Breaker(
                minimum_calls=4,
                window_calls=calls,
                window_seconds=seconds,
                half_open_permits=permits,
                open_for=open_for,
            )
        )
        assert (breaker.state, breaker.epoch, breaker.open_until, breaker.probes_out) == before
        now = breaker.window.size(self.clock(), lane)
        assert now <= size
        assert len(breaker.window.failures) <= failures
        if seconds is None:
            assert now == min(size, calls)

    @rule(attempts=st.integers(1, 3), ratio=st.sampled_from([0.0, 0.2, 1.0]))
    def other_retry(self, attempts: int, ratio: float) -> None:
        budget = RetryBudget(ratio=ratio)
        self.guard.reconfigure(retry=Retry(attempts=attempts, base_delay=0.5, jitter="none", budget=budget))

    @rule(limit=st.sampled_from([1.0, 5.0]))
    def other_timeout(self, limit: float) -> None:
        self.guard.reconfigure(timeout=Timeout(attempt=limit))

    @invariant()
    def places_are_those_of_who_is_inside(self) -> None:
        state = self.guard.bulkhead
        assert state is not None
        assert state.in_flight == len(self.inside)
        assert 0 <= state.owed <= max(0, len(self.inside) - self.limit) + len(state.permits)

    @precondition(lambda self: not self.sums.would_move)
    @invariant()
    def numbers_add_up(self) -> None:
        away = len(self.inside)
        self.sums.add_up(calls=self.calls - away, attempts=self.asked - away, admitted=self.admitted - away)
        assert self.sums.total("bulkhead_in_flight") == away
        assert 0 <= self.sums.total("retry_budget_remaining") <= 1
        assert 0 <= self.sums.total("breaker_failure_ratio") <= 1

    def teardown(self) -> None:
        while self.inside:
            self.leave()
        assert self.guard.bulkhead is not None
        self.guard.bulkhead.trim()
        assert len(self.guard.bulkhead.permits) == self.limit


TestReconfigure = ReconfigureMachine.TestCase
TestReconfigure.settings = settings(max_examples=60, stateful_step_count=40)
