"""Nothing stays taken, and nothing is begun anew, when a call is interrupted, cancelled or forgotten."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import time
from contextvars import copy_context
from typing import Any

import pytest

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Coalesce,
    Fallback,
    Guard,
    Registry,
    Retry,
    TimedOut,
    Timeout,
    remaining,
)
from seawall.testing import ManualClock


def guard(name: str = "bank", **settings: Any) -> Guard:
    return Guard(name, registry=Registry("t"), **settings)


def total(of: Guard, field: str) -> float:
    reading = of.read()
    return sum(reading[e.offset] for e in of.ledger.layout.entries if e.field.name == field)


RINGS = 5_000


class Alarm(BaseException):
    """What a signal handler raises: like a worker's soft time limit."""


def test_interrupts_by_signals_leave_no_permit_and_no_deadline_behind() -> None:
    # A deadline that is over may stay, and binds nobody: in a context that no other test sees.
    copy_context().run(interrupted_by_signals)


def interrupted_by_signals() -> None:
    of = guard(bulkhead=Bulkhead(limit=50), timeout=Timeout(attempt=5.0, total=5.0), breaker=Breaker())

    @of
    def body() -> int:
        return sum(range(300))

    inside = False

    def ring(*_: object) -> None:
        # Not elsewhere: what is there is the test's own. Where the machine is busy it may ring late.
        if inside:
            raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    rung = 0
    # What is raised in a callback of the collector is printed and lost, whoever's callback it is.
    gc.disable()
    try:
        while rung < RINGS:
            try:
                inside = True
                signal.setitimer(signal.ITIMER_REAL, 0.00005)
                for _ in range(1000):
                    body()
                inside = False
            except Alarm:
                inside = False
                rung += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert of.bulkhead is not None
    assert of.bulkhead.in_flight == 0
    assert remaining() is None
    assert of.state == "closed"


def test_an_index_error_of_the_function_is_its_own_and_it_runs_once() -> None:
    of = guard(bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=5))
    of.call(int)
    hold, runs = threading.Event(), []

    def pay() -> None:
        runs.append(1)
        raise IndexError

    holder = threading.Thread(target=of.call, args=(hold.wait, 10))
    holder.start()
    while not total(of, "bulkhead_in_flight"):
        time.sleep(0)
    waiter = threading.Thread(target=of.call, args=(int,))
    waiter.start()
    while not total(of, "bulkhead_queued"):
        time.sleep(0)
    errors: list[BaseException] = []

    def payer() -> None:
        try:
            of.call(pay)
        except IndexError as error:
            errors.append(error)

    third = threading.Thread(target=payer)
    third.start()
    while total(of, "bulkhead_queued") < 2:
        time.sleep(0)
    hold.set()
    for thread in (holder, waiter, third):
        thread.join(10)
    assert (len(runs), len(errors)) == (1, 1)
    assert total(of, "bulkhead_in_flight") == 0


def test_a_task_that_outlives_the_call_is_not_bound_by_its_deadline() -> None:
    clock = ManualClock()
    outer = guard("outer", timeout=Timeout(attempt=0.05), clock=clock)
    inner = guard("inner", timeout=Timeout(attempt=1.0), clock=clock)

    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    async def background() -> str:
        await asyncio.sleep(0.1)
        return await inner.acall(work)

    async def begin() -> asyncio.Task[str]:
        return asyncio.create_task(background())

    async def main() -> str:
        return await (await outer.acall(begin))

    assert clock.run(main()) == "done"


def test_a_guard_without_a_timeout_keeps_the_deadline_around_it_traced_or_not() -> None:
    class Watching:
        def watching(self) -> bool:
            return True

        def call_started(self, *_: object) -> None:
            return None

    for observer in (None, Watching()):
        clock = ManualClock()
        outer = guard("outer", timeout=Timeout(attempt=1.0), clock=clock)
        registry = Registry("t")
        registry.observe(observer)
        inner = Guard("inner", breaker=Breaker(), registry=registry, clock=clock)
        inner.call(int)

        def body(clock: ManualClock = clock, inner: Guard = inner) -> None:
            clock.advance(1.5)
            inner.call(int)

        with pytest.raises(TimedOut):
            outer.call(body)


@pytest.mark.parametrize("how", ["cancel", "close", "forget"])
def test_a_call_that_is_given_up_begins_nothing_new(how: str) -> None:
    """Clean-up that raises turns a cancellation into an ordinary exception; it is one all the same."""
    of = guard(
        bulkhead=Bulkhead(limit=1),
        breaker=Breaker(),
        retry=Retry(attempts=3, base_delay=0),
        fallback=Fallback(default="degraded"),
    )
    runs = 0

    @of
    async def work() -> str:
        nonlocal runs
        runs += 1
        try:
            await asyncio.sleep(100)
        finally:
            if how == "cancel":
                raise ConnectionError("while closing")
        return "never"

    async def main() -> None:
        if how == "cancel":
            task = asyncio.create_task(work())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return

        held = [work()]

        async def first_step() -> None:
            held[0].send(None)

        await asyncio.create_task(first_step())
        if how == "close":
            held[0].close()
        held.clear()
        gc.collect()

    asyncio.run(main())
    assert runs == 1
    assert total(of, "bulkhead_in_flight") == 0
    assert total(of, "calls") == 1
    assert total(of, "degradations") == 0


@pytest.mark.parametrize(
    "policies",
    [
        {"breaker": Breaker()},
        {"bulkhead": Bulkhead(limit=1), "retry": Retry()},
        {"coalesce": Coalesce(), "bulkhead": Bulkhead(limit=1)},
    ],
)
def test_a_call_that_is_collected_when_its_loop_is_gone_was_cancelled(
    policies: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    of = guard(**policies)
    asyncio.run(of.acall(asyncio.sleep, 0))
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    task = loop.create_task(of.acall(asyncio.sleep, 100))
    for _ in range(3):
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    # Nothing to complain about when it is collected.
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task, loop
    gc.collect()
    at, reading = of.ledger.layout.at, of.read()
    assert reading[at("attempts", "default", "cancelled")] == 1
    assert reading[at("calls", "default", "cancelled")] == 1
    assert complaints == []
    if of.bulkhead is not None:
        assert of.bulkhead.in_flight == 0


def test_outside_an_event_loop_nothing_is_taken() -> None:
    of = guard(bulkhead=Bulkhead(limit=1), timeout=Timeout(attempt=1.0))
    coroutine = of.acall(asyncio.sleep, 0)
    with pytest.raises(RuntimeError):
        coroutine.send(None)
    assert total(of, "bulkhead_in_flight") == 0
    assert remaining() is None


def test_a_place_granted_to_a_closed_loop_goes_to_the_next_in_line() -> None:
    of = guard(bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60))
    loop = asyncio.new_event_loop()
    hold = threading.Event()
    holder = threading.Thread(target=of.call, args=(hold.wait, 10))
    holder.start()
    while not total(of, "bulkhead_in_flight"):
        time.sleep(0)
    task = loop.create_task(of.acall(asyncio.sleep, 0))
    loop.run_until_complete(asyncio.sleep(0.01))
    assert total(of, "bulkhead_queued") == 1
    loop.close()
    done: list[int] = []
    second = threading.Thread(target=lambda: done.append(of.call(lambda: 7)))
    second.start()
    while total(of, "bulkhead_queued") < 2:
        time.sleep(0)
    hold.set()
    second.join(10)
    holder.join(10)
    assert done == [7]
    assert not task.done()
    # It never will be: its loop is closed. Nothing to complain about at exit.
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    task.get_coro().close()  # type: ignore[union-attr]
