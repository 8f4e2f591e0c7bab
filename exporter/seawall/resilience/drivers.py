"""Carry out what a journey asks for: one driver for ``def``, one for ``async def``. They decide nothing."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

from seawall.resilience.async_timeout import cut_off
from seawall.resilience.attempt import ASK, ATTEMPT, QUEUE, SLEEP, Answer, Step
from seawall.resilience.bulkhead import Granted, Waiter
from seawall.resilience.priorities import rank
from seawall.resilience.unbegun import refuse_unbegun

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard

Travel = Generator[Step, Answer, Answer]


def drive(
    guard: Guard, travel: Travel, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run a journey in this thread. Raises what the call came to."""
    try:
        kind, limit, what = next(travel)
        while True:
            answer: Answer
            try:
                if kind == ATTEMPT:
                    answer = True, function(*args, **kwargs)
                elif kind == SLEEP:
                    guard.sleep(limit or 0.0)
                    answer = True, None
                elif kind == QUEUE:
                    answer = queue(guard, limit or 0.0, what)
                else:
                    answer = True, what(*args, **kwargs)
            except BaseException as error:
                answer = False, error
            kind, limit, what = travel.send(answer)
    except StopIteration as end:
        answer = end.value
    except BaseException:
        # An interrupt between two steps: what is taken goes back now, not when all this is collected.
        travel.close()
        raise
    ok, value = answer
    if ok:
        refuse_unbegun(guard.name, function, value)
        return value
    try:
        raise value
    finally:
        # The traceback holds this frame: without the names it holds the exception no longer.
        del answer, value


async def adrive(
    guard: Guard,
    travel: Travel,
    function: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    cancelling: int = 0,
) -> Any:
    """Run a journey in this task. An attempt with a limit is cancelled when its time is over.

    ``cancelling``: cancellation requests of the task when the call began. Once there are more, somebody
    wants the task to end, and nothing new is begun, whatever the cancelled function raised instead.
    """
    task = asyncio.current_task()
    try:
        kind, limit, what = next(travel)
        while True:
            answer: Answer
            try:
                if task is not None and task.cancelling() > cancelling:
                    raise asyncio.CancelledError
                if kind == ATTEMPT:
                    answer = True, await _within(guard, limit, what, function(*args, **kwargs))
                elif kind == SLEEP:
                    await guard.asleep(limit or 0.0)
                    answer = True, None
                elif kind == QUEUE:
                    answer = await aqueue(guard, limit or 0.0, what)
                else:
                    assert kind == ASK
                    answer = True, await _ask(guard, limit, what, args, kwargs)
            except BaseException as error:
                answer = False, error
            kind, limit, what = travel.send(answer)
    except StopIteration as end:
        answer = end.value
    except BaseException:
        # An interrupt between two steps: what is taken goes back now, not when all this is collected.
        travel.close()
        raise
    ok, value = answer
    if ok:
        return value
    try:
        raise value
    finally:
        # The traceback holds this frame: without the names it holds the exception no longer.
        del answer, value


async def _within(guard: Guard, limit: float | None, scope: str, work: Awaitable[Any]) -> Any:
    if limit is None:
        return await work
    return await cut_off(work, limit, guard.name, scope, limit)


async def _ask(
    guard: Guard,
    limit: float | None,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    given = function(*args, **kwargs)
    return await _within(guard, limit, "attempt", given) if inspect.isawaitable(given) else given


class _ThreadWaiter:
    """A thread in the bulkhead's queue.

    A raw lock, released by whoever wakes it, is the cheapest wake-up there is.
    """

    __slots__ = ("_gate", "placed")

    def __init__(self) -> None:
        self.placed = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def wake(self) -> bool:
        self._gate.release()
        return True

    def wait(self, seconds: float) -> None:
        self._gate.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))


def queue(guard: Guard, seconds: float, granted: Granted) -> Answer:
    """Wait in the bulkhead's queue. A place is in ``granted``, whatever interrupts the way back."""
    bulkhead = guard.bulkhead
    assert bulkhead is not None
    waiter = _ThreadWaiter()
    try:
        with guard.lock:
            refused = bulkhead.join(waiter, rank(guard.criticality))
        if refused:
            return False, refused
        if not waiter.placed:
            waiter.wait(seconds)
        with guard.lock:
            refused = bulkhead.waited(waiter, granted)
    except BaseException as error:
        with guard.lock:
            bulkhead.abandon(waiter)
        return False, error
    return not refused, refused


class AsyncWaiter(Waiter, Protocol):
    """A task in the bulkhead's queue."""

    async def wait(self, seconds: float) -> None:
        """Until woken, or so long."""


class _TaskWaiter:
    """A task in the bulkhead's queue; woken from any thread."""

    __slots__ = ("_future", "_loop", "placed")

    def __init__(self) -> None:
        self.placed = False
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            # The loop is closed: its task can't run any more to give a place back.
            return False
        return True

    def _wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float) -> None:
        await asyncio.wait([self._future], timeout=seconds)


async def aqueue(guard: Guard, seconds: float, granted: Granted) -> Answer:
    return await wait_in_line(guard, _TaskWaiter(), seconds, granted)


async def wait_in_line(guard: Guard, waiter: AsyncWaiter, seconds: float, granted: Granted) -> Answer:
    bulkhead = guard.bulkhead
    assert bulkhead is not None
    try:
        with guard.lock:
            refused = bulkhead.join(waiter, rank(guard.criticality))
        if refused:
            return False, refused
        if not waiter.placed:
            await waiter.wait(seconds)
        with guard.lock:
            refused = bulkhead.waited(waiter, granted)
    except BaseException as error:
        with guard.lock:
            bulkhead.abandon(waiter)
        return False, error
    return not refused, refused
