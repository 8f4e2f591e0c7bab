"""Who asks alone: on the fast lane, and on worker threads, as if nobody could have shared it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, fails
from tests.unit.resilience.crowds import Crowd, guarded
from tests.unit.resilience.shared import CANCELLED, Shared

from seawall.resilience import Breaker, BreakerOpen, Coalesce, Fallback, TimedOut, Timeout
from seawall.resilience.flights import Flight, Flights, aboard


@pytest.mark.parametrize("key", [None, lambda *_: "same"])
def test_a_lone_call_takes_the_fast_lane(bench: Callable[..., Bench], key: Any) -> None:
    b = bench(coalesce=Coalesce(key=key), breaker=Breaker(minimum_calls=2))
    assert b(lambda: 7, times=9) == 7
    before = b.guard.accounts.lane_successes()
    assert b(lambda: 7, times=5) == 7
    assert b.guard.accounts.lane_successes() == before + 5
    assert b.count("calls", "default", "success") == 14
    assert b.count("attempts", "default", "success") == 14
    assert b.count("coalesced_calls", "default") == 0


@pytest.mark.parametrize("fallback", [None, Fallback(default="none", on=(BreakerOpen,))])
def test_what_an_open_breaker_refuses_is_told_to_all(
    bench: Callable[..., Bench], fallback: Fallback | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(coalesce=Coalesce(), breaker=Breaker(minimum_calls=1, window_calls=1), fallback=fallback)
    b(fails(OSError()))
    b.guard.registry.unsubscribe(b.events)
    ended: list[tuple[str, str]] = []
    land = Flight.land

    def noted(flight: Flight, *came: Any) -> None:
        land(flight, *came)
        ended.append((flight.outcome, flight.error))

    monkeypatch.setattr(Flight, "land", noted)
    b(lambda: 7)
    assert ended == [("rejected" if fallback is None else "degraded", "BreakerOpen")]


def test_it_runs_on_worker_threads(crowd: Crowd) -> None:
    b = guarded(timeout=Timeout(attempt=0.05, threads=1))
    gone = threading.Event()
    ran: list[str] = []

    @b.guard
    def hang() -> str:
        ran.append(threading.current_thread().name)
        gone.wait(10)
        return "late"

    errors = crowd.ask(hang, hang)
    gone.set()
    assert [type(error) for error in errors] == [TimedOut] * 2
    assert ran == ["seawall bank"]
    assert b.count("calls", "default", "timeout") == 2
    assert b.count("coalesced_calls", "default") == 1


class Alarm(BaseException):
    """What a signal handler raises."""


def test_who_begins_anew_runs_on_worker_threads_too(crowd: Crowd) -> None:
    b = guarded(timeout=Timeout(attempt=9.0, threads=2))
    ran: list[str] = []

    @b.guard
    def work() -> str:
        ran.append(threading.current_thread().name)
        if len(ran) == 1:
            crowd.wait_for(2)
            b.clock.advance(1)
            raise Alarm
        b.clock.advance(1)
        return "answer"

    first, second = crowd.ask(work, work)
    assert (type(first), second) == (Alarm, "answer")
    assert ran == ["seawall bank"] * 2
    assert b.count("calls", "default", "success") == 1
    entry = b.guard.ledger.layout.entry("call_duration", "default")
    assert b.guard.read()[entry.offset + len(entry.bounds) + 1] == pytest.approx(3)


def test_an_interrupt_after_the_end_is_nobody_elses() -> None:
    flight = Flight("key")
    flight.outcome = "success"
    flight.land(False, KeyboardInterrupt())
    assert not flight.shared
    flight.land(True, "answer")
    assert flight.shared
    flight.land(True, "answer", late=True)
    assert not flight.shared


class Done(asyncio.Future[None]):
    """In place of a task that ended when it was made."""

    def set_name(self, name: object) -> None:
        return


def test_tasks_that_begin_at_once_may_have_ended_at_once() -> None:
    b = Shared()

    @b.guard
    async def ask() -> str:
        return "answer"

    def eager(loop: asyncio.AbstractEventLoop, work: Any, **_: Any) -> Any:
        done = Done(loop=loop)
        with pytest.raises(StopIteration):
            work.send(None)
        done.set_result(None)
        return done

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(eager)
        assert await ask() == "answer"

    asyncio.run(main())
    assert b.calls() == {"success": 1}


def test_a_call_without_a_key_is_closed_from_another_context() -> None:
    b = Shared(coalesce=Coalesce(key=lambda *_: None))

    async def main() -> None:
        coroutine = b.ask()
        context = copy_context()
        await asyncio.get_running_loop().create_task(step(coroutine), context=context)
        coroutine.close()

    async def step(coroutine: Any) -> None:
        coroutine.send(None)

    b.clock.run(main())
    assert b.runs == ["GeneratorExit"]
    assert b.calls() == {"cancelled": 1}


def test_executions_that_are_over_are_no_part_of_a_context_any_more() -> None:
    """A task that goes on and on, each of its kind begun inside a call of the one before."""
    b = Shared()
    deep: list[int] = []
    tasks: list[asyncio.Task[None]] = []

    @b.guard
    async def tick(n: int) -> None:
        deep.append(len(aboard.get()))
        tasks.append(asyncio.create_task(go_on(n)))
        await asyncio.sleep(1)

    async def go_on(n: int) -> None:
        await asyncio.sleep(2)
        if n < 10:
            await tick(n + 1)

    async def main() -> None:
        await tick(0)
        while tasks:
            await tasks.pop()

    b.clock.run(main())
    assert deep == [1] * 11


@pytest.mark.parametrize("again", [False, True])
def test_who_leaves_in_the_moment_of_its_end_is_counted_as_it_ended(again: bool) -> None:
    b = Shared()
    tasks: list[asyncio.Task[Any]] = []

    def answer() -> str:
        if again and len(b.runs) == 1:
            raise CANCELLED
        # Before whoever waits hears of the answer.
        asyncio.get_running_loop().call_soon(tasks[-1].cancel)
        return "answer"

    b.answer = answer

    async def main() -> None:
        tasks.extend([asyncio.create_task(b.ask()) for _ in range(2 if again else 1)])
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)

    b.clock.run(main())
    assert b.runs == ["CancelledError", "ended"][not again :]
    assert b.calls() == ({"success": 1, "cancelled": 1} if again else {"success": 1})


@pytest.mark.parametrize("again", [False, True])
def test_who_left_just_before_is_cancelled(again: bool) -> None:
    """Though nobody told him yet when it ended."""
    b = Shared()
    tasks: list[asyncio.Task[Any]] = []

    def answer() -> str:
        if again and len(b.runs) == 1:
            raise CANCELLED
        tasks[-1].cancel()
        return "answer"

    b.answer = answer

    async def main() -> None:
        tasks.extend([asyncio.create_task(b.ask()) for _ in range(2 if again else 1)])
        await asyncio.wait(tasks)

    b.clock.run(main())
    assert b.calls() == {"cancelled": 2 if again else 1}
    assert b.count("attempts", "default", "success") == 1


def test_the_same_function_is_the_same_source_and_another_is_not() -> None:
    flights = Flights(Coalesce(), lambda _: None)

    def one() -> None: ...
    def other() -> None: ...
    def bound() -> Any:
        return flights

    assert flights.source("a", one) is flights.source("a", one)
    assert flights.source("a", one) is not flights.source("b", one)
    assert flights.source("a", one) is not flights.source("a", other)
    assert flights.source("a", bound) == ("a", bound)
    assert flights.source("a", len) == ("a", len)


def test_a_failure_of_who_asks_alone_is_his() -> None:
    b = guarded(coalesce=Coalesce(key=lambda *_: None))
    error = KeyError()
    assert b(fails(error)) is error
    assert b.count("calls", "default", "failure") == 1
    assert b.count("coalesced_calls", "default") == 0
    assert aboard.get() == ()


def test_an_execution_that_nobody_holds_is_forgotten_and_no_other() -> None:
    problems: list[Exception] = []
    flights = Flights(Coalesce(), problems.append)
    kept, gone = Flight("kept"), Flight("gone")
    for flight in (kept, gone):
        assert flights.board(flight) is flight
    del flight, gone
    assert list(flights._flying) == ["kept"]
    assert flights.board(Flight("kept")) is kept
    assert problems == []
