"""What can be guarded, what is refused, and that names, signatures and kinds stay."""

from __future__ import annotations

import asyncio
import functools
import inspect
import types
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import AsyncMock

import pytest
from tests.unit.resilience.bench import Bench

from seawall.resilience import Bulkhead, ConfigurationError, Timeout

run = asyncio.run


@pytest.fixture
def b() -> Bench:
    return Bench("sync", bulkhead=Bulkhead(limit=1))


def plain(account: str, *, limit: int = 10) -> str:
    """Of an account."""
    return f"{account} {limit}"


async def coroutine(account: str) -> str:
    await asyncio.sleep(0)
    return account


def rows(account: str) -> Iterator[str]:
    yield account


async def arows(account: str) -> AsyncIterator[str]:
    yield account


def promise(account: str) -> Awaitable[str]:
    return coroutine(account)


class Lookup:
    """Looks up."""

    def __init__(self) -> None:
        self.secret = "hunter2"

    def __call__(self, key: str) -> str:
        return key


class AsyncLookup:
    async def __call__(self, key: str) -> str:
        return key


class RowLookup:
    def __call__(self, key: str) -> Iterator[str]:
        yield key


class Account:
    def balance(self, currency: str) -> str:
        return currency

    @classmethod
    def open(cls, name: str) -> str:
        return f"{cls.__name__} {name}"


@pytest.mark.parametrize(
    "function",
    [plain, functools.partial(plain), Lookup(), str.upper, "mine".join, len, int, Account.open, print],
)
def test_plain_callables_are_called_under_the_guard(b: Bench, function: Any) -> None:
    argument = "7" if function is not print else ""
    expected = function(argument)
    assert b.guard.call(function, argument) == expected
    if function is not int:
        assert b.guard(function)(argument) == expected
        assert b.count("attempts", "default", "success") == 2


@pytest.mark.parametrize(
    "function",
    [coroutine, functools.partial(coroutine), AsyncLookup(), promise, AsyncMock(return_value="mine")],
)
def test_coroutine_functions_are_awaited_under_the_guard(b: Bench, function: Any) -> None:
    async def main() -> None:
        assert await b.guard(function)("mine") == "mine"
        assert await b.guard.call(function, "mine") == "mine"
        assert await b.guard.acall(function, "mine") == "mine"
        assert await b.guard.acall(coroutine, account="mine") == "mine"

    assert inspect.iscoroutinefunction(b.guard(function))
    unawaited = b.guard(function)("mine")
    assert b.count("attempts", "default", "success") == 0
    unawaited.close()
    run(main())
    assert b.count("attempts", "default", "success") == 4


def test_types_coroutine_is_a_coroutine_function(b: Bench) -> None:
    @b.guard
    @types.coroutine
    def old() -> Generator[Any, Any, str]:
        yield from asyncio.sleep(0).__await__()
        return "mine"

    assert run(old()) == "mine"
    assert b.count("attempts", "default", "success") == 1


def test_acall_takes_a_function_that_hands_back_an_awaitable(b: Bench) -> None:
    async def main() -> str:
        return await b.guard.acall(lambda: coroutine("mine"))

    assert run(main()) == "mine"


@pytest.mark.parametrize("function", [rows, functools.partial(rows), RowLookup()])
def test_generators_stay_generators(b: Bench, function: Any) -> None:
    guarded = b.guard(function)
    assert inspect.isgeneratorfunction(guarded)
    assert list(guarded("mine")) == ["mine"]
    assert list(b.guard.call(function, "mine")) == ["mine"]
    assert b.count("attempts", "default", "success") == 2


def test_async_generators_stay_async_generators(b: Bench) -> None:
    async def main() -> None:
        assert [row async for row in b.guard(arows)("mine")] == ["mine"]
        assert [row async for row in b.guard.call(arows, "mine")] == ["mine"]

    assert inspect.isasyncgenfunction(b.guard(arows))
    run(main())
    assert b.count("attempts", "default", "success") == 2


@pytest.mark.parametrize("function", [rows, arows, contextmanager(rows), asynccontextmanager(arows)])
def test_what_is_not_awaited_is_refused_by_acall(b: Bench, function: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"bank: can't await it, {function.__name__} is a.*allowed: call"
    ):
        run(b.guard.acall(function, "mine"))


@pytest.mark.parametrize("above", [True, False])
def test_context_managers_hold_a_permit_from_entering_to_leaving(b: Bench, above: bool) -> None:
    session = b.guard(contextmanager(rows)) if above else contextmanager(b.guard(rows))
    with session("mine") as name:
        assert name == "mine"
        assert b.count("bulkhead_in_flight") == 1
    with b.guard.call(contextmanager(rows), "mine"):
        assert b.count("bulkhead_in_flight") == 1
    assert b.count("bulkhead_in_flight") == 0
    assert b.count("attempts", "default", "success") == 2


@pytest.mark.parametrize("above", [True, False])
def test_async_context_managers_too(b: Bench, above: bool) -> None:
    session = b.guard(asynccontextmanager(arows)) if above else asynccontextmanager(b.guard(arows))

    async def main() -> None:
        async with session("mine") as name:
            assert name == "mine"
            assert b.count("bulkhead_in_flight") == 1

    run(main())
    assert b.count("bulkhead_in_flight") == 0
    assert b.count("attempts", "default", "success") == 1


def test_a_guarded_context_manager_still_decorates(b: Bench) -> None:
    session = b.guard(contextmanager(rows))

    @session("mine")
    def work() -> float:
        return b.count("bulkhead_in_flight")

    assert [work(), work()] == [1, 1]
    assert b.count("attempts", "default", "success") == 2


def test_an_exception_that_the_context_manager_swallows_is_a_success(b: Bench) -> None:
    @b.guard
    @contextmanager
    def forgiving() -> Iterator[None]:
        try:
            yield
        except ConnectionError:
            return

    with forgiving():
        raise ConnectionError
    assert b.count("attempts", "default", "success") == 1


def test_a_guarded_context_manager_is_cancelled_when_its_time_is_over() -> None:
    b = Bench("async", timeout=Timeout(attempt=1.0))

    @b.guard
    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        yield

    async def main() -> None:
        async with session():
            await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        b.clock.run(main())
    assert b.count("timeouts", "default", "attempt") == 1


def test_methods_class_methods_and_static_methods_above_and_below(b: Bench) -> None:
    guard = b.guard

    class Bank:
        @guard
        def balance(self, name: str) -> tuple[Any, str]:
            return self, name

        @guard
        @classmethod
        def above(cls, name: str) -> tuple[Any, str]:
            return cls, name

        @classmethod
        @guard
        def below(cls, name: str) -> tuple[Any, str]:
            return cls, name

        @guard
        @staticmethod
        def static_above(name: str) -> str:
            return name

        @staticmethod
        @guard
        def static_below(name: str) -> str:
            return name

        @guard
        @classmethod
        async def asynchronous(cls, name: str) -> tuple[Any, str]:
            return cls, name

        @property
        @guard
        def rate(self) -> int:
            return 7

    bank = Bank()
    assert bank.balance("mine") == (bank, "mine")
    assert Bank.above("mine") == bank.above("mine") == (Bank, "mine")
    assert Bank.below("mine") == (Bank, "mine")
    assert Bank.static_above("mine") == bank.static_above("mine") == Bank.static_below("mine") == "mine"
    assert run(Bank.asynchronous("mine")) == (Bank, "mine")
    assert bank.rate == 7
    assert b.count("attempts", "default", "success") == 9


@pytest.mark.parametrize("function", [plain, coroutine, rows, arows, contextmanager(rows), Account.balance])
def test_name_documentation_and_signature_stay(b: Bench, function: Any) -> None:
    guarded = b.guard(function)
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__"):
        assert getattr(guarded, attribute) == getattr(function, attribute)
    assert inspect.signature(guarded) == inspect.signature(function)
    assert guarded.__wrapped__ is function


def test_callable_objects_and_partials_give_their_names_and_keep_their_secrets(b: Bench) -> None:
    lookup = b.guard(Lookup())
    assert (lookup.__name__, lookup.__doc__) == ("Lookup", "Looks up.")
    assert vars(lookup).keys() == {"__wrapped__"}
    assert str(inspect.signature(lookup)) == "(key: 'str') -> 'str'"
    bound = b.guard(functools.partial(plain, "mine"))
    assert bound.__name__ == "plain"
    assert str(inspect.signature(bound)) == "(*, limit: 'int' = 10) -> 'str'"
    assert bound(limit=3) == "mine 3"


def test_a_function_that_is_marked_as_a_coroutine_function(b: Bench) -> None:
    def marked() -> Any:
        return coroutine("mine")

    marked._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    assert inspect.iscoroutinefunction(b.guard(marked))
    assert run(b.guard(marked)()) == "mine"
