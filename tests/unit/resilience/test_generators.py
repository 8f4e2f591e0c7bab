"""Guarded generators: one attempt from the first item to the last, whoever consumes it, however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench
from tests.unit.resilience.streams import collected, in_flight, numbers

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    BulkheadFull,
    Fallback,
    RateLimit,
)

# -- one attempt


def test_an_exhausted_generator_is_one_call_and_one_attempt(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(), bulkhead=Bulkhead(limit=1))
    assert collected(b) == [0, 1, 2]
    assert b.count("calls", "default", "success") == 1
    assert b.count("attempts", "default", "success") == 1
    assert in_flight(b) == 0


@pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
def test_no_retry_and_no_fallback(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM, fallback=Fallback(default=[7]))
    with pytest.raises(ConnectionError):
        collected(b, error=ConnectionError())
    with pytest.raises(ConnectionError):
        collected(b, count=0, error=ConnectionError())
    assert b.count("retries", "default") == 0
    assert b.count("calls", "default", "failure") == 2


def test_rejection_comes_at_the_first_item_and_not_at_the_call(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=1, window_calls=1))
    with pytest.raises(ConnectionError):
        collected(b, error=ConnectionError())
    assert b.guard.state == "open"
    unused = numbers(b)
    with pytest.raises(BreakerOpen):
        next(unused)
    with pytest.raises(BreakerOpen):
        collected(b)
    assert b.count("rejections", "breaker", "open") == 2
    assert b.count("calls", "default", "rejected") == 2


def test_a_generator_that_nobody_iterates_takes_and_counts_nothing() -> None:
    b = Bench("sync", bulkhead=Bulkhead(limit=1))
    kept, closed = numbers(b), numbers(b)
    closed.close()
    del kept
    assert b.count("calls", "default", "cancelled") == 0
    assert list(numbers(b)) == [0, 1, 2]


def test_wrong_arguments_are_no_attempt() -> None:
    b = Bench("sync", breaker=Breaker(minimum_calls=1, window_calls=1))

    @b.guard
    def rows(account: str) -> Generator[str]:
        yield account

    with pytest.raises(TypeError, match="account"):
        next(rows())  # type: ignore[call-arg]
    assert b.guard.state == "closed"


def test_a_permit_is_held_until_the_end(bench: Callable[..., Bench]) -> None:
    b = bench(bulkhead=Bulkhead(limit=1), rate_limit=RateLimit(rate=1, burst=5))
    first = numbers(b)
    next(first)
    with pytest.raises(BulkheadFull):
        collected(b)
    assert list(first) == [1, 2]
    assert collected(b) == [0, 1, 2]


def test_admission_waits_in_line(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=1, burst=1, max_wait=5))
    began = b.clock()
    assert collected(b) == collected(b) == [0, 1, 2]
    assert b.clock() - began == pytest.approx(1.0)


# -- send, throw, return


def echo(b: Bench) -> Generator[Any, Any, str]:
    @b.guard
    def talk() -> Generator[Any, Any, str]:
        heard: Any = None
        while heard != "bye":
            try:
                heard = yield heard
            except KeyError as error:
                heard = error
        return "done"

    return talk()


def test_send_throw_and_the_returned_value_pass_through() -> None:
    b = Bench("sync", breaker=Breaker())
    talk = echo(b)
    assert talk.send(None) is None
    assert talk.send("a") == "a"
    error = KeyError()
    assert talk.throw(error) is error
    with pytest.raises(StopIteration) as end:
        talk.send("bye")
    assert end.value.value == "done"
    assert b.count("attempts", "default", "success") == 1


def test_what_is_thrown_in_and_comes_out_counts() -> None:
    b = Bench("sync")
    talk = echo(b)
    next(talk)
    error = ConnectionError()
    with pytest.raises(ConnectionError) as caught:
        talk.throw(error)
    assert caught.value is error
    assert b.count("attempts", "default", "failure") == 1


def test_asend_and_athrow_pass_through() -> None:
    b = Bench("async")

    @b.guard
    async def talk() -> AsyncGenerator[Any, Any]:
        heard: Any = None
        while heard != "bye":
            try:
                heard = yield heard
            except KeyError as error:
                heard = error

    async def main() -> None:
        t = talk()
        assert await t.asend(None) is None
        assert await t.asend("a") == "a"
        error = KeyError()
        assert await t.athrow(error) is error
        with pytest.raises(StopAsyncIteration):
            await t.asend("bye")

    b.clock.run(main())
    assert b.count("attempts", "default", "success") == 1


def test_a_generator_may_end_quietly_when_closed_and_may_not_go_on(bench: Callable[..., Bench]) -> None:
    b = bench(bulkhead=Bulkhead(limit=2))

    @b.guard
    def quiet(goes_on: bool) -> Generator[int]:
        with contextlib.suppress(GeneratorExit):
            yield 1
        if goes_on:
            yield 2

    for goes_on in (False, True):
        rows = quiet(goes_on)
        next(rows)
        if goes_on:
            with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
                rows.close()
        else:
            rows.close()
        del rows
    assert b.count("attempts", "default", "cancelled") == 2
    assert in_flight(b) == 0
