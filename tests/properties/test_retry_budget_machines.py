"""Retry budgets against models that keep every call and every retry in a list, with two guards' accounts."""

from __future__ import annotations

from fractions import Fraction

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from seawall.resilience import Registry, RetryBudget, RetryThrottle
from seawall.resilience.retry_account import RetryAccount, account_of
from seawall.resilience.retry_budget import SLICES

GUARDS = st.integers(0, 1)


class Counts:
    """In place of a guard's sums over its ledger."""

    def __init__(self) -> None:
        self.calls = self.succeeded = 0.0

    def calls_admitted(self) -> float:
        return self.calls

    def successes(self) -> float:
        return self.succeeded


class SharedMachine(RuleBasedStateMachine):
    budget: RetryBudget | RetryThrottle

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.counts = [Counts(), Counts()]
        registry = Registry("t")
        self.accounts: list[RetryAccount] = [
            account_of(self.budget, registry, self.clock, counts)  # type: ignore[arg-type]
            for counts in self.counts
        ]

    def clock(self) -> float:
        return self.now

    @invariant()
    def all_see_the_same_share_in_bounds(self) -> None:
        one, other = (account.remaining_ratio(self.now) for account in self.accounts)
        # The first look credits what the second guard has not yet told.
        assert other == self.accounts[0].remaining_ratio(self.now)
        assert 0 <= one <= 1


class BudgetMachine(SharedMachine):
    """A call and a retry count for the time to live, or up to a tenth less: they are kept in slices."""

    budget = RetryBudget(ratio=0.25, floor_per_second=0.25, ttl=8.0, name="x")
    longest = 8.0 + 1e-6
    surely = 8.0 - 8.0 / SLICES - 1e-6

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[float] = []
        self.retries: list[float] = []

    @rule(guard=GUARDS, calls=st.integers(1, 6))
    def call(self, guard: int, calls: int) -> None:
        self.counts[guard].calls += calls
        self.calls += [self.now] * calls
        self.accounts[guard].roll(self.now)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 3.0, 8.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(guard=GUARDS)
    def retry(self, guard: int) -> None:
        ratio, floor = 0.25, 0.25 * 8.0
        least = ratio * self.since(self.calls, self.surely) + floor - self.since(self.retries, self.longest)
        most = ratio * self.since(self.calls, self.longest) + floor - self.since(self.retries, self.surely)
        self.accounts[guard].failed(self.now)
        allowed = self.accounts[guard].spend(self.now)
        assert allowed or least < 1
        assert not allowed or most >= 1
        if allowed:
            self.retries.append(self.now)

    def since(self, times: list[float], seconds: float) -> int:
        return sum(time > self.now - seconds for time in times)

    @invariant()
    def never_more_retries_than_calls_earned(self) -> None:
        earned = 0.25 * self.since(self.calls, self.longest + self.surely) + 0.25 * 8.0
        assert self.since(self.retries, self.surely) <= earned


class ThrottleMachine(SharedMachine):
    """gRFC A6, in fractions. Successes are told late: whenever an account is asked."""

    budget = RetryThrottle(max_tokens=6, token_ratio=0.25, name="x")

    def __init__(self) -> None:
        super().__init__()
        self.tokens = Fraction(6)

    @rule(guard=GUARDS, times=st.integers(1, 9))
    def succeed(self, guard: int, times: int) -> None:
        self.counts[guard].succeeded += times
        self.tokens = min(Fraction(6), self.tokens + Fraction(times, 4))

    @rule(guard=GUARDS)
    def fail(self, guard: int) -> None:
        self.accounts[guard].failed(self.now)
        self.tokens = max(Fraction(0), self.tokens - 1)
        assert self.accounts[guard].spend(self.now) == (self.tokens > 3)

    @invariant()
    def same_tokens(self) -> None:
        for account in self.accounts:
            account.roll(self.now)
        assert self.accounts[0].remaining_ratio(self.now) == max(0, float(self.tokens - 3) / 3)


TestBudget = BudgetMachine.TestCase
TestThrottle = ThrottleMachine.TestCase
for machine in (BudgetMachine, ThrottleMachine):
    machine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
