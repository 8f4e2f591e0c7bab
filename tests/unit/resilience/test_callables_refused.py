"""What can't be guarded is refused: when it is decorated, or when it first hands back work unbegun."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import MagicMock

import pytest
from tests.unit.resilience.bench import Bench

from seawall.resilience import Bulkhead, Coalesce, ConfigurationError, Fallback, Retry
from seawall.resilience.callables import COROUTINE, FUNCTION, kind_of


@pytest.fixture
def b() -> Bench:
    return Bench("sync", bulkhead=Bulkhead(limit=1))


def plain(account: str) -> str:
    return account


async def coroutine(account: str) -> str:
    return account


def rows(account: str) -> Iterator[str]:
    yield account


async def arows(account: str) -> AsyncIterator[str]:
    yield account


class Lookup:
    def __call__(self, key: str) -> str:
        return key


class Promise:
    def __await__(self) -> Iterator[Any]:
        yield from ()


def future() -> asyncio.Future[int]:
    raise NotImplementedError


def future_by_name() -> "asyncio.Task[int]":  # noqa: UP037
    raise NotImplementedError


def future_by_type() -> None: ...


future_by_type.__annotations__["return"] = asyncio.Future


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (Lookup, "Lookup, a class: guard the method"),
        (property(plain), "property, a descriptor: guard the function below it"),
        (functools.cached_property(plain), "cached_property, a descriptor"),
        (functools.partialmethod(plain), "partialmethod, a descriptor"),
        (rows("mine"), "rows, which was called already: guard the function"),
        (arows("mine"), "arows, which was called already: guard the function"),
        (Promise(), "Promise, which was called already: guard the function"),
        (7, "int, which can't be called"),
        (future, "future, whose result is more than an awaitable.*allowed: async def"),
        (future_by_name, "future_by_name, whose result is more"),
        (future_by_type, "future_by_type, whose result is more"),
    ],
)
def test_the_rest_is_refused_when_decorated(b: Bench, thing: Any, why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"bank: can't guard {why}"):
        b.guard(thing)


@pytest.mark.parametrize(
    ("declared", "is_async"),
    [
        (Awaitable, True),
        (Coroutine[Any, Any, int], True),
        ("collections.abc.Awaitable[int]", True),
        ("Coroutine", True),
        ("int", False),
        ("not a type", False),
        ("f'{x}'", False),
        (int, False),
        (None, False),
    ],
)
def test_a_declared_awaitable_makes_an_async_call(b: Bench, declared: Any, is_async: bool) -> None:
    def function() -> Any:
        return None

    function.__annotations__["return"] = declared
    assert inspect.iscoroutinefunction(b.guard(function)) == is_async


def unbegun_coroutine() -> Any:
    return coroutine("mine")


def unbegun_rows() -> Any:
    return rows("mine")


def unbegun_arows() -> Any:
    return arows("mine")


def unbegun_session() -> Any:
    return contextmanager(rows)("mine")


UNBEGUN = [
    (unbegun_coroutine, "an awaitable"),
    (unbegun_rows, "a generator"),
    (unbegun_arows, "an async generator"),
    (unbegun_session, "a context manager"),
]


@pytest.mark.parametrize(("function", "what"), UNBEGUN)
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_work_handed_back_unbegun_is_refused(full: bool, function: Any, what: str) -> None:
    """At the first answer, with every shape of the fast path; no fallback and no retry covers it up."""
    b = Bench(
        "sync", retry=Retry(), fallback=Fallback(default=0), bulkhead=Bulkhead(limit=1) if full else None
    )
    for call in (b.guard(function), functools.partial(b.guard.call, function)):
        with pytest.raises(ConfigurationError, match=f"bank: {function.__name__} handed back {what}, which"):
            call()
    assert b.count("retries", "default") == 0


def test_every_function_is_looked_at_not_only_the_guards_first(b: Bench) -> None:
    fine = b.guard(plain)
    assert [fine("mine") for _ in range(5)] == ["mine"] * 5
    assert b.guard.accounts.lane_successes() == 4
    with pytest.raises(ConfigurationError):
        b.guard(unbegun_coroutine)()


def test_plain_answers_that_only_look_alike_pass(b: Bench) -> None:
    begun = rows("mine")
    next(begun)
    answers = [begun, (x for x in "ab"), (x async for x in arows("mine")), MagicMock(), iter("ab"), plain]
    for answer in answers:
        assert b.guard(lambda answer=answer: answer)() is answer
        assert b.guard.call(lambda answer=answer: answer) is answer


def test_what_python_takes_for_a_coroutine_function_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does with the mark of ``inspect.markcoroutinefunction``, from Python 3.12 on."""

    def marked() -> None: ...

    lookup = Lookup()

    def noted() -> None: ...

    for function in (marked, noted):
        function.mark = True  # type: ignore[attr-defined]
    monkeypatch.setattr(inspect, "iscoroutinefunction", lambda thing: thing in (marked, lookup))
    assert (kind_of(marked), kind_of(lookup)) == (COROUTINE, COROUTINE)
    assert (kind_of(plain), kind_of(noted), kind_of(Lookup())) == (FUNCTION, FUNCTION, FUNCTION)


def test_under_other_settings_the_first_answer_is_looked_at_again(b: Bench) -> None:
    unbegun = coroutine("mine")
    answers: list[Any] = ["mine", "mine", "mine", unbegun]
    guarded = b.guard(lambda: answers.pop(0))
    assert [guarded() for _ in range(3)] == ["mine"] * 3
    b.guard.reconfigure(bulkhead=Bulkhead(limit=2))
    other = b.guard(lambda: 0)
    assert [other() for _ in range(3)] == [0, 0, 0]
    with pytest.raises(ConfigurationError, match="handed back an awaitable"):
        guarded()
    unbegun.close()


def test_the_first_answer_that_is_shared_is_looked_at_and_calls_one_by_one_are_not() -> None:
    b = Bench("sync", coalesce=Coalesce())
    unbegun = coroutine("mine")
    guarded, other = b.guard(lambda: unbegun), b.guard(lambda: 0)
    assert [other() for _ in range(3)] == [0, 0, 0]
    with pytest.raises(ConfigurationError, match="handed back an awaitable"):
        guarded()
    unbegun.close()
    (op,) = b.guard.declared()
    before = op.slots[op.base]
    assert [b.guard.call(int) for _ in range(3)] == [0, 0, 0]
    assert op.slots[op.base] - before == 3
