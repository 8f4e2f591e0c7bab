"""Each kind of rate limit against a plain model: waits, permits given back and a dependency that refuses.

Times are multiples of 1/16 s and rates are powers of 2, so that sums are exact.
"""

from __future__ import annotations

from math import inf

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from seawall.resilience import RateLimit
from seawall.resilience.rate_limit import limiter_of

SLACK = 1e-6
TICK = 1 / 16


class LimiterMachine(RuleBasedStateMachine):
    """``asked``: when each permit that was not given back may be used. The model is recounted every time."""

    limit: RateLimit

    def __init__(self) -> None:
        super().__init__()
        self.limiter = limiter_of(self.limit)
        self.now = 1000.0
        self.asked: list[float] = []
        self.held: list[tuple[float, float]] = []
        self.shut = -inf

    def due(self) -> float:
        raise NotImplementedError

    def returned(self, due: float) -> None:
        """The newest permit came back."""

    @rule()
    def take(self) -> None:
        due = self.due()
        wait = self.limiter.take(self.now)
        if due - self.now > self.limit.max_wait:
            assert wait is None
            assert self.limiter.retry_after(self.now) == pytest.approx(due - self.now, abs=SLACK)
        else:
            assert wait == pytest.approx(due - self.now, abs=SLACK)
            self.asked.append(due)
            self.held.append((due, self.limiter.newest))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """The newest goes back, any other is lost: it counts as asked."""
        i = data.draw(st.integers(0, len(self.held) - 1))
        due, permit = self.held.pop(i)
        if permit == self.limiter.newest:
            self.asked.pop()
            self.returned(due)
        self.limiter.give_back(permit)

    @rule(ticks=st.integers(0, 40))
    def wait(self, ticks: int) -> None:
        self.now += ticks * TICK
        self.held = [(due, permit) for due, permit in self.held if due > self.now]

    @rule(ticks=st.integers(0, 30))
    def refused_by_the_dependency(self, ticks: int) -> None:
        until = self.now + ticks * TICK
        self.limiter.drain(until)
        self.shut = max(self.shut, until)
        self.drained(until)

    def drained(self, until: float) -> None: ...

    @invariant()
    def permits_are_between_none_and_all(self) -> None:
        assert 0 <= self.limiter.available(self.now) <= self.limit.burst
        if self.now < self.shut:
            assert self.limiter.available(self.now) < 1

    @invariant()
    def what_is_free_is_what_can_be_taken_at_once(self) -> None:
        free = self.limiter.available(self.now) > 1 - SLACK
        assert free == (self.due() <= self.now + SLACK)

    @invariant()
    def never_more_than_the_burst_and_the_rate_allow_in_any_window(self) -> None:
        for i, first in enumerate(self.asked):
            for k, last in enumerate(self.asked[i:], start=1):
                assert k <= self.limit.burst + (last - first) * self.limit.rate + SLACK


class TokenBucketMachine(LimiterMachine):
    limit = RateLimit(rate=4, burst=3, max_wait=1.0)

    def __init__(self) -> None:
        super().__init__()
        self.tokens: float = self.limit.burst
        self.since = self.now

    def level(self) -> float:
        """Tokens now; below 0 while calls wait for theirs."""
        return min(self.limit.burst, self.tokens + (self.now - self.since) * self.limit.rate)

    def due(self) -> float:
        return self.now + max(0.0, 1 - self.level()) / self.limit.rate

    @rule()
    def take(self) -> None:
        before = len(self.asked)
        super().take()
        self.tokens, self.since = self.level() - (len(self.asked) - before), self.now

    def returned(self, due: float) -> None:
        self.tokens, self.since = min(self.limit.burst, self.level() + 1, self.most()), self.now

    def drained(self, until: float) -> None:
        self.tokens, self.since = min(self.level(), self.most()), self.now

    def most(self) -> float:
        """One token when the dependency may be asked again, and none before."""
        return 1 - (self.shut - self.now) * self.limit.rate


class SmoothMachine(TokenBucketMachine):
    limit = RateLimit(rate=4, max_wait=1.0, kind="smooth")

    @invariant()
    def evenly_spaced(self) -> None:
        for one, next_one in zip(self.asked, self.asked[1:], strict=False):
            assert next_one - one >= 1 / self.limit.rate - SLACK


class SlidingWindowMachine(LimiterMachine):
    limit = RateLimit(rate=2, burst=4, max_wait=1.0, kind="sliding_window")
    window = 2.0

    def due(self) -> float:
        """The first time, by trying all that can matter, at which the window holds less than it may."""
        earliest = max(self.now, self.shut, *self.asked[-1:])
        for time in sorted({earliest, *(t + self.window for t in self.asked if t + self.window > earliest)}):
            if sum(time - self.window < t <= time for t in self.asked) < self.limit.burst:
                return time
        raise AssertionError

    @invariant()
    def never_more_than_the_burst_in_any_window(self) -> None:
        for first in self.asked:
            assert sum(first <= t < first + self.window for t in self.asked) <= self.limit.burst


TestTokenBucket = TokenBucketMachine.TestCase
TestSmooth = SmoothMachine.TestCase
TestSlidingWindow = SlidingWindowMachine.TestCase
for machine in (TokenBucketMachine, SmoothMachine, SlidingWindowMachine):
    machine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
