"""Pipelines: what a call means in each layer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, fails, flaky
from tests.unit.resilience.stacks import TRIP, Stack

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    BulkheadFull,
    Fallback,
    RateLimit,
    Rejected,
    Retry,
    TimedOut,
    Timeout,
    remaining,
)


@pytest.fixture(params=["sync", "async"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_call_that_succeeds_is_one_success_in_each_layer(how: str) -> None:
    s = Stack(how, Breaker(), CALM, Bulkhead(limit=1), Breaker())
    assert s(lambda: 7) == 7
    assert s.counts("calls", "default", "success") == [1, 1, 1]
    assert s.counts("attempts", "default", "success") == [1, 1, 1]


def test_an_outer_breaker_sees_whole_calls_and_an_inner_one_attempts(how: str) -> None:
    s = Stack(how, TRIP, CALM, Breaker(minimum_calls=99))
    assert s(flaky(OSError(), OSError())) == "answer"
    assert s.count(0, "attempts", "default", "success") == 1
    assert s.count(1, "attempts", "default", "failure") == 2
    assert s.count(1, "retry_calls", "default", "recovered") == 1
    assert s.pipeline.state == "closed"
    assert type(s(fails(OSError()))) is OSError
    assert s.count(0, "attempts", "default", "failure") == 1
    assert s.pipeline.layers[0].state == "open"
    assert s.pipeline.state == "open"
    assert type(s(lambda: 7)) is BreakerOpen
    assert s.counts("calls", "default", "success") == [1, 1]


def test_a_rejection_further_in_is_no_failure_and_not_retried(how: str) -> None:
    s = Stack(how, Retry(attempts=3, on=(Exception,)), TRIP, Retry(attempts=1), TRIP)
    s.pipeline.layers[1].force("forced_open")
    rejected = s(lambda: 7)
    assert isinstance(rejected, BreakerOpen)
    assert rejected.dependency == "bank/2"
    assert s.counts("calls", "default", "rejected") == [1, 1]
    assert s.count(0, "attempts", "default", "ignored") == 1
    assert s.count(0, "retries", "default") == 0
    assert s.count(0, "retry_calls", "default", "not_retryable") == 1
    assert s.pipeline.layers[0].state == "closed"
    assert s.count(0, "errors", "0") == 0
    assert s.pipeline.state == "forced_open"


def test_a_probe_that_is_rejected_further_in_gives_its_place_back(how: str) -> None:
    s = Stack(how, TRIP, CALM, TRIP)
    s(fails(OSError()))
    s.clock.advance(20)
    s.pipeline.layers[1].force("forced_open")
    assert isinstance(s(lambda: 7), BreakerOpen)
    assert s.pipeline.layers[0].state == "half_open"
    s.pipeline.layers[1].force("closed")
    assert s.pipeline.state == "half_open"
    assert s(lambda: 7) == 7
    assert s.pipeline.state == "closed"


def test_the_dependencys_own_error_outlasts_a_rejection_of_the_retry(how: str) -> None:
    """Its breaker opens on the first attempt; the second, in a layer further in, is turned away."""
    s = Stack(how, CALM, Breaker(), Retry(attempts=1), TRIP)
    error = OSError("gone")
    assert s(fails(error)) is error
    assert s.count(0, "calls", "default", "failure") == 1
    assert s.count(0, "attempts", "default", "ignored") == 1
    assert s.count(0, "retry_calls", "default", "exhausted") == 1


def test_a_fallback_answers_a_rejection_further_in(how: str) -> None:
    s = Stack(how, Fallback(default="none", on=(Rejected,)), CALM, Fallback(stale_for=9.0), TRIP)
    s.pipeline.layers[1].force("forced_open")
    assert s(lambda: 7) == "none"
    assert s.count(0, "calls", "default", "degraded") == 1
    assert s.count(1, "calls", "default", "rejected") == 1


def test_an_answer_that_is_degraded_further_in_is_a_success_outside(how: str) -> None:
    s = Stack(how, TRIP, Fallback(default="none"))
    assert s(fails(OSError())) == "none"
    assert s.count(0, "calls", "default", "success") == 1
    assert s.count(1, "calls", "default", "degraded") == 1


def test_a_rejection_by_another_guard_inside_the_function_is_a_failure_of_it(how: str) -> None:
    s = Stack(how, TRIP, Retry(attempts=1))
    assert isinstance(s(fails(BulkheadFull("cache", "bulkhead", "full"))), BulkheadFull)
    assert s.count(0, "attempts", "default", "failure") == 1
    assert s.pipeline.state == "open"


def test_what_a_guard_rejects_is_no_remote_throttling(how: str) -> None:
    s = Stack(how, RateLimit(rate=1.0, burst=5, throttled_on=(Rejected,)), CALM, TRIP)
    s.pipeline.layers[1].force("forced_open")
    s(lambda: 7)
    assert isinstance(s(lambda: 7), BreakerOpen)


def test_layers_inherit_the_deadline(how: str) -> None:
    s = Stack(how, Timeout(total=3.0), Breaker(), Timeout(total=2.0), CALM, Timeout(total=9.0))
    seen: list[float | None] = []

    def body() -> None:
        seen.append(remaining())
        s.clock.advance(1.0)
        raise OSError

    # After 1 s the first attempt has failed; 1 s of back-off is as much as is left.
    assert type(s(body)) is OSError
    assert seen == [2.0]


def test_an_attempt_is_cancelled_by_the_layer_whose_time_is_over() -> None:
    s = Stack("async", Timeout(attempt=2.0), Breaker(), Timeout(attempt=5.0))

    async def task() -> None:
        await asyncio.sleep(60.0)

    with pytest.raises(TimedOut) as caught:
        s.clock.run(s.pipeline.acall(task))
    assert (caught.value.dependency, caught.value.scope, caught.value.limit) == ("bank", "attempt", 2.0)
    assert s.count(0, "calls", "default", "timeout") == 1


def test_a_former_answer_is_found_again_through_the_layers(how: str) -> None:
    s = Stack(how, Fallback(stale_for=60.0), Breaker(), CALM)
    answers: list[Any] = ["fresh", OSError(), OSError(), OSError()]

    def body() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def task() -> Any:
        return body()

    def call() -> Any:
        return s.pipeline.call(body) if how == "sync" else s.clock.run(s.pipeline.acall(task))

    assert [call(), call()] == ["fresh", "fresh"]
    assert s.count(0, "degradations", "default", "stale", "served") == 1

    async def other() -> Any:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        s.pipeline.call(fails(OSError())) if how == "sync" else s.clock.run(s.pipeline.acall(other))
