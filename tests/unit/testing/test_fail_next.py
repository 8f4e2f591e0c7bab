"""Attempts that fail because a test says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    Fallback,
    Guard,
    Pipeline,
    Registry,
    Retry,
)
from seawall.testing import calls, fail_next, force_open


class Asked(Exception): ...


def test_the_next_attempts_fail_and_nobody_is_asked(bench: Callable[..., Bench]) -> None:
    b, asked = bench(breaker=Breaker()), []
    with fail_next(b.guard, 2) as faults:
        assert isinstance(b(lambda: asked.append(1)), ConnectionError)
        assert (faults.left, faults.failed) == (1, 1)
        assert isinstance(b(lambda: asked.append(1)), ConnectionError)
        assert asked == []
        assert (faults.left, faults.failed) == (0, 2)
        assert b(lambda: "answer") == "answer"
        assert (faults.left, faults.failed) == (0, 2)
    assert calls(b.guard) == {"failure": 2, "success": 1}
    assert b.count("attempts", "default", "failure") == 2


def test_a_function_that_was_decorated_and_in_use_before(bench: Callable[..., Bench]) -> None:
    guard = Guard("bank", registry=Registry("t"))
    asked: list[str] = []

    @guard
    def plain(x: str) -> str:
        asked.append(x)
        return x

    @guard
    async def coroutine(x: str) -> str:
        asked.append(x)
        return x

    async def both() -> None:
        for _ in range(5):
            assert (plain("p"), await coroutine("c")) == ("p", "c")
        asked.clear()
        with fail_next(guard, 2):
            with pytest.raises(ConnectionError):
                plain("p")
            with pytest.raises(ConnectionError):
                await coroutine("c")
            assert asked == []
            assert (plain("p"), await coroutine("c")) == ("p", "c")
        assert guard.operation("default").open_lane == 1

    asyncio.run(both())


def test_one_is_the_least_and_what_is_left_fails_no_later_call(bench: Callable[..., Bench]) -> None:
    b = bench()
    with fail_next(b.guard) as faults:
        assert faults.left == 1
    assert b(lambda: "answer") == "answer"
    assert faults.left == 1


def test_it_ends_with_an_exception_too(bench: Callable[..., Bench]) -> None:
    b = bench()
    with pytest.raises(Asked), fail_next(b.guard, 3):
        raise Asked
    assert b.guard.faults == ()
    assert b.guard.operation("default").lane == 1
    assert b(lambda: "answer") == "answer"


def test_each_retry_is_an_attempt(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM)
    with fail_next(b.guard, 2):
        assert b(lambda: "answer") == "answer"
    assert b.count("retries", "default") == 2
    with fail_next(b.guard, 3):
        assert isinstance(b(lambda: "answer"), ConnectionError)
    assert calls(b.guard) == {"success": 1, "failure": 1}


def test_the_breaker_and_the_fallback_take_it_for_real(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=2, window_calls=2), fallback=Fallback(default="none"))
    with fail_next(b.guard, 2):
        assert b(lambda: "answer") == "none"
        assert b.guard.state == "closed"
        assert b(lambda: "answer") == "none"
    assert b.guard.state == "open"
    assert calls(b.guard) == {"degraded": 2}


def test_a_call_that_is_rejected_is_no_attempt(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker())
    with fail_next(b.guard, 1) as faults:
        with force_open(b.guard):
            assert isinstance(b(lambda: "answer"), BreakerOpen)
        assert faults.left == 1
        assert isinstance(b(lambda: "answer"), ConnectionError)


def test_one_operation_alone(bench: Callable[..., Bench]) -> None:
    guard = Guard("bank", operations=("read", "write"), registry=Registry("t"))
    with fail_next(guard.operation("write"), 1) as faults:
        assert guard.operation("read").call(lambda: "answer") == "answer"
        assert faults.left == 1
        with pytest.raises(ConnectionError):
            guard.operation("write").call(lambda: "answer")
    assert calls(guard.operation("read")) == {"success": 1}
    assert calls(guard.operation("write")) == {"failure": 1}
    assert calls(guard) == {"success": 1, "failure": 1}


class Coded(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)


MINE = Coded(503)


@pytest.mark.parametrize("error", [TimeoutError, MINE, lambda: Coded(503)])
def test_the_error_is_a_type_or_made_or_the_one_given(bench: Callable[..., Bench], error: Any) -> None:
    b = bench()
    with fail_next(b.guard, 2, error):
        first, second = b(lambda: "answer"), b(lambda: "answer")
    assert type(first) is type(second) is (TimeoutError if error is TimeoutError else Coded)
    assert (first is second) == (error is MINE)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n": 0}, "n is 0; allowed: a whole number >= 1"),
        ({"n": 1.5}, "n is 1.5; allowed: a whole number >= 1"),
        ({"n": True}, "n is True; allowed: a whole number >= 1"),
        (
            {"error": int},
            "error is <class 'int'>, which makes 0; "
            "allowed: an exception, or what makes one without arguments",
        ),
    ],
)
def test_what_can_not_be(settings: Any, said: str) -> None:
    guard = Guard("bank", registry=Registry("t"))
    with pytest.raises(ValueError, match="allowed") as caught, fail_next(guard, **settings):
        pass
    assert str(caught.value) == said


def test_a_type_that_needs_arguments_is_named_before_anything_fails() -> None:
    guard = Guard("bank", registry=Registry("t"))
    with pytest.raises(ValueError, match=r"^error is .*Coded'>: .*'code'; allowed: an exc"):
        fail_next(guard, 1, Coded).__enter__()  # type: ignore[arg-type]
    assert guard.faults == ()


def test_the_inner_ones_come_first_in_whatever_order_they_end() -> None:
    guard = Guard("bank", registry=Registry("t"))
    outer, inner = fail_next(guard, 2, KeyError), fail_next(guard, 1, OSError)
    left = outer.__enter__()
    inner.__enter__()
    for error in (OSError, KeyError):
        with pytest.raises(error):
            guard.call(int)
    outer.__exit__(None, None, None)
    assert guard.call(int) == 0
    inner.__exit__(None, None, None)
    assert left.left == 1
    assert guard.faults == ()


def test_blocks_and_generators_fail_where_they_begin() -> None:
    guard = Guard("bank", bulkhead=Bulkhead(limit=1), registry=Registry("t"))
    reached: list[int] = []

    @guard
    def numbers() -> Iterator[int]:
        reached.append(1)
        yield 1

    with fail_next(guard, 2):
        with pytest.raises(ConnectionError), guard:
            reached.append(2)
        with pytest.raises(ConnectionError):
            list(numbers())
        assert reached == []
        assert list(numbers()) == [1]
    assert guard.bulkhead is not None
    assert guard.bulkhead.in_flight == 0


def test_exactly_so_many_of_many_threads() -> None:
    guard = Guard("bank", registry=Registry("t"))
    call = guard(lambda: "answer")
    failed: list[int] = []

    def work() -> None:
        for _ in range(50):
            try:
                call()
            except ConnectionError:
                failed.append(1)

    with fail_next(guard, 70) as faults:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(failed), faults.left) == (70, 0)
    assert calls(guard) == {"failure": 70, "success": 130}


def test_the_innermost_layer_of_a_pipeline_is_what_asks() -> None:
    trip = Breaker(window_calls=2, minimum_calls=2)
    retry = Retry(attempts=2, base_delay=0, budget=None)
    pipeline = Pipeline("bank", (trip, Bulkhead(limit=1), retry), registry=Registry("t"))
    asked: list[int] = []
    with fail_next(pipeline.layers[-1], 2) as faults:
        with pytest.raises(ConnectionError):
            pipeline.call(asked.append, 1)
        assert (faults.left, asked) == (0, [])
        pipeline.call(asked.append, 1)
    assert asked == [1]
    assert calls(pipeline.layers[0]) == {"failure": 1, "success": 1}


def test_functions_guarded_before_other_settings_came() -> None:
    guard = Guard("bank", retry=CALM, registry=Registry("t"))
    call = guard(lambda: "answer")
    guard.reconfigure(retry=Retry(attempts=1, budget=None))
    with fail_next(guard, 1):
        with pytest.raises(ConnectionError):
            call()
        guard.reconfigure(retry=Retry(attempts=2, base_delay=0, budget=None))
    with fail_next(guard, 1):
        assert call() == "answer"


def test_other_guards_are_not_concerned() -> None:
    registry = Registry("t")
    guard, other = Guard("bank", registry=registry), Guard("other", registry=registry)
    with fail_next(guard, 1):
        assert other.call(int) == 0
        assert other.operation("default").lane == 1
