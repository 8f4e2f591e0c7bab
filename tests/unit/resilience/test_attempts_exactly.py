"""What one attempt is counted as, and what its refusals and its end say to the last fact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, fails
from tests.unit.resilience.test_calls_exactly import built, pay, slow

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Fallback,
    Guard,
    RateLimit,
    RateLimited,
    Registry,
    Retry,
    TimedOut,
    Timeout,
)
from seawall.resilience.deadline import AT, current
from seawall.resilience.events import CallRejected, TimeoutExceeded, Transition

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")

Make = Callable[..., Bench]
ONE: dict[str, Any] = {"minimum_calls": 1, "window_calls": 1, "half_open_permits": 1}
OUTCOMES = ("success", "failure", "timeout", "ignored", "slow", "cancelled")


def attempts(b: Bench, operation: str = "default") -> dict[str, float]:
    found = {outcome: b.count("attempts", operation, outcome) for outcome in OUTCOMES}
    return {outcome: number for outcome, number in found.items() if number}


def errors(b: Bench) -> dict[str | None, float]:
    """Failures by the name of the error."""
    numbers = ((name, b.count("errors", str(i))) for i, name in enumerate(b.guard.ledger.error_names))
    return {name: number for name, number in numbers if number}


def test_failures_are_counted_by_their_type(bench: Make) -> None:
    b = bench(breaker=Breaker(record=(OSError, ValueError), record_result=lambda result: result == "bad"))
    for error in (OSError(), TimeoutError(), TimeoutError(), KeyError()):
        assert b(fails(error)) is error
    assert b(lambda: "bad") == "bad"
    assert attempts(b) == {"failure": 2, "timeout": 2, "ignored": 1}
    assert errors(b) == {"OSError": 1, "TimeoutError": 2, "result": 1}
    assert [b.count("calls", "default", outcome) for outcome in ("failure", "timeout", "success")] == [
        2,
        2,
        1,
    ]


def test_a_result_is_judged_by_itself_off_the_lane_too(bench: Make) -> None:
    b, _ = built(bench, breaker=Breaker(record_result=lambda result: result == "bad"))
    assert pay(b, lambda: "bad") == "bad"
    assert (attempts(b, "pay"), errors(b)) == ({"failure": 1}, {"result": 1})


@pytest.mark.parametrize(("seconds", "outcome"), [(0.5, "success"), (0.75, "slow")])
def test_what_takes_as_long_as_it_may_is_not_slow(bench: Make, seconds: float, outcome: str) -> None:
    b, _ = built(bench, breaker=Breaker(slow_after=0.5))
    assert pay(b, slow(b, seconds)) == "answer"
    assert attempts(b, "pay") == {outcome: 1}


def test_a_transition_is_of_the_operation_that_brought_it_about(bench: Make) -> None:
    b, told = built(bench, breaker=Breaker(open_for=30.0, **ONE))
    pay(b, fails(KeyError()))
    b.clock.advance(30)
    assert pay(b, lambda: 1) == 1
    moves = [entry for entry in told.log if entry[0] == "Transition"]
    assert [(name, facts["to_state"], facts["errors"]) for _, _, name, facts in moves] == [
        ("pay", "open", (("KeyError", 1),)), ("pay", "half_open", ()), ("pay", "closed", ()),
    ]  # fmt: skip
    assert {event.operation for event in b.events.of(Transition)} == {"pay"}


def test_a_refusal_says_who_and_why_and_how_long(bench: Make) -> None:
    b = bench(breaker=Breaker(open_for=30.0, **ONE))
    b(fails(KeyError()))
    b.clock.advance(10)
    error = b(lambda: 1)
    assert isinstance(error, BreakerOpen)
    assert (error.dependency, error.policy, error.reason, error.retry_after) == (
        "bank",
        "breaker",
        "open",
        20,
    )
    rejected = b.events.of(CallRejected)[0]
    assert (rejected.policy, rejected.reason, rejected.retry_after) == ("breaker", "open", 20)


def test_a_rate_limit_that_is_exceeded_says_whose(bench: Make) -> None:
    b = bench(rate_limit=RateLimit(rate=0.5, burst=1))
    b(lambda: 1)
    error = b(lambda: 1)
    assert isinstance(error, RateLimited)
    assert (error.dependency, error.policy, error.reason) == ("bank", "rate_limit", "exceeded")
    assert error.retry_after == pytest.approx(2.0)


@pytest.mark.parametrize("more", [0.001, 0.5])
def test_a_pause_that_is_asked_for_during_the_wait(bench: Make, more: float) -> None:
    b = bench(rate_limit=RateLimit(rate=1, burst=1, max_wait=5.0))
    b.clock.now = 0.0
    b(lambda: 1)
    assert b.guard.limiter is not None

    def pause(seconds: float) -> None:
        assert seconds == pytest.approx(1.0)
        b.guard.limiter.shut_until = more  # type: ignore[union-attr]

    async def apause(seconds: float) -> None:
        pause(seconds)

    b.guard.sleep, b.guard.asleep = pause, apause
    answer = b(lambda: "answer")
    if more == 0.001:
        assert answer == "answer"
    else:
        assert isinstance(answer, RateLimited)
        assert (answer.dependency, answer.policy, answer.reason, answer.retry_after) == (
            "bank", "rate_limit", "exceeded", 0.5,
        )  # fmt: skip


def test_a_limit_that_an_attempt_exceeded_is_told(bench: Make) -> None:
    b = bench(timeout=Timeout(attempt=1.0))
    b(slow(b, 0.25, TimedOut("bank", "attempt", 0.5)))
    b(slow(b, 0.25, TimedOut("another", "attempt", 0.5)))
    (event,) = b.events.of(TimeoutExceeded)
    assert (event.operation, event.scope, event.limit, event.elapsed) == ("default", "attempt", 0.5, 0.25)
    assert b.count("timeouts", "default", "attempt") == 1


def test_a_total_that_leaves_no_time_to_wait_is_told(bench: Make) -> None:
    b = bench(
        retry=Retry(attempts=2, base_delay=0.25, jitter="none", budget=None),
        rate_limit=RateLimit(rate=0.1, burst=1, max_wait=60.0),
        timeout=Timeout(total=2.0),
    )
    error = b(slow(b, 0.5, KeyError()))
    assert isinstance(error, TimedOut)
    assert (error.dependency, error.scope, error.limit) == ("bank", "total", 2.0)
    event = b.events.of(TimeoutExceeded)[0]
    assert (event.operation, event.scope, event.limit, event.elapsed) == ("default", "total", 2.0, 0.75)
    assert b.count("calls", "default", "timeout") == 1


def test_of_two_equal_limits_it_is_that_of_the_attempt() -> None:
    b = Bench("async", timeout=Timeout(attempt=1.0, total=1.0))

    async def hang() -> None:
        await asyncio.sleep(60)

    with pytest.raises(TimedOut) as caught:
        b.clock.run(b.guard.acall(hang))
    assert (caught.value.scope, caught.value.limit) == ("attempt", 1.0)
    assert attempts(b) == {"timeout": 1}


def test_the_deadline_of_an_attempt_that_is_over_binds_nobody(bench: Make) -> None:
    b, _ = built(bench, timeout=Timeout(attempt=1.0))
    seen: list[Any] = []
    pay(b, lambda: seen.append((current.get(), list(current.get() or ()))))
    ((record, inside),) = seen
    assert (inside[AT], record[AT], current.get()) == (1001.0, float("inf"), None)


def test_what_a_layer_below_refused_says_nothing_of_the_dependency(bench: Make) -> None:
    b = bench(breaker=Breaker(**ONE))
    b.guard.below = (Guard("inner", registry=Registry("i")),)
    b(fails(BreakerOpen("inner", "breaker", "open", None)))
    assert (attempts(b), b.guard.state) == ({"ignored": 1}, "closed")
    assert b.count("calls", "default", "rejected") == 1


def test_what_is_no_failure_is_one_to_the_caller_unless_it_was_declared(bench: Make) -> None:
    b = bench(breaker=Breaker(record=(OSError,), ignore=(ValueError,)))
    b(fails(KeyError()))
    b(fails(ValueError()))
    assert attempts(b) == {"ignored": 2}
    assert [b.count("calls", "default", outcome) for outcome in ("failure", "success")] == [1, 1]


def test_what_is_no_failure_may_be_degraded_unless_it_was_declared(bench: Make) -> None:
    b = bench(breaker=Breaker(record=(OSError,), ignore=(ValueError,)), fallback=Fallback(default="none"))
    assert b(fails(KeyError())) == "none"
    error = ValueError()
    assert b(fails(error)) is error


def test_a_cancellation_in_a_group_is_no_reason_to_degrade(bench: Make) -> None:
    class Alarm(BaseException): ...

    b = bench(fallback=Fallback(default="none"))
    group = BaseExceptionGroup("", [Alarm(), KeyError()])
    assert b(fails(group)) is group
    assert b.count("calls", "default", "cancelled") == 1


def test_an_interrupt_before_an_attempt_begins_is_not_as_long_as_the_clock(bench: Make) -> None:
    def limit() -> float:
        b.clock.advance(0.25)
        raise KeyboardInterrupt

    b = bench(timeout=Timeout(attempt=1.0, attempt_for=lambda *args: limit()))
    assert isinstance(b(lambda: 1), KeyboardInterrupt)
    assert attempts(b) == {"cancelled": 1}
    entry = b.guard.ledger.layout.entry("attempt_duration", "default")
    assert b.guard.ledger.slots[entry.offset + entry.size - 1] == 0.25
