"""Pipelines: as decorators, call by call, as blocks."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, flaky
from tests.unit.resilience.stacks import TRIP, Stack

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    Coalesce,
    ConfigurationError,
    Hedge,
    Retry,
    TimedOut,
    Timeout,
)
from seawall.resilience.pipeline import _Inner


def test_states_say_how_few_get_through() -> None:
    s = Stack("sync", Retry(attempts=1), CALM, Breaker(), Breaker())
    first, second = s.pipeline.layers[1:]
    assert s.pipeline.state == "closed"
    for state in ("disabled", "metrics_only", "forced_open"):
        second.force(state)
        assert s.pipeline.state == state
    first.force("disabled")
    assert s.pipeline.state == "forced_open"
    assert Stack("sync", CALM, CALM).pipeline.state == ""


def test_functions_keep_their_signature_and_kind() -> None:
    s = Stack("sync", TRIP, CALM)

    @s.pipeline
    def add(a: int, b: int = 1) -> int:
        """Adds."""
        return a + b

    @s.pipeline
    async def aadd(a: int) -> int:
        return a + 1

    assert (add(1), add(1, b=2), add.__doc__, add.__name__) == (2, 3, "Adds.", "add")
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    assert inspect.iscoroutinefunction(aadd)
    assert asyncio.run(aadd(1)) == 2
    assert s.counts("calls", "default", "success") == [3, 3]


def test_methods_generators_and_context_managers() -> None:
    s = Stack("sync", TRIP, CALM)
    bank = s.pipeline

    class Client:
        @bank
        def one(self) -> str:
            return "one"

        @bank
        @classmethod
        def two(cls) -> str:
            return cls.__name__

    @bank
    def pages() -> Iterator[int]:
        yield from (1, 2)

    @bank
    async def apages() -> AsyncIterator[int]:
        yield 3

    @bank
    @contextmanager
    def opened() -> Iterator[int]:
        yield 4

    @bank
    @asynccontextmanager
    async def aopened() -> AsyncIterator[int]:
        yield 5

    async def run() -> list[int]:
        async with aopened() as value:
            return [value, *[n async for n in apages()]]

    assert (Client().one(), Client.two(), list(pages()), asyncio.run(run())) == (
        "one",
        "Client",
        [1, 2],
        [5, 3],
    )
    with opened() as value:
        assert value == 4
    assert list(bank.call(inspect.unwrap(pages))) == [1, 2]
    assert s.counts("calls", "default", "success") == [7, 7]


def test_calls_pass_their_arguments_on() -> None:
    s = Stack("sync", TRIP, CALM)

    async def aadd(a: int, b: int) -> int:
        return a + b

    def promised(a: int) -> Awaitable[int]:
        return aadd(a, 1)

    assert s.pipeline.call(lambda a, b: a - b, 3, b=1) == 2
    assert asyncio.run(s.pipeline.acall(aadd, 3, b=1)) == 4
    assert asyncio.run(s.pipeline.acall(promised, 3)) == 4
    assert s.counts("calls", "default", "success") == [3, 3]

    def pages(first: int, last: int) -> Iterator[int]:
        yield from range(first, last)

    assert list(s.pipeline.call(pages, 3, last=5)) == [3, 4]
    assert s.counts("calls", "default", "success") == [4, 4]


def test_functions_under_inner_layers_are_equal_where_the_functions_are() -> None:
    inner = _Inner(len, repr)
    assert inner == _Inner(len, str)
    assert hash(inner) == hash(_Inner(len, str))
    assert inner != _Inner(max, repr)
    assert inner != len


def test_what_can_not_be_guarded_is_refused() -> None:
    bank = Stack("sync", TRIP, CALM).pipeline
    with pytest.raises(ConfigurationError, match="bank/2: can't guard Bank, a class"):
        bank(type("Bank", (), {}))

    async def late() -> None: ...

    def balance() -> Any:
        return late()

    with pytest.raises(ConfigurationError, match=r"bank/2: .*balance handed back an awaitable"):
        bank.call(balance)

    # In the fast lane no layer looks at what the function hands back.
    healthy = Stack("sync", Breaker(), Retry(attempts=1)).pipeline
    for _ in range(3):
        assert healthy.call(lambda: 1) == 1
    with pytest.raises(ConfigurationError, match=r"bank: .*balance handed back an awaitable"):
        healthy.call(balance)

    def pages() -> Iterator[int]:
        yield 1

    with pytest.raises(ConfigurationError, match=r"bank: can't await it, .*pages is a generator"):
        asyncio.run(bank.acall(pages))  # type: ignore[arg-type]


def test_operations_are_counted_in_each_layer() -> None:
    s = Stack("sync", TRIP, CALM, operations=("read", "write"))
    read = s.pipeline.operation("read")
    assert read.name == "read"
    assert read.call(lambda: 7) == 7
    assert read(lambda: 8)() == 8
    assert s.counts("calls", "read", "success") == [2, 2]
    assert s.counts("calls", "write", "success") == [0, 0]
    with pytest.raises(ConfigurationError) as caught:
        s.pipeline.operation("drop")
    assert caught.value.problems == ("Guard bank.operation is 'drop'; allowed: read, write",)
    with pytest.raises(ConfigurationError, match="is 'default'; allowed: read, write"):
        s.pipeline(lambda: 7)


def test_a_block_is_one_attempt_in_each_layer() -> None:
    s = Stack("sync", TRIP, Bulkhead(limit=1), CALM)
    inner = s.pipeline.layers[0].bulkhead
    assert inner is not None
    with s.pipeline:
        assert inner.in_flight == 1
    assert s.counts("calls", "default", "success") == [1, 1]
    with pytest.raises(OSError, match="gone"), s.pipeline:
        raise OSError("gone")
    assert s.counts("calls", "default", "failure") == [1, 1]
    assert (inner.in_flight, s.pipeline.state) == (0, "open")


def test_a_block_that_is_turned_away_further_in_leaves_no_layer_entered() -> None:
    s = Stack("sync", TRIP, Bulkhead(limit=1), CALM, TRIP)
    outer, inner = s.pipeline.layers
    inner.force("forced_open")
    with pytest.raises(BreakerOpen, match="bank/2"), s.pipeline:
        pytest.fail("not admitted")
    assert outer.bulkhead is not None
    assert (outer.bulkhead.in_flight, outer.state) == (0, "closed")
    assert s.counts("calls", "default", "rejected") == [1, 1]

    async def block() -> None:
        async with s.pipeline:
            pytest.fail("not admitted")

    with pytest.raises(BreakerOpen, match="bank/2"):
        asyncio.run(block())
    assert s.counts("calls", "default", "rejected") == [2, 2]
    assert outer.bulkhead.in_flight == 0


def test_an_async_block_is_cancelled_by_the_layer_whose_time_is_over() -> None:
    async def block(s: Stack) -> None:
        async with s.pipeline:
            await asyncio.sleep(0)
        async with s.pipeline:
            await asyncio.sleep(60.0)

    s = Stack("async", TRIP, Timeout(attempt=9.0), TRIP, Timeout(attempt=2.0))
    with pytest.raises(TimedOut) as caught:
        s.clock.run(block(s))
    assert (caught.value.dependency, caught.value.limit) == ("bank/2", 2.0)
    assert s.counts("calls", "default", "success") == [1, 1]
    assert s.counts("calls", "default", "timeout") == [1, 1]
    assert [layer.state for layer in s.pipeline.layers] == ["open", "open"]


def test_a_layer_may_be_given_other_settings() -> None:
    s = Stack("sync", Breaker(), CALM, operations=("read",))
    read = s.pipeline.operation("read")
    before = read(flaky(OSError(), OSError(), OSError(), OSError()))
    s.pipeline.layers[1].reconfigure(retry=Retry(attempts=2, base_delay=1.0, jitter="none", budget=None))
    for call in before, lambda: read.call(flaky(OSError(), OSError(), OSError())):
        with pytest.raises(OSError):  # noqa: PT011
            call()
    assert s.count(1, "attempts", "read", "failure") == 4
    assert s.counts("calls", "read", "failure") == [2, 2]


def test_call_by_call_it_hedges_and_shares_as_what_is_decorated_does() -> None:
    hedged, shared = Stack("async", CALM, Hedge(delay=1.0)), Stack("async", CALM, Coalesce(), CALM)
    runs: list[float] = []

    async def work() -> float:
        runs.append(5.0 if not runs else 1.0)
        await asyncio.sleep(runs[-1])
        return runs[-1]

    assert hedged.clock.run(hedged.pipeline.acall(work)) == 1.0
    assert runs == [5.0, 1.0]
    runs.clear()

    async def crowd() -> list[float]:
        return await asyncio.gather(*[shared.pipeline.acall(work) for _ in range(3)])

    assert shared.clock.run(crowd()) == [5.0] * 3
    assert runs == [5.0]
    for s in (hedged, Stack("sync", Hedge(delay=1.0), CALM)):
        with pytest.raises(ConfigurationError, match=r"can't hedge len \(function\): a thread can't be"):
            s.pipeline.call(len, "ab")
