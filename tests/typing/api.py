"""What type checkers must see of guarded callables. Checked by mypy and pyright, never run.

An ignore comment marks what must be an error: one that is not needed is an error itself.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import assert_type

from seawall import testing
from seawall.integrations import trio
from seawall.resilience import Breaker, Guard, Pipeline, Registry, Retry

guard = Guard("bank", operations=("default", "read"))
read = guard.operation("read")


class Row: ...


# -- functions


@guard
def plain(account: str, *, limit: int = 10) -> list[Row]: ...


@read
async def coroutine(account: str, *, limit: int = 10) -> list[Row]: ...


@guard
def promise(account: str) -> Awaitable[Row]: ...


async def functions() -> None:
    assert_type(plain("a", limit=5), list[Row])
    assert_type(await coroutine("a", limit=5), list[Row])
    assert_type(await promise("a"), Row)
    plain(7)  # type: ignore[arg-type]
    plain("a", 5)  # type: ignore[call-arg]
    plain("a", unknown=True)  # type: ignore[call-arg]
    await coroutine()  # type: ignore[call-arg]
    coroutine("a").append(Row())  # type: ignore[attr-defined]


# -- call by call


def count(account: str = "") -> int: ...


async def calls() -> None:
    assert_type(guard.call(count, "a"), int)
    assert_type(await guard.acall(coroutine, "a", limit=5), list[Row])
    assert_type(read.call(count), int)
    assert_type(await read.acall(promise, "a"), Row)
    guard.call(count, 7)  # type: ignore[arg-type]
    guard.call(count, other="a")  # type: ignore[call-arg]
    await guard.acall(count, "a")  # type: ignore[arg-type]
    guard(7)  # type: ignore[call-overload]


# -- generators


@guard
def rows(account: str) -> Iterator[Row]:
    yield Row()


@guard
def conversation() -> Generator[int, str, bool]:
    answer = yield 1
    return answer == ""


@guard
async def arows(account: str) -> AsyncIterator[Row]:
    yield Row()


async def generators() -> None:
    for row in rows("a"):
        assert_type(row, Row)
    assert_type(conversation().send("x"), int)
    async for arow in arows("a"):
        assert_type(arow, Row)
    rows(7)  # type: ignore[arg-type]
    conversation().send(7)  # type: ignore[arg-type]
    arows()  # type: ignore[call-arg]


# -- context managers, guarded above and below


@guard
@contextmanager
def session(name: str) -> Generator[Row]:
    yield Row()


@contextmanager
@guard
def session_below(name: str) -> Generator[Row]:
    yield Row()


@guard
@asynccontextmanager
async def asession(name: str) -> AsyncGenerator[Row]:
    yield Row()


async def context_managers() -> None:
    with session("a") as row, session_below("a") as below:
        assert_type(row, Row)
        assert_type(below, Row)
    async with asession("a") as arow:
        assert_type(arow, Row)
    with guard:
        pass
    async with guard:
        pass
    session(7)  # type: ignore[arg-type]
    with asession("a"):  # type: ignore[attr-defined]
        pass


# -- methods and callable objects


class Bank:
    @guard
    def balance(self, account: str) -> int: ...

    @guard
    async def transfer(self, amount: int) -> bool: ...

    @guard
    def entries(self) -> Iterator[Row]:
        yield Row()

    @classmethod
    @guard
    def below(cls, name: str) -> Bank: ...

    @guard
    @classmethod
    def above(cls, name: str) -> Bank: ...

    @staticmethod
    @guard
    def static_below(name: str) -> int: ...

    @guard
    @staticmethod
    def static_above(name: str) -> int: ...


class Lookup:
    def __call__(self, key: str) -> Row: ...


class AsyncLookup:
    async def __call__(self, key: str) -> Row: ...


async def methods(bank: Bank) -> None:
    assert_type(bank.balance("a"), int)
    assert_type(await bank.transfer(5), bool)
    assert_type(list(bank.entries()), list[Row])
    assert_type(Bank.below("a"), Bank)
    assert_type(Bank.above("a"), Bank)
    assert_type(bank.above("a"), Bank)
    assert_type(Bank.static_below("a"), int)
    assert_type(Bank.static_above("a"), int)
    assert_type(guard(bank.balance)("a"), int)
    assert_type(guard.call(bank.balance, "a"), int)
    assert_type(guard(Lookup())("a"), Row)
    assert_type(await guard(AsyncLookup())("a"), Row)
    assert_type(guard(partial(plain, "a"))(), list[Row])
    assert_type(await guard(partial(coroutine, "a"))(limit=5), list[Row])
    bank.balance(7)  # type: ignore[arg-type]
    bank.balance()  # type: ignore[call-arg]
    await bank.transfer("a")  # type: ignore[arg-type]
    Bank.above(7)  # type: ignore[arg-type]
    Bank.static_above(7)  # type: ignore[arg-type]
    guard(Lookup())(7)  # type: ignore[arg-type]


# -- what tests use


class Coded(Exception):
    def __init__(self, code: int) -> None: ...


def tests(registry: Registry) -> None:
    with testing.fail_next(guard) as faults:
        assert_type(faults, testing.Faults)
        assert_type(faults.left, int)
    with testing.fail_next(read, 2, TimeoutError), testing.fail_next(read, error=Coded(1)):
        pass
    with testing.fail_next(read, 1, lambda: Coded(1)), testing.force_open(guard):
        pass
    with testing.instant_retries(guard), testing.instant_retries(registry):
        pass
    with testing.assert_transitions(guard, "closed", "open") as seen:
        assert_type(seen, testing.Recording)
    assert_type(testing.calls(guard)["success"], int)
    assert_type(testing.calls(read)["success"], int)
    Breaker(mode="metrics_only")
    testing.fail_next(plain)  # type: ignore[arg-type]
    testing.fail_next(guard, 1, Coded)  # type: ignore[arg-type]
    testing.force_open(read)  # type: ignore[arg-type]
    testing.assert_transitions(guard, 1)  # type: ignore[arg-type]
    Breaker(mode="off")  # type: ignore[arg-type]


# -- pipelines and trio

pipeline = Pipeline("mail", [Retry(), Breaker()])


@pipeline
def sent(to: str) -> bool: ...


@trio.guarded(pipeline)
async def counted(account: str, *, limit: int = 10) -> list[Row]: ...


async def uses_of_pipelines() -> None:
    assert_type(sent("you"), bool)
    assert_type(pipeline.call(plain, "mine", limit=3), list[Row])
    assert_type(await pipeline.operation("default").acall(counted, "mine"), list[Row])
    assert_type(await counted("mine", limit=1), list[Row])
    assert_type(await trio.call(read, counted, "mine"), list[Row])
    sent(3)  # type: ignore[arg-type]
    await counted()  # type: ignore[call-arg]
    async with trio.block(guard):
        pass
    Pipeline("mail", [3])  # type: ignore[list-item]
