"""Guarded generators: whose time counts, and what consumer and generator see of each other."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar

import pytest
from tests.unit.resilience.bench import Bench

from seawall.resilience import (
    Breaker,
    Guard,
    Registry,
    TimedOut,
    Timeout,
    remaining,
)

span: ContextVar[str] = ContextVar("span", default="none")


# -- time


def test_the_consumers_time_is_not_the_generators(bench: Callable[..., Bench]) -> None:
    b = bench(
        breaker=Breaker(minimum_calls=1, window_calls=1, slow_after=1.0, slow_ratio=0.5),
        timeout=Timeout(attempt=2.0),
    )

    @b.guard
    def rows() -> Generator[int]:
        for number in range(3):
            b.clock.advance(0.1)
            yield number

    @b.guard
    async def arows() -> AsyncGenerator[int]:
        for number in range(3):
            await asyncio.sleep(0.1)
            yield number

    async def main() -> None:
        async for _ in arows():
            await asyncio.sleep(10)

    if b.how == "sync":
        for _ in rows():
            b.clock.advance(10)
    else:
        b.clock.run(main())
    for field in ("attempt_duration", "call_duration"):
        entry = b.guard.ledger.layout.entry(field, "default")
        assert b.guard.read()[entry.offset + entry.size - 1] == pytest.approx(0.3)
    assert b.count("attempts", "default", "success") == 1
    assert b.guard.state == "closed"


def test_an_async_generator_is_cancelled_when_its_own_time_is_over() -> None:
    b = Bench("async", timeout=Timeout(attempt=1.0))
    cleaned = []

    @b.guard
    async def rows() -> AsyncGenerator[int]:
        try:
            for number in range(10):
                await asyncio.sleep(0.4)
                yield number
        finally:
            cleaned.append(True)

    async def main() -> list[int]:
        got = []

        async def consume() -> None:
            async for number in rows():
                got.append(number)
                await asyncio.sleep(60)

        with pytest.raises(TimedOut) as caught:
            await consume()
        assert (caught.value.scope, caught.value.limit) == ("attempt", 1.0)
        return got

    assert b.clock.run(main()) == [0, 1]
    assert cleaned == [True]
    assert b.count("timeouts", "default", "attempt") == 1
    assert b.count("calls", "default", "timeout") == 1


def test_whoever_resumes_it_is_not_outlived() -> None:
    b = Bench("async", timeout=Timeout(attempt=10.0))
    outer = Guard("outer", timeout=Timeout(total=1.0), registry=Registry("o"), clock=b.clock)

    @b.guard
    async def rows() -> AsyncGenerator[float | None]:
        yield remaining()
        yield remaining()
        await asyncio.sleep(5)

    async def main() -> None:
        source = rows()
        assert await anext(source) == pytest.approx(10.0)

        await asyncio.sleep(60)
        # A block in ``def`` has a deadline and cancels nothing.
        with outer:
            assert await anext(source) == pytest.approx(1.0)
            await asyncio.sleep(0.25)
            with pytest.raises(TimedOut) as caught:
                await anext(source)
        assert (caught.value.dependency, caught.value.scope) == ("bank", "total")
        assert caught.value.limit == pytest.approx(0.75)

    b.clock.run(main())
    assert b.count("timeouts", "default", "total") == 1


def test_a_timeout_of_the_generators_own_is_its_own() -> None:
    b = Bench("async", timeout=Timeout(attempt=10.0))

    @b.guard
    async def rows() -> AsyncGenerator[int]:
        yield 1
        raise TimeoutError("mine")

    async def main() -> None:
        with pytest.raises(TimeoutError, match="mine"):
            [row async for row in rows()]

    b.clock.run(main())
    assert b.count("timeouts", "default", "attempt") == 0
    assert b.count("calls", "default", "timeout") == 1


def test_a_nearer_timeout_inside_the_generator_stays_what_it_is() -> None:
    b = Bench("async", timeout=Timeout(attempt=10.0))

    @b.guard
    async def rows() -> AsyncGenerator[int]:
        async with asyncio.timeout(0.1):
            await asyncio.sleep(5)
        yield 1

    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            await anext(rows())
        assert type(caught.value) is TimeoutError

    b.clock.run(main())


def test_cleaning_up_after_being_broken_off_is_not_cut_short() -> None:
    b = Bench("async", timeout=Timeout(attempt=1.0))
    cleaned = []

    @b.guard
    async def rows() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(30)
            cleaned.append(True)

    async def main() -> None:
        source = rows()
        await anext(source)
        await source.aclose()

    b.clock.run(main())
    assert cleaned == [True]
    assert b.count("calls", "default", "cancelled") == 1


# -- contexts


def test_the_consumer_does_not_see_the_generators_deadline() -> None:
    b = Bench("sync", timeout=Timeout(attempt=5.0))
    seen: list[float | None] = []

    @b.guard
    def rows() -> Generator[int]:
        for number in range(2):
            b.clock.advance(1)
            seen.append(remaining())
            yield number

    for _ in rows():
        assert remaining() is None
        b.clock.advance(60)
    assert seen == [pytest.approx(4.0), pytest.approx(3.0)]
    assert remaining() is None


class Spans:
    """An observer that makes its span the current one, as tracing does, and minds where it is left."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def watching(self) -> bool:
        return True

    def call_started(self, guard: Guard, operation: str) -> Spans:
        self.token = span.set("call")
        return self

    def attempt_started(self, number: int) -> None: ...

    def attempt_ended(self, outcome: str, error: str, slot: int, seconds: float) -> None: ...

    def call_ended(
        self, outcome: str, attempts: int, state: str, error: str, slot: int, seconds: float
    ) -> None:
        span.reset(self.token)
        self.ended.append(outcome)


def test_the_span_is_current_in_the_generator_and_not_in_the_consumer() -> None:
    registry = Registry("t")
    spans = Spans()
    registry.observe(spans)  # type: ignore[arg-type]
    guard = Guard("bank", registry=registry)

    @guard
    async def rows() -> AsyncGenerator[str]:
        yield span.get()
        span.set("inside")
        yield span.get()
        yield span.get()

    async def main() -> list[str]:
        source, got = rows(), []
        for _ in range(3):
            got.append(await asyncio.create_task(source.__anext__()))  # type: ignore[arg-type]
            got.append(span.get())
        await asyncio.create_task(source.aclose())
        return got

    assert asyncio.run(main()) == ["call", "none", "inside", "none", "inside", "none"]
    assert spans.ended == ["cancelled"]
    assert not any(registry.listener_errors.values())


def test_a_generator_that_is_only_collected_ends_its_span_where_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = Registry("t")
    spans = Spans()
    registry.observe(spans)  # type: ignore[arg-type]

    @Guard("bank", registry=registry)
    def rows() -> Generator[int]:
        yield 1

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("seawall.resilience.generators.Iteration.resume", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(rows())
    gc.collect()
    assert spans.ended == ["cancelled"]
    assert not any(registry.listener_errors.values())
