"""Generators under a guard: what is guarded is the iteration.

One attempt, from the first ``next()`` to exhaustion. It is admitted at the first ``next()``, and that is
where a rejection is raised: until then a generator has done nothing, and one that is never iterated must not
hold a permit. What was handed out can't be taken back, so there is no retry and no fallback, as with blocks.

- Exhausted: success. An exception that leaves the generator, its clean-up included: by the table of verdicts.
- Broken off (``close()``, ``break``, collected, from whichever task or context): neutral.
- Every permit is held until then, and given back then.
- While the consumer has an item the clock stands still: neither duration nor timeout knows a slow consumer.
  What the guard set for the generator (deadline, current span) is not to be seen in the consumer's code.
- An ``async def`` generator is cancelled when its time is over, inside it and never in the consumer; its
  clean-up after being broken off is not cut short. In ``def`` nothing is interrupted, as ever.

``send()``, ``throw()`` and the value of ``return`` pass through.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import suppress
from contextvars import ContextVar, Token, copy_context
from typing import TYPE_CHECKING, Any

from seawall.resilience.async_timeout import cut_off
from seawall.resilience.attempt import Answer, Step
from seawall.resilience.block import Block, Travel
from seawall.resilience.deadline import AT, OUTER, Deadline, alive, current, rest_of
from seawall.resilience.journey import Journey

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation


def generator(op: Operation, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
    """A generator function, guarded."""

    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner = function(*args, **kwargs)
        iteration = Iteration(op, function, args, kwargs)
        iteration.admit()
        sent: Any = None
        thrown: BaseException | None = None
        while True:
            iteration.resume()
            try:
                item = inner.send(sent) if thrown is None else inner.throw(thrown)
            except StopIteration as done:
                iteration.end(_broken_off(thrown))
                return done.value
            except BaseException as error:
                iteration.end(error)
                raise
            finally:
                # Its traceback holds this frame: the frame must not hold it.
                thrown = None
                iteration.pause()
            try:
                sent = yield item
            except BaseException as error:
                thrown = error

    return call


def async_generator(op: Operation, function: Callable[..., AsyncGenerator[Any, Any]]) -> Callable[..., Any]:
    """An async generator function, guarded."""

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = function(*args, **kwargs)
        iteration = Iteration(op, function, args, kwargs)
        await iteration.aadmit()
        sent: Any = None
        thrown: BaseException | None = None
        step: Any = _first_step(inner)
        while True:
            iteration.resume()
            try:
                item = await (step if _broken_off(thrown) else iteration.in_time(step))
            except StopAsyncIteration:
                iteration.end(_broken_off(thrown))
                return
            except BaseException as error:
                iteration.end(error)
                raise
            finally:
                step = thrown = None
                iteration.pause()
            try:
                sent = yield item
            except BaseException as error:
                thrown = error
            step = inner.asend(sent) if thrown is None else inner.athrow(thrown)

    return call


class _Steps(Journey):
    """A call that is away from time to time. ``away``: seconds that its consumer had an item."""

    __slots__ = ("away",)
    away: float

    def settle(self, ok: bool, value: Any, seconds: float) -> str:
        return super().settle(ok, value, seconds - self.away)


class Iteration(Block):
    """The block around an iteration: what runs in it are the generator's steps, not the consumer's code.

    The journey runs in a context of its own. What it sets there is laid over the consumer's context while a
    step runs, and the journey's end finds its own traces wherever the generator is closed.
    """

    __slots__ = ("_context", "_laid", "_own", "_paused_at", "_steps", "_tokens")

    def __init__(
        self, op: Operation, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._steps = _Steps(op._operation(), function, args, kwargs)
        self._steps.away = 0.0
        super().__init__(self._steps)
        self._context = copy_context()
        self._own: Deadline | None = None
        self._laid: list[tuple[ContextVar[Any], Any]] | None = None
        self._tokens: list[tuple[ContextVar[Any], Token[Any]]] = []
        self._paused_at = 0.0

    def resume(self) -> None:
        """Before a step."""
        steps = self._steps
        if self._laid is None:
            self._laid = self._differences()
            self._own = self._context.get(current) if self.limit is not None else None
        else:
            away = steps.op.clock() - self._paused_at
            steps.away += away
            steps.started += away
            if self._own is not None:
                self._own[AT] += away
                self._own[OUTER] = alive(current.get())
        for variable, value in self._laid:
            self._tokens.append((variable, variable.set(value)))

    def pause(self) -> None:
        """After a step. What it left in the variables of the guard is there again at the next."""
        if self._tokens:
            self._laid = [(variable, variable.get(None)) for variable, _ in self._tokens]
            while self._tokens:
                variable, token = self._tokens.pop()
                # Torn down in another context: the one that was laid over is gone.
                with suppress(ValueError):
                    variable.reset(token)
        self._paused_at = self._steps.op.clock()

    async def in_time(self, step: Awaitable[Any]) -> Any:
        """A step, cancelled when the time is over that is left to the attempt, or to whoever resumed it."""
        own, limit = self._own, self.limit
        if own is None or limit is None:
            return await step
        clock, scope = self._steps.op.clock, self.scope
        rest = rest_of(own)
        if rest < own[AT] - clock():
            limit, scope = rest + clock() - self._steps.started, "total"
        return await cut_off(step, rest, self._steps.op.guard.name, scope, limit)

    def __del__(self) -> None:
        # Collected without being closed: its event loop was gone, or a signal's exception came in between.
        if self._travel is not None:
            self._context.run(self._travel.close)
            # A clean-up that could not go on has left what was laid over the context it was collected in.
            self.pause()

    def _send(self, travel: Travel, answer: Answer | None) -> Step:
        return self._context.run(super()._send, travel, answer)

    def _differences(self) -> list[tuple[ContextVar[Any], Any]]:
        """What the guard and its observer set when the attempt was admitted."""
        if self.limit is None and self._steps.watch is None:
            return []
        return [(variable, x) for variable, x in self._context.items() if variable.get(_UNSET) is not x]


_UNSET: Any = object()


def _broken_off(thrown: BaseException | None) -> GeneratorExit | None:
    return thrown if isinstance(thrown, GeneratorExit) else None


def _first_step(inner: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Begin, unknown to the event loop: at its shutdown it closes all the generators that it knows, at once.

    It knows the guarded one; that closes this.
    """
    firstiter, finalizer = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, finalizer)
    try:
        return inner.asend(None)
    finally:
        sys.set_asyncgen_hooks(firstiter, finalizer)
