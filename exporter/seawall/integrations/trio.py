"""trio: coroutine functions and blocks under a guard, an operation or a pipeline.

@guarded(bank)
async def balance(account: str) -> int: ...

Rules, numbers and events are those of ``asyncio``; each call takes the longer way, some microseconds.
Cancelled from outside, a call is neutral: it gives everything back and is not retried. Tests on trio's
``MockClock`` give the guard the same time, ``clock=mock_clock.current_time``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import update_wrapper
from inspect import isawaitable
from math import inf
from typing import Any, ParamSpec, TypeVar, cast

import trio

from seawall.resilience.attempt import ATTEMPT, QUEUE, SLEEP, Answer
from seawall.resilience.block import Block, block_of
from seawall.resilience.callables import COROUTINE, kind_of
from seawall.resilience.drivers import wait_in_line
from seawall.resilience.errors import ConfigurationError, TimedOut
from seawall.resilience.guard import Guard
from seawall.resilience.guarding import Guarding
from seawall.resilience.journey import Journey
from seawall.resilience.operation import Operation
from seawall.resilience.unbegun import name_of

P = ParamSpec("P")
R = TypeVar("R")

_KNOWN = {"breaker", "retry", "timeout", "bulkhead", "rate_limit", "fallback"}


def guarded(where: Guarding) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Decorate a coroutine function that trio runs. :class:`ConfigurationError` for anything else."""
    layers = _layers(where)

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        if (kind := kind_of(function)) != COROUTINE:
            why = f"can't guard {name_of(function)} under trio, a {kind}; allowed: async def"
            raise ConfigurationError([f"{layers[0].dependency}: {why}"])
        run: Callable[..., Awaitable[Any]] = function
        for op in reversed(layers):
            run = _under(op, run)
        return cast("Callable[P, Awaitable[R]]", update_wrapper(run, function))

    return decorate


async def call(
    where: Guarding, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Await a coroutine function as if it were decorated."""
    return await guarded(where)(function)(*args, **kwargs)


@asynccontextmanager
async def block(where: Guarding) -> AsyncGenerator[None]:
    """``async with block(bank):``: one attempt around a block. A timeout cancels what is in it."""
    async with AsyncExitStack() as entered:
        for op in _layers(where):
            await entered.enter_async_context(_block(op))
        yield


def _layers(where: Guarding) -> tuple[Operation, ...]:
    layers = where._layers()
    unknown = sorted({policy for op in layers for policy in op.guard.policies} - _KNOWN)
    if unknown:
        why = f"{' and '.join(unknown)} under trio; allowed: {', '.join(sorted(_KNOWN))}"
        raise ConfigurationError([f"{layers[0].dependency}: can't have {why}"])
    return layers


def _under(op: Operation, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await _drive(op, function, args, kwargs)

    return call


async def _drive(
    op: Operation, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run a call's journey in this task: see ``drivers.py``."""
    # A guard that was given other settings since has another operation of this name, a member of a family
    # that has gone one of another guard.
    op = op.guard.operation(op.name)
    guard = op.guard
    travel = Journey(op, function, args, kwargs).run()
    try:
        kind, limit, what = next(travel)
        while True:
            answer: Answer
            try:
                # Who is being cancelled begins nothing, whatever the function raised instead.
                await trio.lowlevel.checkpoint_if_cancelled()
                if kind == ATTEMPT:
                    answer = True, await _within(guard, limit, what, function(*args, **kwargs))
                elif kind in (SLEEP, QUEUE):
                    answer = await _wait(guard, kind, limit or 0.0, what)
                else:
                    given = what(*args, **kwargs)
                    answer = (
                        True,
                        await _within(guard, limit, "attempt", given) if isawaitable(given) else given,
                    )
            except BaseException as error:  # noqa: BLE001 - it goes to its verdict
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
    with trio.move_on_after(max(0.0, limit)):
        return await work
    raise TimedOut(guard.name, scope, limit)


async def _wait(guard: Guard, kind: str, seconds: float, granted: Any) -> Answer:
    if kind == QUEUE:
        return await wait_in_line(guard, _TrioWaiter(), seconds, granted)
    await trio.sleep(seconds)
    return True, None


class _TrioWaiter:
    """A trio task in the bulkhead's queue; woken from any thread."""

    __slots__ = ("_event", "_token", "placed")

    def __init__(self) -> None:
        self.placed = False
        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def wake(self) -> bool:
        try:
            self._token.run_sync_soon(self._event.set)
        except trio.RunFinishedError:
            # Its task can't run any more to give a place back.
            return False
        return True

    async def wait(self, seconds: float) -> None:
        with trio.move_on_after(max(0.0, seconds)):
            await self._event.wait()


class _TrioBlock(Block):
    __slots__ = ()

    async def aadmit(self) -> None:
        guard = self.journey.op.guard
        kind, seconds, scope = self._next(None)
        while kind != ATTEMPT:
            try:
                answer = await _wait(guard, kind, seconds or 0.0, scope)
            except BaseException as error:  # noqa: BLE001 - it goes to its verdict
                answer = False, error
            kind, seconds, scope = self._next(answer)
        self.limit, self.scope = seconds, scope


@asynccontextmanager
async def _block(op: Operation) -> AsyncGenerator[None]:
    journey = Journey(op, block_of, (), {})
    journey.limits = journey.limits.fixed
    attempt = _TrioBlock(journey)
    await attempt.aadmit()
    limit = inf if attempt.limit is None else attempt.limit
    try:
        with trio.move_on_after(max(0.0, limit)) as cutoff:
            yield
        if cutoff.cancelled_caught:
            raise TimedOut(op.dependency, attempt.scope, limit)
    except BaseException as error:
        attempt.end(error)
        raise
    attempt.end(None)
