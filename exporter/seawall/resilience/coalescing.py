"""Calls that share one execution: outermost of all, fallback and retries are shared too.

``def``: the first caller executes, the others wait for him. ``async def``: the execution is a task of its
own, so that none of those who wait for it is more important than the others; when the last of them is
cancelled, it is. Each caller is counted as a call of its own, with the outcome of what was shared and the
time that he waited; the execution is counted once in everything else. It is what it would be without being
shared, on the fast lane too: what the guard counts as its call is the call of the one who began it. Only when
he has left, or had waited for another before, the call is not the execution's to count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from seawall.resilience.attempt import Answer
from seawall.resilience.calling_off import call_off, cancel
from seawall.resilience.deadline import alive, current, rest_of
from seawall.resilience.drivers import Travel, drive
from seawall.resilience.flights import Flight, Flights, aboard, aboard_of, ashore
from seawall.resilience.journey import Journey
from seawall.resilience.likeness import likeness
from seawall.resilience.on_threads import journeyed
from seawall.resilience.unbegun import refuse_unbegun

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation

Function = Callable[..., Any]
#: Seconds that an event loop's timers may be early.
_EARLY = 0.001


class Caller(Journey):
    """One call that may share what is executed elsewhere."""

    __slots__ = ()

    def join(self) -> None:
        """Begin to wait for what another has begun."""
        report = self.op.guard.report
        if self.watch is None:
            self.watch = report.watch(self.op.name)
        if self.watch is not None:
            report.observed(self.watch.wait_started, "coalesce")

    def joined(self) -> None:
        if self.watch is not None:
            self.op.guard.report.observed(self.watch.wait_ended)

    def give_up(self) -> Travel:
        """Out of time before the answer was there: a call that timed out, fallback and all."""
        late = self._timed_out("total", self._total())
        return (yield from self._finish((False, late), "timeout"))

    def leave(self, error: BaseException) -> None:
        """Cancelled, or interrupted, while waiting."""
        self._end((False, error), "cancelled")

    def share(self, flight: Flight) -> Answer:
        """What another's execution came to, for this one too."""
        assert flight.answer is not None
        self.op.count("coalesced_calls")
        self._close(flight.outcome, flight.error)
        ok, value = flight.answer
        return ok, value if ok else likeness(value)

    def own(self, flight: Flight) -> None:
        """The call ends as the execution that it has begun."""
        self._close(flight.outcome or "cancelled", flight.error)

    def _counted(self, outcome: str, error: str) -> bool:
        return True


def shared(op: Operation, function: Function, plain: Function, flights: Flights) -> Function:
    """``function`` under the guard, executed once for all who ask the same. ``plain``: for who asks alone."""
    guard, clock, source = op.guard, op.clock, flights.source(op.name, function)

    def execute(flight: Flight | None, caller: Caller | None, args: Any, kwargs: Any) -> Any:
        lent, began = _lent(clock)
        token = aboard.set(aboard_of(flight))
        try:
            if caller is None:
                result = plain(*args, **kwargs)
            else:
                result = journeyed(op._operation(), function, args, kwargs, caller)
            if flight is not None:
                flight.land(True, result)
            return result
        except BaseException as error:
            if flight is not None:
                flight.land(False, error, lent != inf and clock() - began >= lent - _EARLY)
            raise
        finally:
            ashore(token)
            # An exception's traceback holds this frame, and the flight the exception.
            del flight

    def call(*args: Any, **kwargs: Any) -> Any:
        key = flights.key(source, args, kwargs)
        if key is None:
            return execute(None, None, args, kwargs)
        me: Caller | None = None
        while True:
            mine, flight = Flight(key), None
            try:
                flight = flights.board(mine)
                if flight is mine:
                    return execute(mine, me, args, kwargs)
            finally:
                if flight is None or flight is mine:
                    # What matters most first: before these two no interrupt can come.
                    mine.over = True
                    mine.gate.put(None)
                    flights.drop(mine)
                    flight = None
                del mine
            assert flight is not None
            if me is None:
                me = Caller(op._operation(), function, args, kwargs)
            if not _in_time(me, flight):
                return drive(guard, me.give_up(), function, args, kwargs)
            if flight.shared:
                answer = me.share(flight)
                del flight
                if answer[0]:
                    refuse_unbegun(op.dependency, function, answer[1])
                try:
                    return _given(answer)
                finally:
                    del answer

    return call


def _lent(clock: Callable[[], float]) -> tuple[float, float]:
    """Seconds that the deadlines around this code leave, and when that was."""
    outer = alive(current.get())
    return (inf, 0.0) if outer is None else (rest_of(outer), clock())


def _in_time(me: Caller, flight: Flight) -> bool:
    """Wait in this thread for another's execution; whether it ended before this caller's time was over."""
    try:
        me.join()
        rest = me.rest()
        try:
            return flight.wait(inf if rest is None else rest)
        finally:
            me.joined()
    except BaseException as error:
        me.leave(error)
        raise


def _given(answer: Answer) -> Any:
    ok, value = answer
    if ok:
        return value
    try:
        raise value
    finally:
        del answer, value


def ashared(op: Operation, function: Function, plain: Function, flights: Flights) -> Function:
    """The same for a coroutine function. Only callers of one event loop share: its futures are its own."""
    clock, source = op.clock, flights.source(op.name, function)

    def caller(args: Any, kwargs: Any, began: float) -> Caller:
        one = Caller(op._operation(), function, args, kwargs)
        one.started = began
        return one

    async def execute(flight: Flight, args: Any, kwargs: Any) -> None:
        lent, began = _lent(clock)
        aboard.set(aboard_of(flight))
        try:
            flight.land(True, await plain(*args, **kwargs))
        except GeneratorExit:
            raise
        except BaseException as error:
            flight.land(False, error, lent != inf and clock() - began >= lent - _EARLY)
            if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
                raise
            # The flight has it, for those who wait.
        finally:
            flights.end(flight)
            del flight

    async def call(*args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        key = flights.key(source, args, kwargs, loop)
        if key is None:
            token = aboard.set(aboard_of(None))
            try:
                return await plain(*args, **kwargs)
            finally:
                ashore(token)
        me: Caller | None = None
        began = clock()
        while True:
            mine, flight = Flight(key), None
            mine.counted = me is None
            try:
                flight = flights.board(mine)
                if flight is mine:
                    mine.task = loop.create_task(execute(mine, args, kwargs))
                    await _landing(mine, flights, loop)
                else:
                    me = me or caller(args, kwargs, began)
                    me.join()
                    try:
                        await _landing(flight, flights, loop)
                    finally:
                        me.joined()
            except BaseException as error:
                if mine.task is None:
                    flights.end(mine)
                closed = isinstance(error, GeneratorExit) and mine.task is not None and mine.counted
                if closed and (loop.is_closed() or not mine.waiting):
                    # What is closed with him counts his call.
                    raise
                if not mine.ended or mine.left:
                    mine.counted = False
                    (me or caller(args, kwargs, began)).leave(error)
                elif me is not None:
                    # Too late: it had ended, and was about to be heard of.
                    me.own(mine)
                raise
            if flight is mine or flight.shared:
                answer: Answer
                if flight is mine:
                    # Without an answer it was ended from outside.
                    answer = mine.answer or (False, asyncio.CancelledError())
                    if me is not None or not mine.ended:
                        (me or caller(args, kwargs, began)).own(mine)
                else:
                    assert me is not None
                    answer = me.share(flight)
                del mine, flight
                try:
                    return _given(answer)
                finally:
                    del answer

    return call


async def _landing(flight: Flight, flights: Flights, loop: asyncio.AbstractEventLoop) -> None:
    """Wait in this task until it has ended. Who is the last to leave before that takes it down."""
    task = flight.task
    assert task is not None
    if task.done():
        # Begun, and ended, when it was made.
        return
    mine = loop.create_future()
    if flight.first is None:
        flight.first = mine
        # Cancelled before it began: nobody else says so.
        task.add_done_callback(lambda _: None if flight.over else flights.end(flight))
    flight.waiting.append(mine)
    try:
        await mine
    except BaseException as error:
        if len(flight.waiting) == 1 and not task.done():
            flights.end(flight)
            if isinstance(error, GeneratorExit):
                # Closed from outside: nothing can be awaited any more.
                cancel((task,))
            else:
                with suppress(asyncio.CancelledError):
                    await call_off((task,))
        raise
    finally:
        flight.waiting.remove(mine)
