"""``with guard:`` and ``async with guard:``: one attempt around a block of code.

A block can't run twice, so retry and fallback stay out; breaker, rate limit, bulkhead and deadline are as
ever.
In ``async with`` the timeouts cancel the block, as ``asyncio.timeout`` does.
"""

from __future__ import annotations

from asyncio import Timeout, timeout
from collections.abc import Generator
from contextvars import ContextVar
from typing import TYPE_CHECKING

from seawall.resilience.attempt import ATTEMPT, SLEEP, Answer, Step
from seawall.resilience.drivers import aqueue, queue
from seawall.resilience.errors import TimedOut
from seawall.resilience.journey import Journey

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard

Travel = Generator[Step, Answer, Answer]
_Open = tuple[Travel, Timeout | None, str, float | None]


class Blocks:
    """The blocks of one guard that are open, innermost last, per thread or task."""

    __slots__ = ("_guard", "_open")

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._open: ContextVar[tuple[_Open, ...]] = ContextVar("seawall_blocks", default=())

    def enter(self) -> None:
        """Be admitted, or raise why not."""
        guard = self._guard
        travel = self._journey()
        kind, limit, scope = _advance(travel, None)
        while kind != ATTEMPT:
            answer: Answer = (True, None)
            try:
                if kind == SLEEP:
                    guard.sleep(limit or 0.0)
                else:
                    answer = queue(guard, limit or 0.0)
            except BaseException as error:
                answer = False, error
            kind, limit, scope = _advance(travel, answer)
        self._push((travel, None, scope, limit))

    async def aenter(self) -> None:
        guard = self._guard
        travel = self._journey()
        kind, limit, scope = _advance(travel, None)
        while kind != ATTEMPT:
            answer: Answer = (True, None)
            try:
                if kind == SLEEP:
                    await guard.asleep(limit or 0.0)
                else:
                    answer = await aqueue(guard, limit or 0.0)
            except BaseException as error:
                answer = False, error
            kind, limit, scope = _advance(travel, answer)
        cutoff = timeout(limit) if limit is not None else None
        if cutoff is not None:
            await cutoff.__aenter__()
        self._push((travel, cutoff, scope, limit))

    def leave(self, error: BaseException | None) -> None:
        """End the innermost block with what it raised."""
        travel, *_ = self._pop()
        _end(travel, error)

    async def aleave(self, error: BaseException | None) -> None:
        travel, cutoff, scope, limit = self._pop()
        if cutoff is not None and limit is not None:
            try:
                await cutoff.__aexit__(type(error) if error else None, error, None)
            except TimeoutError:
                late = TimedOut(self._guard.name, scope, limit)
                _end(travel, late)
                raise late from None
        _end(travel, error)

    def _journey(self) -> Travel:
        return Journey(self._guard.operation("default"), self._journey, (), {}).once()

    def _push(self, block: _Open) -> None:
        self._open.set((*self._open.get(), block))

    def _pop(self) -> _Open:
        *rest, last = self._open.get()
        self._open.set(tuple(rest))
        return last


def _advance(travel: Travel, answer: Answer | None) -> Step:
    """The next step of admission. Raises what it refused with."""
    try:
        return next(travel) if answer is None else travel.send(answer)
    except StopIteration as end:
        refused: BaseException = end.value[1]
    try:
        raise refused
    finally:
        del refused


def _end(travel: Travel, error: BaseException | None) -> None:
    """Tell the journey what the block came to; the block's exception goes its own way."""
    try:
        travel.send((error is None, error))
    except StopIteration:
        return
