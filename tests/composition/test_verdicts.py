"""The table of verdicts, one cell each: every way of using a guard, every kind of exception.

A cell is what the attempt and the call count as; breaker and permits follow from it. The exception leaves the
function; of a generator that is broken off or collected, it leaves the clean-up. ``nothing``: none does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest

from seawall.resilience import Breaker, Bulkhead, Guard, RateLimit, Registry
from seawall.testing import ManualClock

TABLE = """
                                 nothing    Exception  ExceptionGroup  CancelledError  TimeoutError
sync                             success    failure    failure         cancelled       timeout
async                            success    failure    failure         cancelled       timeout
generator_exhausted              success    failure    failure         cancelled       timeout
generator_broken_off             cancelled  failure    failure         cancelled       timeout
generator_collected              cancelled  failure    failure         cancelled       timeout
async_generator_exhausted        success    failure    failure         cancelled       timeout
async_generator_broken_off       cancelled  failure    failure         cancelled       timeout
async_generator_other_task       cancelled  failure    failure         cancelled       timeout
async_generator_collected        cancelled  failure    failure         cancelled       timeout
block                            success    failure    failure         cancelled       timeout
async_block                      success    failure    failure         cancelled       timeout
context_manager                  success    failure    failure         cancelled       timeout
async_context_manager            success    failure    failure         cancelled       timeout

                                 KeyboardInterrupt  SystemExit  GeneratorExit  StopIteration  MemoryError
sync                             cancelled          cancelled   cancelled      failure        failure
async                            cancelled          cancelled   cancelled      failure        failure
generator_exhausted              cancelled          cancelled   cancelled      failure        failure
generator_broken_off             cancelled          cancelled   cancelled      failure        failure
generator_collected              cancelled          cancelled   cancelled      failure        failure
async_generator_exhausted        cancelled          cancelled   cancelled      failure        failure
async_generator_broken_off       cancelled          cancelled   cancelled      failure        failure
async_generator_other_task       cancelled          cancelled   cancelled      failure        failure
async_generator_collected        cancelled          cancelled   cancelled      failure        failure
block                            cancelled          cancelled   cancelled      failure        failure
async_block                      cancelled          cancelled   cancelled      failure        failure
context_manager                  cancelled          cancelled   cancelled      failure        failure
async_context_manager            cancelled          cancelled   cancelled      failure        failure
"""
OUTCOMES = ("success", "slow", "failure", "timeout", "cancelled", "ignored")
CALLS = ("success", "failure", "timeout", "cancelled", "rejected", "degraded")


class Ignored(Exception): ...


ERRORS: dict[str, Callable[[], BaseException | None]] = {
    "nothing": lambda: None,
    "Exception": Exception,
    "ExceptionGroup": lambda: ExceptionGroup("", [Ignored(), ConnectionError()]),
    "CancelledError": asyncio.CancelledError,
    "TimeoutError": TimeoutError,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": SystemExit,
    "GeneratorExit": GeneratorExit,
    "StopIteration": StopIteration,
    "MemoryError": MemoryError,
}
Error = BaseException | None


def fail(error: Error) -> None:
    if error is not None:
        raise error


class Ways:
    """One call each, that ends with ``error``. What it raises is what the caller gets."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.clock = ManualClock()

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        self.clock.run(main)

    def sync(self, error: Error) -> None:
        self.guard(fail)(error)

    def async_(self, error: Error) -> None:
        @self.guard
        async def task() -> None:
            await asyncio.sleep(0)
            fail(error)

        self.run(task())

    def rows(self, error: Error) -> Generator[int]:
        @self.guard
        def rows() -> Generator[int]:
            try:
                yield 1
            finally:
                fail(error)

        return rows()

    def generator_exhausted(self, error: Error) -> None:
        assert list(self.rows(error)) == [1]

    def generator_broken_off(self, error: Error) -> None:
        rows = self.rows(error)
        assert next(rows) == 1
        rows.close()

    def generator_collected(self, error: Error) -> None:
        rows = self.rows(error)
        assert next(rows) == 1
        del rows
        gc.collect()

    def arows(self, error: Error) -> AsyncGenerator[int]:
        @self.guard
        async def rows() -> AsyncGenerator[int]:
            try:
                await asyncio.sleep(0)
                yield 1
            finally:
                await asyncio.sleep(0)
                fail(error)

        return rows()

    def async_generator_exhausted(self, error: Error) -> None:
        async def main() -> None:
            assert [row async for row in self.arows(error)] == [1]

        self.run(main())

    def async_generator_broken_off(self, error: Error) -> None:
        async def main() -> None:
            rows = self.arows(error)
            async with contextlib.aclosing(rows):
                async for _ in rows:
                    break

        self.run(main())

    def async_generator_other_task(self, error: Error) -> None:
        async def main() -> None:
            rows = self.arows(error)
            await asyncio.create_task(anext(rows))  # type: ignore[arg-type]
            await asyncio.create_task(rows.aclose())

        self.run(main())

    def async_generator_collected(self, error: Error) -> None:
        async def main() -> None:
            rows = self.arows(error)
            await anext(rows)
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            del rows
            gc.collect()
            for _ in range(5):
                await asyncio.sleep(0)

        self.run(main())

    def block(self, error: Error) -> None:
        with self.guard:
            fail(error)

    def async_block(self, error: Error) -> None:
        async def main() -> None:
            async with self.guard:
                await asyncio.sleep(0)
                fail(error)

        self.run(main())

    def context_manager(self, error: Error) -> None:
        @self.guard
        @contextlib.contextmanager
        def session() -> Iterator[None]:
            yield

        with session():
            fail(error)

    def async_context_manager(self, error: Error) -> None:
        @self.guard
        @contextlib.asynccontextmanager
        async def session() -> AsyncIterator[None]:
            yield

        async def main() -> None:
            async with session():
                fail(error)

        self.run(main())


def cells() -> Iterator[tuple[str, str, str]]:
    for part in TABLE.strip("\n").split("\n\n"):
        header, *lines = part.splitlines()
        for line in lines:
            way, *verdicts = line.split()
            for error, verdict in zip(header.split(), verdicts, strict=True):
                yield way, error, verdict


def test_the_table_is_whole() -> None:
    named = {(way, error) for way, error, _ in cells()}
    ways = {name.rstrip("_") for name in vars(Ways) if not name.startswith("__")} - {"run", "rows", "arows"}
    assert named == {(way, error) for way in ways for error in ERRORS}


@pytest.mark.parametrize(("way", "error", "verdict"), list(cells()))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_verdict(way: str, error: str, verdict: str) -> None:
    guard = Guard(
        "bank",
        breaker=Breaker(window_calls=1, minimum_calls=1, ignore=(Ignored,)),
        bulkhead=Bulkhead(limit=1),
        rate_limit=RateLimit(rate=1, burst=1),
        registry=Registry("t"),
        clock=ManualClock(),
    )
    ways = Ways(guard)
    given = ERRORS[error]()
    raised: Error = None
    try:
        getattr(ways, way if way != "async" else "async_")(given)
    except BaseException as caught:
        raised = caught
    counted = {x: guard.read()[guard.ledger.layout.at("attempts", "default", x)] for x in OUTCOMES}
    assert {x for x, n in counted.items() if n} == {verdict}
    assert sum(counted.values()) == 1
    calls = {x: guard.read()[guard.ledger.layout.at("calls", "default", x)] for x in CALLS}
    assert {x: n for x, n in calls.items() if n} == {verdict: 1}
    assert guard.state == ("open" if verdict in ("failure", "timeout") else "closed")
    assert guard.read()[guard.ledger.layout.at("bulkhead_in_flight")] == 0
    assert raised is expected(way, given) or isinstance(raised, RuntimeError)
    assert isinstance(raised, RuntimeError) == pep_479(way, given)


def expected(way: str, given: Error) -> Error:
    """What the caller gets: the exception itself; of a collected generator, nothing."""
    if "collected" in way and not (
        way.startswith("async") and isinstance(given, KeyboardInterrupt | SystemExit)
    ):
        return None
    if way in ("generator_broken_off", "async_generator_broken_off", "async_generator_other_task"):
        return None if isinstance(given, GeneratorExit) else given
    return given


def pep_479(way: str, given: Error) -> bool:
    """Generators and coroutines can't raise StopIteration: Python makes a RuntimeError of it."""
    if not isinstance(given, StopIteration) or "collected" in way:
        return False
    return way == "async" or "generator" in way or way.startswith("async_")
