"""Work that was handed back without having been begun, in the words in which it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import pytest

from seawall.resilience import ConfigurationError
from seawall.resilience.stopwatch import Stopwatch
from seawall.resilience.unbegun import name_of, refuse_unbegun
from seawall.testing import ManualClock


def rows() -> Generator[int]:
    yield 1


async def arows() -> AsyncGenerator[int]:
    yield 1


async def work() -> None: ...


class Later:
    def __await__(self) -> Generator[Any, Any, None]:
        yield


class Begun:
    def __call__(self) -> None: ...


def begun() -> Generator[int]:
    source = rows()
    next(source)
    return source


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (rows, "a generator"),
        (arows, "an async generator"),
        (contextmanager(rows), "a context manager"),
        (asynccontextmanager(arows), "a context manager"),
        (work, "an awaitable"),
        (Later, "an awaitable"),
    ],
)
def test_what_is_still_to_be_done_is_refused(made: Callable[[], Any], what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        refuse_unbegun("bank", rows, made())
    assert caught.value.problems == (
        f"bank: rows handed back {what}, which nothing would guard; allowed: a function that is async def, "
        "a generator or a context manager itself, or -> Awaitable[...]",
    )


@pytest.mark.parametrize(
    "answer",
    [None, 1, "text", [1], iter([1]), begun(), (n for n in (1,)), (n async for n in arows()), Later],
)
def test_an_answer_is_no_work(answer: object) -> None:
    refuse_unbegun("bank", rows, answer)


def test_a_coroutine_that_is_refused_is_closed(recwarn: pytest.WarningsRecorder) -> None:
    coroutine = work()
    with pytest.raises(ConfigurationError):
        refuse_unbegun("bank", work, coroutine)
    with pytest.raises(RuntimeError, match="cannot reuse"):
        asyncio.run(coroutine)
    assert list(recwarn) == []


def test_names() -> None:
    assert name_of(rows) == "rows"
    assert name_of(Later.__await__) == "Later.__await__"
    assert name_of(Stopwatch(ManualClock(), rows)) == "rows"
    assert name_of(partial(rows)) == "partial"
    assert name_of(Begun()) == "Begun"
