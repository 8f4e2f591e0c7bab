"""A hedged coroutine function: the first in the caller's task, its copies in tasks of their own.

The attempt around it knows nothing of this: to breaker, retry and ledger a race is one attempt. The first
runs where it would run without a hedge, so that a call that is answered in time costs one timer more.

What ends a race: a result that is not judged bad, or an exception that the breaker is told to ignore, for it
is an answer too. Any other exception loses, and the race goes on with those who are left. A cancellation or
an interrupt of the first is the caller's.
"""

from __future__ import annotations

from asyncio import CancelledError, Future, Task, current_task, get_running_loop
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from seawall.resilience.attempt import Answer
from seawall.resilience.breaker_state import CLOSED
from seawall.resilience.calling_off import cancel, see_off
from seawall.resilience.verdict import neutral

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard
    from seawall.resilience.hedge import Hedge
    from seawall.resilience.operation import Operation


class Hedged:
    """Stands in for the coroutine function ``timed``, whose name and answers are its own."""

    __slots__ = ("_hedge", "_op", "timed")

    def __init__(self, op: Operation, hedge: Hedge, function: Callable[..., Awaitable[Any]]) -> None:
        self._op = op
        self._hedge = hedge
        self.timed = function

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        task = current_task()
        if task is None:
            # Driven by hand: there is no task that could be called off.
            return await self.timed(*args, **kwargs)
        race = Race(self._op._operation(), self._hedge, partial(self.timed, *args, **kwargs), task)
        answer: Answer
        try:
            answer = await race.run()
        except BaseException as error:
            answer = False, error
        race.stop()
        if answer[0] or isinstance(answer[1], Exception):
            await see_off(race.copies)
        elif not isinstance(answer[1], GeneratorExit):
            # Who was interrupted or cancelled is not cancelled twice; who was closed can't await any more.
            with suppress(CancelledError):
                await see_off(race.copies)
        ok, value = answer
        if ok:
            return value
        try:
            raise value
        finally:
            # The traceback holds this frame: without the names it holds the exception no longer.
            del answer, value, race


class Place:
    """The bulkhead place of one copy, given back once by whoever comes first."""

    __slots__ = ("_guard", "_taken")

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._taken = guard.bulkhead is not None

    def leave(self) -> None:
        if self._taken:
            self._taken = False
            assert self._guard.bulkhead is not None
            with self._guard.lock:
                self._guard.bulkhead.leave()


class Race:
    """One attempt: the first and its copies.

    ``copies``: those that were started. ``_decided``: what the caller waits on once the first has failed.
    """

    __slots__ = (
        "_called_off",
        "_cancelling",
        "_chances",
        "_decided",
        "_failure",
        "_function",
        "_loop",
        "_op",
        "_over",
        "_running",
        "_task",
        "_timer",
        "_told",
        "_winner",
        "copies",
        "delay",
    )

    def __init__(
        self, op: Operation, hedge: Hedge, function: Callable[[], Awaitable[Any]], task: Task[Any]
    ) -> None:
        self._op = op
        self._function = function
        self._task = task
        self._cancelling = task.cancelling()
        self._loop = get_running_loop()
        self._chances = hedge.most
        self._running = 0
        self._over = self._told = self._called_off = False
        self._decided: Future[None] | None = None
        self._winner: Answer | None = None
        self._failure: Answer | None = None
        self.copies: list[Task[Answer]] = []
        self.delay = hedge.delay
        # The timer's context is a copy of the caller's as it is now, and so is every copy's.
        self._timer = self._loop.call_later(self.delay, self._due)

    async def run(self) -> Answer:
        """Run the first; what the race came to."""
        first: Answer
        try:
            first = True, await self._function()
        except BaseException as error:
            first = False, error
        try:
            ok, value = first
            if self._called_off:
                # Cancelled by us alone, its end is of no interest any more, unless it was interrupted.
                ours = self._task.uncancel() <= self._cancelling
                outrun = ours and (ok or isinstance(value, Exception | CancelledError))
                return self._winner if outrun and self._winner else first
            if not self.copies or self._unwanted or self._answers(first) or (not ok and neutral(value)):
                return first
            if self._running:
                return await self._others(first)
            return self._failure or first
        finally:
            del first, value

    async def _others(self, failure: Answer) -> Answer:
        """The first has failed and copies are running."""
        self._failure = failure = self._failure or failure
        self._decided = self._loop.create_future()
        await self._decided
        return self._winner or failure

    @property
    def _unwanted(self) -> bool:
        """Whether the caller was cancelled, or his time is over, whatever his function makes of it."""
        return self._task.cancelling() > self._cancelling

    def stop(self) -> None:
        """The race is over: no more copies, and those that run have lost; told once: they may clean up."""
        self._over = True
        self._timer.cancel()
        if not self._told:
            cancel(self.copies)
            self._told = True

    def _due(self) -> None:
        """Still no answer: start a copy, if it may be."""
        self._chances -= 1
        if self._chances:
            self._timer = self._loop.call_later(self.delay, self._due)
        if self._unwanted:
            return
        if not self._admitted():
            self._op.count("hedges", "refused")
            return
        place = Place(self._op.guard)
        run = self._copy(place)
        try:
            copy = self._loop.create_task(run)
        except BaseException:
            run.close()
            place.leave()
            raise
        self._running += 1
        self.copies.append(copy)
        copy.add_done_callback(partial(self._ended, place))

    def _admitted(self) -> bool:
        """Take what a copy needs, if all of it is to be had at once."""
        guard = self._op.guard
        limiter, bulkhead, budget = guard.limiter, guard.bulkhead, guard.budget
        with guard.lock:
            now = self._op.clock()
            if guard.breaker is not None and guard.breaker.deciding.state != CLOSED:
                return False
            if limiter is not None and limiter.retry_after(now) > 0:
                return False
            if bulkhead is not None and not bulkhead.enter([]):
                return False
            if budget is not None and not budget.spend(now):
                if bulkhead is not None:
                    bulkhead.leave()
                return False
            if limiter is not None:
                limiter.take(now)
        return True

    async def _copy(self, place: Place) -> Answer:
        try:
            return True, await self._function()
        except Exception as error:
            return False, error
        finally:
            place.leave()

    def _ended(self, place: Place, copy: Task[Answer]) -> None:
        # It may have been cancelled before it began.
        place.leave()
        self._running -= 1
        interrupted = copy.cancelled() or copy.exception() is not None
        if self._over:
            self._op.count("hedges", "lost")
            return
        answer = None if interrupted else copy.result()
        if answer is not None and self._answers(answer):
            self._op.count("hedges", "won")
            self._winner = answer
            self.stop()
        else:
            self._op.count("hedges", "failed")
            self._failure = self._failure or answer
        if self._decided is not None:
            if (self._winner or not self._running) and not self._decided.done():
                self._decided.set_result(None)
        elif self._winner:
            self._called_off = True
            self._task.cancel()

    def _answers(self, answer: Answer) -> bool:
        """Whether it ends the race."""
        ok, value = answer
        if ok:
            return self._op.judge is None or not self._op.judge(value)
        return self._op.guard.verdicts.ignores(value)
