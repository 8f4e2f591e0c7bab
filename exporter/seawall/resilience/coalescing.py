"""Calls that share one execution: outermost of all, fallback and retries are shared too.

``def``: the first caller executes, the others wait for him. ``async def``: the execution is a task of its
own, so that none of those who wait for it is more important than the others; when the last of them is
cancelled, it is. Each caller is counted as a call of its own, with the outcome of what was shared and the
time that he waited; the execution is counted once in everything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from seawall.resilience.attempt import Answer
from seawall.resilience.calling_off import call_off, cancel
from seawall.resilience.deadline import rest_of
from seawall.resilience.drivers import Travel, adrive, drive
from seawall.resilience.flights import Flight, Flights, aboard
from seawall.resilience.journey import Journey
from seawall.resilience.likeness import likeness
from seawall.resilience.unbegun import refuse_unbegun

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation

Function = Callable[..., Any]
#: Seconds that an event loop's timers may be early.
_EARLY = 0.001


class Execution(Journey):
    """What is shared. ``counted``: whether it is a call too: its caller executes it himself."""

    __slots__ = ("counted", "flight")
    counted: bool
    flight: Flight

    def lead(self) -> Travel:
        """The whole call. Its answer is noted before anybody is let go on."""
        flight = self.flight
        if self.watch is None:
            self.watch = self.op.guard.report.watch(self.op.name)
        began, lent = self.op.clock(), rest_of(self.outer)
        answer = yield from self._whole(self._travel(None))
        late = not answer[0] and self.op.clock() - began >= lent - _EARLY
        flight.answer, flight.shared = answer, flight.outcome != "cancelled" and not late
        return answer

    def _close(self, outcome: str, error: str) -> None:
        self.flight.outcome, self.flight.error = outcome, error
        if self.counted:
            super()._close(outcome, error)
        elif self.watch is not None:
            seconds, state = self.op.clock() - self.started, self.op.guard.state
            self.op.guard.report.observed(
                self.watch.call_ended, outcome, self.attempts, state, error, -1, seconds
            )


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

    def own(self, flight: Flight) -> Answer:
        """What the execution came to that this one has begun. Without an answer it was ended from outside."""
        self._close(flight.outcome, flight.error)
        return flight.answer or (False, asyncio.CancelledError())


def shared(op: Operation, function: Function, plain: Function, flights: Flights) -> Function:
    """``function`` under the guard, executed once for all who ask the same. ``plain``: for who asks alone."""
    guard, source = op.guard, (op.name, function)

    def execute(flight: Flight, caller: Caller | None, args: Any, kwargs: Any) -> Any:
        execution = Execution(op._operation(), function, args, kwargs)
        execution.counted, execution.flight = True, flight
        if caller is not None:
            execution.started, execution.watch = caller.started, caller.watch
        token = aboard.set((*aboard.get(), flight.gate))
        try:
            return drive(guard, execution.lead(), function, args, kwargs)
        finally:
            aboard.reset(token)
            # An exception's traceback holds this frame, and the flight the exception.
            del execution, flight

    def call(*args: Any, **kwargs: Any) -> Any:
        key = flights.key(source, args, kwargs)
        if key is None:
            return plain(*args, **kwargs)
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
    source = op.name, function

    async def execute(flight: Flight, args: Any, kwargs: Any) -> None:
        execution = Execution(op._operation(), function, args, kwargs)
        execution.counted, execution.flight = False, flight
        aboard.set((*aboard.get(), flight.gate))
        try:
            await adrive(op.guard, execution.lead(), function, args, kwargs)
        except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            # The flight has it, for those who wait.
            return
        finally:
            flights.end(flight)
            del execution, flight

    async def call(*args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        key = flights.key(source, args, kwargs, loop)
        if key is None:
            return await plain(*args, **kwargs)
        me = Caller(op._operation(), function, args, kwargs)
        while True:
            mine, flight = Flight(key), None
            try:
                flight = flights.board(mine)
                if flight is mine:
                    mine.task = loop.create_task(execute(mine, args, kwargs))
                    await _landing(mine, flights)
                else:
                    me.join()
                    try:
                        await _landing(flight, flights)
                    finally:
                        me.joined()
            except BaseException as error:
                if mine.task is None:
                    flights.end(mine)
                me.leave(error)
                raise
            if flight is mine or flight.shared:
                answer = me.own(mine) if flight is mine else me.share(flight)
                del mine, flight
                try:
                    return _given(answer)
                finally:
                    del answer

    return call


async def _landing(flight: Flight, flights: Flights) -> None:
    """Wait in this task until it has ended. Who is the last to leave before that takes it down."""
    task = flight.task
    assert task is not None
    flight.waiting += 1
    try:
        await asyncio.wait((task,))
        if not flight.over:
            # Cancelled before it began: nobody else says so.
            flights.end(flight)
    except BaseException as error:
        if flight.waiting == 1 and not task.done():
            flights.end(flight)
            if isinstance(error, GeneratorExit):
                # Closed from outside: nothing can be awaited any more.
                cancel((task,))
            else:
                with suppress(asyncio.CancelledError):
                    await call_off((task,))
        raise
    finally:
        flight.waiting -= 1
