"""The hot path. Read it from top to bottom: it is what every call of a healthy dependency runs.

A call that succeeds at once writes two numbers into its operation's lane of the ledger, and nothing else: no
event, no label, no metric, no lock. Whatever is not that simple (an open breaker, a failure, a wait, a slow
answer, a call that is traced, the housekeeping that is due once a slice) leaves the lane for a ``Journey``.

Why no lock is needed: between the reading and the storing of a shared number stands no call and no backward
jump, and CPython with a GIL switches threads nowhere else. Without a GIL the lane stays shut (``guard.py``)
and every call takes the locked way.
"""

from __future__ import annotations

import functools
import inspect
from asyncio import CancelledError, Task, current_task
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from seawall.resilience.async_timeout import ExpiriesByLoop, Expiry
from seawall.resilience.attempt import Answer
from seawall.resilience.drivers import adrive, drive
from seawall.resilience.errors import ConfigurationError, TimedOut
from seawall.resilience.journey import Journey
from seawall.resilience.rate_limit import RateLimitState
from seawall.resilience.timeout import deadline, reset_deadline

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard

P = ParamSpec("P")
R = TypeVar("R")


class Operation:
    """One operation of a guard: a decorator, and ``call`` / ``acall``. Its attributes are what the lane
    needs.

    ``lane`` is the breaker's epoch while the lane is open, 0 while it is shut. ``tick`` is when housekeeping
    is due, on the guard's clock.
    """

    __slots__ = (
        "base", "bounds", "clock", "expiries", "first_limit", "guard", "keep", "lane", "limiter", "name",
        "permits",
        "slots", "slow_after", "sum_slot", "tick", "waiters", "watching",
    )  # fmt: skip

    def __init__(self, guard: Guard, name: str) -> None:
        self.guard = guard
        self.name = name
        self.clock = guard.clock
        lane = guard.ledger.layout.lanes[name]
        self.slots = guard.ledger.slots
        self.bounds = guard.ledger.layout.bounds
        self.base = lane.offset
        self.sum_slot = lane.offset + lane.size - 1
        self.lane = 0
        self.tick = -inf
        self.watching: Callable[[], bool] | None = None
        self.limiter = guard.limiter
        self.permits = guard.bulkhead.permits if guard.bulkhead else None
        self.waiters = guard.bulkhead.waiters if guard.bulkhead else None
        self.keep = guard.stale.keep if guard.stale else None
        self.first_limit: float | None = guard.timeout.first[0] if guard.timeout else None
        self.expiries = ExpiriesByLoop(self.first_limit) if self.first_limit is not None else None
        breaker = guard.breaker
        slow = breaker.settings.slow_after if breaker and breaker.settings.slow_after else inf
        self.slow_after = min(slow, self.first_limit or inf)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Guard a function or coroutine function. Generators are refused: they would run unguarded."""
        return cast("Callable[P, R]", guarded(self, function))

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function under the guard."""
        return cast("R", _sync(self, function)(*args, **kwargs))

    async def acall(self, function: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Await a coroutine function under the guard."""
        return cast("R", await _async(self, function)(*args, **kwargs))

    # -- the ledger, off the lane

    def count(self, field: str, *labels: str) -> None:
        self.slots[self.guard.ledger.layout.at(field, self.name, *labels)] += 1

    def add(self, field: str, amount: float) -> None:
        self.slots[self.guard.ledger.layout.at(field, self.name)] += amount

    def observe(self, field: str, seconds: float, *labels: str) -> int:
        """Add to a histogram; the slot of the bucket."""
        return self.guard.observe(field, seconds, *labels)

    def tick_if_due(self) -> None:
        now = self.clock()
        if now > self.tick:
            self.guard.housekeep(now)


def guarded(op: Operation, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` under the guard, with its own name and signature."""
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    called = inner if inspect.isroutine(inner) else type(inner).__call__
    generator = inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called)
    if generator or isinstance(inner, type | staticmethod | classmethod) or not callable(inner):
        what = f"the generator {_name(inner)}" if generator else _name(inner)
        allowed = "def and async def functions"
        raise ConfigurationError([f"{op.guard.name}: can't guard {what}; allowed: {allowed}"])
    is_async = inspect.iscoroutinefunction(called)
    wrapped = _async(op, function) if is_async else _sync(op, function)
    functools.update_wrapper(wrapped, function)
    return wrapped


def _name(thing: object) -> str:
    return getattr(thing, "__qualname__", type(thing).__name__)


def _sync(op: Operation, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        lane = op.lane
        if not lane or (op.watching is not None and op.watching()):
            return _divert(op, function, args, kwargs)
        began = op.clock()
        limit = op.first_limit
        if limit is not None and (outer := deadline.get()) is not None and outer[0] < began + limit:
            return _divert(op, function, args, kwargs)
        if (limiter := op.limiter) is not None:
            arrival = limiter.arrival
            if arrival < began:
                arrival = began
            if arrival - began > limiter.tolerance:
                return _divert(op, function, args, kwargs)
            limiter.arrival = arrival + limiter.interval
        if (permits := op.permits) is not None:
            try:
                if op.waiters:
                    return _divert(op, function, args, kwargs, limiter)
                permits.pop()
            except IndexError:
                return _divert(op, function, args, kwargs, limiter)
        token = None if limit is None else deadline.set((began + limit, op.clock))
        answer: Answer | None = None
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            answer = (False, error)
        took = op.clock() - began
        if token is not None:
            deadline.reset(token)
        if permits is not None:
            permits.append(None)
            if op.waiters:
                op.guard.wake()
        if answer is None:
            bucket = op.base + bisect_left(op.bounds, took)
            if op.lane == lane and took <= op.slow_after and began <= op.tick:
                slots = op.slots
                slots[bucket] += 1
                slots[op.sum_slot] += took
                if op.keep is not None:
                    op.keep(op.name, args, kwargs, result, began)
                return result
            answer = (True, result)
        try:
            travel = Journey(op, args, kwargs).resume(answer, began, took, lane)
            return drive(op.guard, travel, function, args, kwargs)
        finally:
            # The exception's traceback holds this frame: without the name the frame holds it no longer.
            del answer

    return call


def _async(op: Operation, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        lane = op.lane
        if not lane or (op.watching is not None and op.watching()):
            return await _adivert(op, function, args, kwargs)
        began = op.clock()
        limit = op.first_limit
        if limit is not None and (outer := deadline.get()) is not None and outer[0] < began + limit:
            return await _adivert(op, function, args, kwargs)
        if (limiter := op.limiter) is not None:
            arrival = limiter.arrival
            if arrival < began:
                arrival = began
            if arrival - began > limiter.tolerance:
                return await _adivert(op, function, args, kwargs)
            limiter.arrival = arrival + limiter.interval
        if (permits := op.permits) is not None:
            try:
                if op.waiters:
                    return await _adivert(op, function, args, kwargs, limiter)
                permits.pop()
            except IndexError:
                return await _adivert(op, function, args, kwargs, limiter)
        expiry = token = None
        if limit is not None:
            token = deadline.set((began + limit, op.clock))
            expiry = op.expiries.start(cast("Task[Any]", current_task()))  # type: ignore[union-attr]
        answer: Answer | None = None
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            answer = (False, error)
        took = op.clock() - began
        if token is not None:
            reset_deadline(token)
        if permits is not None:
            permits.append(None)
            if op.waiters:
                op.guard.wake()
        if expiry is not None:
            expiry.task = None
            if expiry.fired:
                answer = _expired(op, expiry, answer)
        if answer is None:
            bucket = op.base + bisect_left(op.bounds, took)
            if op.lane == lane and took <= op.slow_after and began <= op.tick:
                slots = op.slots
                slots[bucket] += 1
                slots[op.sum_slot] += took
                if op.keep is not None:
                    op.keep(op.name, args, kwargs, result, began)
                return result
            answer = (True, result)
        try:
            travel = Journey(op, args, kwargs).resume(answer, began, took, lane)
            return await adrive(op.guard, travel, function, args, kwargs)
        finally:
            del answer

    return call


def _divert(
    op: Operation,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    limiter: RateLimitState | None = None,
) -> Any:
    """Leave the lane before anything was asked; ``limiter`` gave a permit that goes back."""
    if limiter is not None:
        limiter.arrival -= limiter.interval
    return drive(op.guard, Journey(op, args, kwargs).run(), function, args, kwargs)


async def _adivert(
    op: Operation,
    function: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    limiter: RateLimitState | None = None,
) -> Any:
    if limiter is not None:
        limiter.arrival -= limiter.interval
    return await adrive(op.guard, Journey(op, args, kwargs).run(), function, args, kwargs)


def _expired(op: Operation, expiry: Expiry, answer: Answer | None) -> Answer | None:
    """The limit fired: a cancellation that is ours becomes :class:`TimedOut`, any other stays what it is."""
    ours = expiry.ours()
    if answer is not None and ours and isinstance(answer[1], CancelledError):
        assert op.guard.timeout is not None
        limit, scope = op.guard.timeout.first
        return False, TimedOut(op.guard.name, scope, limit)
    return answer
