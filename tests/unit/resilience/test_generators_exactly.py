"""Generators under a guard: arguments, quiet ends, whose deadline, and hooks that are put back."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench
from tests.unit.resilience.streams import in_flight

from seawall.resilience import Breaker, Bulkhead, Guard, TimedOut, Timeout, remaining
from seawall.resilience.generators import _first_step


def test_arguments_reach_the_generator() -> None:
    b = Bench("async")

    @b.guard
    def rows(first: int, *, step: int) -> Generator[int]:
        yield from range(first, first + 2 * step, step)

    @b.guard
    async def arows(first: int, *, step: int) -> AsyncGenerator[int]:
        for number in range(first, first + 2 * step, step):
            yield number

    async def main() -> list[int]:
        return [number async for number in arows(1, step=5)]

    assert list(rows(1, step=5)) == b.clock.run(main()) == [1, 6]


def test_what_is_thrown_in_and_swallowed_is_no_failure() -> None:
    b = Bench("async", breaker=Breaker(minimum_calls=1, window_calls=1))

    @b.guard
    def rows() -> Generator[int]:
        with contextlib.suppress(KeyError):
            yield 1

    @b.guard
    async def arows() -> AsyncGenerator[int]:
        with contextlib.suppress(KeyError):
            yield 1

    async def main() -> None:
        source = arows()
        assert await anext(source) == 1
        with pytest.raises(StopAsyncIteration):
            await source.athrow(KeyError())

    source = rows()
    assert next(source) == 1
    with pytest.raises(StopIteration):
        source.throw(KeyError())
    b.clock.run(main())
    assert b.count("attempts", "default", "success") == 2
    assert b.guard.state == "closed"


def test_an_async_generator_that_ends_quietly_when_closed_is_broken_off() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1))

    @b.guard
    async def rows() -> AsyncGenerator[int]:
        with contextlib.suppress(GeneratorExit):
            yield 1

    async def main() -> None:
        source = rows()
        await anext(source)
        await source.aclose()

    b.clock.run(main())
    assert b.count("attempts", "default", "cancelled") == 1
    assert b.count("attempts", "default", "success") == 0
    assert in_flight(b) == 0


def test_a_generator_without_a_limit_leaves_the_deadline_around_it_alone() -> None:
    b = Bench("sync", timeout=Timeout(total=10))
    inner = Guard("rows", registry=b.registry, clock=b.clock)

    @inner
    def rows() -> Generator[int]:
        yield 1
        yield 2

    def body() -> list[float | None]:
        left = []
        for _ in rows():
            b.clock.advance(2)
            left.append(remaining())
        return left

    assert b(body) == [pytest.approx(8), pytest.approx(6)]


def test_a_step_that_is_too_long_says_which_limit_it_outlived() -> None:
    b = Bench("async", timeout=Timeout(attempt=3))

    @b.guard
    async def rows() -> AsyncGenerator[int]:
        yield 1
        await asyncio.sleep(10)

    async def main() -> None:
        source = rows()
        await anext(source)
        await asyncio.sleep(50)
        with pytest.raises(TimedOut) as caught:
            await anext(source)
        assert (caught.value.dependency, caught.value.scope) == ("bank", "attempt")
        assert caught.value.limit == 3
        assert b.clock() == 1053.0

    b.clock.run(main())
    assert b.count("attempts", "default", "timeout") == 1


def test_the_first_step_is_hidden_from_the_loop_and_its_hooks_are_put_back() -> None:
    begun: list[Any] = []
    ended: list[Any] = []

    async def rows() -> AsyncGenerator[int]:
        yield 1

    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(begun.append, ended.append)
    try:
        inner = rows()
        first = _first_step(inner)
        hooks = sys.get_asyncgen_hooks()
        assert (hooks.firstiter, hooks.finalizer) == (begun.append, ended.append)
        with pytest.raises(StopIteration):
            first.__await__().send(None)  # type: ignore[attr-defined]
        assert begun == []
        del inner, first
        assert len(ended) == 1
    finally:
        sys.set_asyncgen_hooks(*before)


def test_the_clock_stands_still_from_the_first_item_on(bench: Callable[..., Bench]) -> None:
    b = bench()

    @b.guard
    def rows() -> Generator[int]:
        b.clock.advance(0.25)
        yield 1
        b.clock.advance(0.5)
        yield 2

    for _ in rows():
        b.clock.advance(100)
    entry = b.guard.ledger.layout.entry("attempt_duration", "default")
    assert b.guard.read()[entry.offset + entry.size - 1] == pytest.approx(0.75)


def test_a_step_that_is_torn_down_in_another_context_gives_its_permit_back() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1), timeout=Timeout(attempt=5))

    @b.guard
    async def rows() -> AsyncGenerator[int]:
        await asyncio.sleep(1)
        yield 1

    async def main() -> None:
        step = rows().__anext__()
        copy_context().run(step.send, None)
        assert in_flight(b) == 1
        with pytest.raises(GeneratorExit):
            step.throw(GeneratorExit())

    b.clock.run(main())
    assert in_flight(b) == 0
    assert b.count("attempts", "default", "cancelled") == 1
    assert remaining() is None


def test_what_an_observer_set_to_none_is_there_in_the_generator_only() -> None:
    span: ContextVar[str | None] = ContextVar("span")

    class Watch:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *facts: None

    class Observer:
        def watching(self) -> bool:
            return True

        def call_started(self, guard: Guard, operation: str) -> Watch:
            span.set(None)
            return Watch()

    b = Bench("sync")
    b.registry.observe(Observer())  # type: ignore[arg-type]
    seen: list[str | None] = []

    @b.guard
    def rows() -> Generator[int]:
        seen.append(span.get())
        yield 1

    for _ in rows():
        assert span.get("unset") == "unset"
    assert seen == [None]
