"""``with guard:`` and ``async with guard:``: one attempt around a block of code.

A block can't run twice, so retry and fallback stay out; breaker, rate limit, bulkhead and deadline are as
ever.
In ``async with`` the timeouts cancel the block, as ``asyncio.timeout`` does.
"""

from __future__ import annotations

from asyncio import Timeout, timeout
from collections.abc import Generator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from seawall.resilience.attempt import ATTEMPT, SLEEP, Answer, Step
from seawall.resilience.building import refuse_parts
from seawall.resilience.drivers import aqueue, queue
from seawall.resilience.errors import TimedOut
from seawall.resilience.journey import Journey

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard
    from seawall.resilience.operation import Operation

Travel = Generator[Step, Answer, Answer]

#: Of all guards: a context never forgets a variable, so that one for each guard would outlive the guards.
_open: ContextVar[tuple[Block, ...]] = ContextVar("seawall_blocks", default=())


class Block:
    """One attempt of one operation, from its admission to its end: ``with Block(op):``, once.

    It is ended by whoever entered it, in any thread, task or context.
    """

    __slots__ = ("_cutoff", "_travel", "journey", "limit", "scope")

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self._travel: Travel | None = journey.once()
        self._cutoff: Timeout | None = None
        self.limit: float | None = None
        self.scope = ""

    @property
    def open(self) -> bool:
        """Whether it is still to be ended."""
        return self._travel is not None

    def admit(self) -> None:
        """Wait in this thread until admitted, or raise why not."""
        guard = self.journey.op.guard
        kind, seconds, scope = self._next(None)
        while kind != ATTEMPT:
            answer: Answer = (True, None)
            try:
                if kind == SLEEP:
                    guard.sleep(seconds or 0.0)
                else:
                    answer = queue(guard, seconds or 0.0, scope)
            except BaseException as error:
                answer = False, error
            kind, seconds, scope = self._next(answer)
        self.limit, self.scope = seconds, scope

    async def aadmit(self) -> None:
        """Wait in this task until admitted, or raise why not."""
        guard = self.journey.op.guard
        kind, seconds, scope = self._next(None)
        while kind != ATTEMPT:
            answer: Answer = (True, None)
            try:
                if kind == SLEEP:
                    await guard.asleep(seconds or 0.0)
                else:
                    answer = await aqueue(guard, seconds or 0.0, scope)
            except BaseException as error:
                answer = False, error
            kind, seconds, scope = self._next(answer)
        self.limit, self.scope = seconds, scope

    def end(self, error: BaseException | None) -> None:
        """Tell the journey what the block came to; the block's exception goes its own way."""
        travel, self._travel = self._travel, None
        assert travel is not None
        try:
            self._send(travel, (error is None, error))
        except StopIteration:
            return

    def __enter__(self) -> None:
        try:
            self.admit()
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Interrupted on the way in: what is taken goes back."""
        travel, self._travel = self._travel, None
        if travel is not None:
            travel.close()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.end(error)

    async def __aenter__(self) -> None:
        try:
            await self.aadmit()
        except BaseException:
            self.abandon()
            raise
        if self.limit is not None:
            try:
                self._cutoff = timeout(self.limit)
                await self._cutoff.__aenter__()
            except BaseException as error:
                self.end(error)
                raise

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._cutoff is not None and self.limit is not None:
            try:
                await self._cutoff.__aexit__(type(error) if error else None, error, None)
            except TimeoutError:
                late = TimedOut(self.journey.op.guard.name, self.scope, self.limit)
                self.end(late)
                raise late from None
        self.end(error)

    def _next(self, answer: Answer | None) -> Step:
        """The next step of admission. Raises what it refused with."""
        assert self._travel is not None
        try:
            return self._send(self._travel, answer)
        except StopIteration as end:
            self._travel = None
            refused: BaseException = end.value[1]
        try:
            raise refused
        finally:
            del refused

    def _send(self, travel: Travel, answer: Answer | None) -> Step:
        return next(travel) if answer is None else travel.send(answer)


class Blocks:
    """The blocks of one guard that are open, innermost last, per thread or task.

    A block inside a generator may be left in another context than it was entered in. Where the context knows
    no open block, the one entered last anywhere is ended: each leaving ends one block, no permit is lost.
    """

    __slots__ = ("_entered", "_guard")

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._entered: dict[Block, None] = {}

    @property
    def any(self) -> bool:
        """Whether a block is open."""
        return bool(self._entered)

    def begin(self) -> Block:
        """A block of the default operation, not yet entered."""
        op = self._guard.operation("default")
        refuse_parts(op, "a block")
        return block_of(op)

    def enter(self, block: Block) -> None:
        """Be admitted, or raise why not."""
        block.__enter__()
        self._push(block)

    async def aenter(self, block: Block) -> None:
        await block.__aenter__()
        self._push(block)

    def abandon(self, block: Block) -> None:
        """Forget it: it is ended, or was refused, or an interrupt came on the way in or out."""
        block.abandon()
        self._entered.pop(block, None)
        _open.set(tuple([other for other in _open.get() if other.open]))

    def leave(self, error: BaseException | None) -> None:
        """End the innermost block with what it raised."""
        block: Block | None = None
        try:
            block = self._innermost()
            block.__exit__(None, error, None)
        finally:
            self.abandon(self._innermost() if block is None else block)

    async def aleave(self, error: BaseException | None) -> None:
        block: Block | None = None
        try:
            block = self._innermost()
            await block.__aexit__(None, error, None)
        finally:
            self.abandon(self._innermost() if block is None else block)

    def _push(self, block: Block) -> None:
        self._entered[block] = None
        _open.set((*_open.get(), block))

    def _innermost(self) -> Block:
        mine = [block for block in _open.get() if block.open and block in self._entered]
        return mine[-1] if mine else next(reversed(self._entered))


def block_of(
    op: Operation, args: tuple[Any, ...] | None = None, kwargs: dict[str, Any] | None = None
) -> Block:
    """A block under this operation, not yet entered. ``args``, ``kwargs``: of whoever made it, if anyone."""
    journey = Journey(op._operation(), block_of, args or (), kwargs or {})
    if args is None:
        journey.limits = journey.limits.fixed
    return Block(journey)
