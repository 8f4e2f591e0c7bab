"""Retry budgets and throttles, alone and shared by name; what settings of a retry can and can not be."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench, fails, flaky
from tests.unit.resilience.test_retries import not_ready, pending, steady

from seawall.resilience import (
    ConfigurationError,
    Guard,
    Registry,
    Retry,
    RetryBudget,
    RetryBudgetExhausted,
    RetryRule,
    RetryThrottle,
    TimedOut,
    Timeout,
)
from seawall.resilience.events import RetryExhausted
from seawall.resilience.fields import RETRY_RESULTS
from seawall.testing import ManualClock

# -- budgets


def two(budget: RetryBudget | RetryThrottle, other: RetryBudget | RetryThrottle | None = None) -> list[Guard]:
    clock, registry = ManualClock(), Registry("t")
    return [
        Guard(n, retry=steady(attempts=2, base_delay=0, budget=b), registry=registry, clock=clock)
        for n, b in (("a", budget), ("b", other or budget))
    ]


def retries(guard: Guard) -> float:
    return guard.read()[guard.ledger.layout.at("retries", "default")]


def left(guard: Guard) -> float:
    return guard.read()[guard.ledger.layout.at("retry_budget_remaining")]


def fail(guard: Guard, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            guard.call(fails(ConnectionError()))


def test_guards_share_a_budget_by_name() -> None:
    a, b = two(RetryBudget(ratio=0, floor_per_second=0.5, ttl=10, name="region"))
    fail(a, 3)
    fail(b, 9)
    assert (retries(a), retries(b)) == (3, 2)
    assert left(a) == left(b) == 0
    assert a.read()[a.ledger.layout.at("retry_calls", "default", "exhausted")] == 3
    assert b.read()[b.ledger.layout.at("retry_calls", "default", "budget_exhausted")] == 7


def test_the_exception_says_that_it_was_the_budget(bench: Callable[..., Bench]) -> None:
    """It goes to the caller unchanged; in its traceback whoever is on call reads why it was not retried."""
    budget = RetryBudget(ratio=0, floor_per_second=0.1, ttl=10)
    b = bench(retry=Retry(attempts=3, base_delay=0, budget=budget, on_result=lambda result: result == "busy"))
    first, later = ConnectionError("first"), ConnectionError("later")
    assert b(fails(first)) is first
    used_up = "bank: not retried, the retry budget is used up"
    assert first.__notes__ == [used_up, "bank: gave up after 2 attempts"]
    # However often it is raised.
    assert b(fails(later), times=3) is later
    assert later.__notes__ == [used_up] == [str(RetryBudgetExhausted("bank"))]
    # An answer that is not wanted is no exception.
    assert b(lambda: "busy") == "busy"
    assert b.count("retry_calls", "default", "budget_exhausted") == 5


def test_budgets_without_a_name_are_apart() -> None:
    a, b = two(RetryBudget(ratio=0, floor_per_second=0.5, ttl=10))
    fail(a, 9)
    fail(b, 9)
    assert (retries(a), retries(b)) == (5, 5)


def test_a_wait_that_outlasts_the_total_is_no_failed_attempt(bench: Callable[..., Bench]) -> None:
    """Back-off ends late when the machine is busy. That costs no token, and retrying is what was used up."""
    throttle = RetryThrottle(max_tokens=4, token_ratio=1)
    b = bench(retry=steady(on=(ConnectionError,), budget=throttle), timeout=Timeout(total=3.0))

    async def late(seconds: float) -> None:
        b.clock.advance(seconds + 5)

    b.guard.sleep, b.guard.asleep = lambda seconds: b.clock.advance(seconds + 5), late
    assert isinstance(b(flaky(ConnectionError())), TimedOut)
    assert left(b.guard) == 0.5
    assert b.count("retry_calls", "default", "exhausted") == 1
    assert b.count("calls", "default", "timeout") == 1
    assert [(e.attempts, e.error) for e in b.events.of(RetryExhausted)] == [(1, "TimedOut")]


def test_calls_of_one_guard_earn_retries_of_the_other() -> None:
    a, b = two(RetryBudget(ratio=0.1, floor_per_second=0, ttl=10, name="region"))
    for _ in range(40):
        a.call(int)
    left(a)
    fail(b, 9)
    assert retries(b) == 4


def test_a_shared_name_means_the_same_settings_and_clock() -> None:
    with pytest.raises(ConfigurationError, match=r"RetryBudget.name is 'x'; allowed: the settings"):
        two(RetryBudget(name="x"), RetryBudget(name="x", ratio=0.5))
    with pytest.raises(ConfigurationError, match=r"RetryThrottle.name is 'x'"):
        two(RetryBudget(name="x"), RetryThrottle(name="x"))
    registry = Registry("t")
    Guard("a", retry=Retry(budget=RetryBudget(name="x")), registry=registry)
    with pytest.raises(ConfigurationError, match="the clock of the others"):
        Guard("b", retry=Retry(budget=RetryBudget(name="x")), registry=registry, clock=ManualClock())


def test_a_name_is_free_again_when_nobody_has_it() -> None:
    registry = Registry("t")
    Guard("a", registry=registry, retry=Retry(budget=RetryBudget(name="ours")))
    with pytest.raises(ConfigurationError, match="guard 'a' exists already"):
        Guard("a", registry=registry, retry=Retry(budget=RetryBudget(name="refused")))
    Guard("b", registry=registry)
    Guard("c", registry=registry, retry=Retry(budget=RetryThrottle(name="refused")))
    with pytest.raises(ConfigurationError, match="the settings of the others"):
        Guard("d", registry=registry, retry=Retry(budget=RetryBudget(name="ours", ttl=5)))
    registry.remove("a")
    changed = RetryBudget(name="ours", ttl=5)
    Guard("d", registry=registry, retry=Retry(budget=changed))
    assert registry.retry_budgets["ours"].settings == changed
    with pytest.raises(ConfigurationError, match="the settings of the others"):
        Guard("a", registry=registry, retry=Retry(budget=RetryBudget(name="ours")))


def test_who_differs_from_the_others_of_a_name_is_told_in_what() -> None:
    with pytest.raises(ConfigurationError) as caught:
        two(RetryThrottle(name="x"), RetryThrottle(name="x", max_tokens=5))
    assert caught.value.problems == (
        "RetryThrottle.name is 'x'; allowed: the settings of the others of this name, "
        "RetryThrottle(max_tokens=10, token_ratio=0.1, name='x')",
    )
    registry = Registry("t")
    Guard("a", retry=Retry(budget=RetryBudget(name="x")), registry=registry)
    with pytest.raises(ConfigurationError) as caught:
        Guard("b", retry=Retry(budget=RetryBudget(name="x")), registry=registry, clock=ManualClock())
    assert caught.value.problems == (
        "RetryBudget.name is 'x'; allowed: the clock of the others of this name",
    )
    of_other_names = two(RetryBudget(ratio=0, name="x"), RetryBudget(ratio=1, name="y"))
    assert [guard.retry.budget.name for guard in of_other_names] == ["x", "y"]


def test_what_is_left_counts_the_calls_up_to_now() -> None:
    a, _ = two(RetryBudget(ratio=0.5, floor_per_second=0, ttl=10))
    for _ in range(4):
        a.call(int)
    fail(a, 1)
    account = a.budget
    assert account is not None
    assert account.remaining_ratio(1000.0) == pytest.approx(0.6)
    for _ in range(5):
        a.call(int)
    assert account.remaining_ratio(1000.0, False) == pytest.approx(0.6)
    assert account.remaining_ratio(1000.0) == pytest.approx(0.8)


def test_a_throttle_ends_retries_at_half_of_its_tokens(bench: Callable[..., Bench]) -> None:
    b = bench(retry=steady(attempts=9, base_delay=0, budget=RetryThrottle(max_tokens=10, token_ratio=0.5)))
    b(fails(ConnectionError()))
    assert b.count("retries", "default") == 4
    assert b.count("retry_calls", "default", "budget_exhausted") == 1
    assert b.count("retry_budget_remaining") == 0
    b(lambda: 1, times=3)
    assert b.count("retry_budget_remaining") == pytest.approx(0.3)
    b(fails(ConnectionError()))
    assert b.count("retries", "default") == 5
    b(fails(ConnectionError()), times=30)
    b(lambda: 1, times=100)
    assert b.count("retry_budget_remaining") == 1


def test_a_throttle_is_shared_by_name_and_counts_last_failures_too() -> None:
    a, b = two(RetryThrottle(max_tokens=4, token_ratio=1, name="region"))
    fail(a, 1)
    fail(b, 1)
    assert (retries(a), retries(b)) == (1, 0)


def test_a_forked_child_begins_with_a_whole_budget() -> None:
    from seawall.resilience.process import _begin_anew

    a, b = two(RetryBudget(ratio=0, floor_per_second=0.5, ttl=10, name="region"))
    fail(a, 9)
    for guard in (a, b):
        _begin_anew(guard)
    fail(b, 9)
    assert retries(b) == 5
    (throttled, _) = two(RetryThrottle())
    fail(throttled, 9)
    _begin_anew(throttled)
    assert left(throttled) == 1


# -- settings


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Retry(
            attempts=0,
            backoff="linear",
            base_delay=-1,
            max_delay=-1,
            multiplier=0,
            jitter="some",
            on=(int,),  # type: ignore[arg-type]
            per_error=((int, RetryRule()), (KeyError, RetryRule(attempts=0))),  # type: ignore[arg-type]
            on_result=1,  # type: ignore[arg-type]
            idempotent="get",  # type: ignore[arg-type]
            unsent=None,  # type: ignore[arg-type]
            retry_after=1,  # type: ignore[arg-type]
            max_retry_after=nan,
            budget=3,  # type: ignore[arg-type]
        )
    problems = caught.value.problems
    named = {problem.split(" is ")[0].split("[")[0].removeprefix("Retry.") for problem in problems}
    assert named == set(Retry.__dataclass_fields__)


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_error": {KeyError: RetryRule()}},
        {"per_error": ((KeyError, Retry()),)},
        {"per_error": (KeyError,)},
        {"per_error": ((KeyError, RetryRule(base_delay=99.0)),)},
        {"backoff": "decorrelated", "jitter": "none"},
        {"idempotent": (1,)},
    ],
)
def test_what_can_not_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Retry(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"max_tokens": 0}, {"token_ratio": 0}, {"token_ratio": 11}, {"name": ""}, {"name": 5}]
)
def test_what_a_throttle_can_not_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RetryThrottle(**wrong)


def test_the_policy_document_shows_every_setting() -> None:
    rules = ((TimeoutError, RetryRule(attempts=5)),)
    shown = Retry(per_error=rules, idempotent=("default",), budget=RetryThrottle(name="x")).describe()
    assert set(shown) == set(Retry.__dataclass_fields__)
    rule = dict.fromkeys(RetryRule.__dataclass_fields__) | {"error": "TimeoutError", "attempts": 5}
    assert shown["per_error"] == [rule]
    assert shown["budget"] == {"max_tokens": 10, "token_ratio": 0.1, "name": "x"}
    assert shown["idempotent"] == ["default"]
    assert set(RetryBudget().describe()) == set(RetryBudget.__dataclass_fields__)
    assert CALM.describe()["budget"] is None


def test_retry_calls_sum_to_calls(bench: Callable[..., Bench]) -> None:
    b = bench(retry=steady(on_result=not_ready))
    for body in (pending(1), pending(9), flaky(KeyError()), fails(KeyError()), lambda: 1):
        b(body)
    assert sum(b.count("retry_calls", "default", result) for result in RETRY_RESULTS) == 5
