"""The hot path. Read it from top to bottom: it is what every call of a healthy dependency runs.

A call that succeeds at once writes two numbers into its operation's lane of the ledger, and nothing else: no
event, no label, no metric, no lock. Whatever is not that simple (an open breaker, a failure, a wait, a slow
answer, a call that is traced, the housekeeping that is due once a slice) leaves the lane for a ``Journey``.

Why no lock is needed: between the reading and the storing of a shared number stands no call and no backward
jump, and CPython with a GIL switches threads nowhere else. Without a GIL the lane stays shut (``guard.py``)
and every call takes the locked way.
"""

from __future__ import annotations

from asyncio import CancelledError, current_task
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from seawall.resilience.async_timeout import FIRED, TASK, Expiry, is_ours
from seawall.resilience.attempt import Answer
from seawall.resilience.drivers import adrive, drive
from seawall.resilience.errors import BreakerOpen, TimedOut
from seawall.resilience.fallback import MISSING
from seawall.resilience.journey import Journey
from seawall.resilience.rate_limit import RateLimitState
from seawall.resilience.stopwatch import AsyncStopwatch, Stopwatch
from seawall.resilience.timeout import deadline, reset_deadline

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation


def synchronous(op: Operation, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` under the guard. Breaker, retry, fallback cost a success nothing: lean has them too."""
    plain = op.limiter is None and op.permits is None and op.first_limit is None
    lean = plain and op.keep is None and op.judge is None
    return _lean(op, function) if lean else _full(op, function)


def _lean(op: Operation, function: Callable[..., Any]) -> Callable[..., Any]:
    clock, bounds, base, sum_slot, slow_after = op.clock, op.bounds, op.base, op.sum_slot, op.slow_after
    first_bound = bounds[0]

    def call(*args: Any, **kwargs: Any) -> Any:
        lane = op.open_lane
        if not lane:
            if op.lane:
                lane = op.unwatched_lane()
            elif (now := op.clock()) < op.refuse_until:
                op.slots[op.refused] += 1
                if op.default is not MISSING:
                    return op.default
                raise BreakerOpen(op.dependency, "breaker", "open", op.refuse_until - now)
        if not lane:
            return _divert(op, function, args, kwargs)
        began = clock()
        try:
            result = function(*args, **kwargs) if kwargs else function(*args)
        except BaseException as error:
            answer: Answer = (False, error)
            took = clock() - began
        else:
            took = clock() - began
            bucket = base if took <= first_bound else base + bisect_left(bounds, took)
            if op.lane == lane and took <= slow_after and began <= op.tick:
                slots = op.slots
                slots[bucket] += 1
                slots[sum_slot] += took
                return result
            answer = (True, result)
        try:
            travel = Journey(op, function, args, kwargs).resume(answer, began, took, lane)
            return drive(op.guard, travel, function, args, kwargs)
        finally:
            # The exception's traceback holds this frame: without the name the frame holds it no longer.
            del answer

    return call


def _full(op: Operation, function: Callable[..., Any]) -> Callable[..., Any]:
    """With rate limit, bulkhead, deadline and stale store, each where there is one."""
    clock, bounds, base, sum_slot, slow_after = op.clock, op.bounds, op.base, op.sum_slot, op.slow_after
    limit, limiter, permits, waiters = op.first_limit, op.limiter, op.permits, op.waiters
    keep, judge = op.keep, op.judge
    first_bound, source = bounds[0], (op.name, function)

    def call(*args: Any, **kwargs: Any) -> Any:
        lane = op.open_lane
        if not lane:
            if op.lane:
                lane = op.unwatched_lane()
            elif (now := clock()) < op.refuse_until:
                op.slots[op.refused] += 1
                if op.default is not MISSING:
                    return op.default
                raise BreakerOpen(op.dependency, "breaker", "open", op.refuse_until - now)
        if not lane:
            return _divert(op, function, args, kwargs)
        began = clock()
        if limit is not None and (outer := deadline.get()) is not None and outer[0] < began + limit:
            return _divert(op, function, args, kwargs)
        if limiter is not None:
            arrival = limiter.arrival
            if arrival < began:
                arrival = began
            if arrival - began > limiter.tolerance:
                return _divert(op, function, args, kwargs)
            limiter.arrival = arrival + limiter.interval
        if permits is not None:
            try:
                if waiters:
                    return _divert(op, function, args, kwargs, limiter)
                permits.pop()
            except IndexError:
                return _divert(op, function, args, kwargs, limiter)
        token = None if limit is None else deadline.set((began + limit, clock))
        answer: Answer | None = None
        try:
            result = function(*args, **kwargs) if kwargs else function(*args)
        except BaseException as error:
            answer = (False, error)
        took = clock() - began
        if token is not None:
            deadline.reset(token)
        if permits is not None:
            permits.append(None)
            if waiters:
                op.guard.wake()
        if answer is None:
            bucket = base if took <= first_bound else base + bisect_left(bounds, took)
            good = judge is None or not judge(result)
            if good and op.lane == lane and took <= slow_after and began <= op.tick:
                slots = op.slots
                slots[bucket] += 1
                slots[sum_slot] += took
                if keep is not None:
                    keep(source, args, kwargs, result, began)
                return result
            answer = (True, result)
        try:
            travel = Journey(op, function, args, kwargs).resume(answer, began, took, lane)
            return drive(op.guard, travel, function, args, kwargs)
        finally:
            del answer

    return call


def asynchronous(op: Operation, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    clock, bounds, base, sum_slot, slow_after = op.clock, op.bounds, op.base, op.sum_slot, op.slow_after
    limit, limiter, permits, waiters = op.first_limit, op.limiter, op.permits, op.waiters
    keep, judge = op.keep, op.judge
    first_bound, source = bounds[0], (op.name, function)

    async def call(*args: Any, **kwargs: Any) -> Any:
        lane = op.open_lane
        if not lane:
            if op.lane:
                lane = op.unwatched_lane()
            elif (now := clock()) < op.refuse_until:
                op.slots[op.refused] += 1
                if op.default is not MISSING:
                    return op.default
                raise BreakerOpen(op.dependency, "breaker", "open", op.refuse_until - now)
        if not lane:
            return await _adivert(op, function, args, kwargs)
        began = clock()
        if limit is not None and (outer := deadline.get()) is not None and outer[0] < began + limit:
            return await _adivert(op, function, args, kwargs)
        if limiter is not None:
            arrival = limiter.arrival
            if arrival < began:
                arrival = began
            if arrival - began > limiter.tolerance:
                return await _adivert(op, function, args, kwargs)
            limiter.arrival = arrival + limiter.interval
        if permits is not None:
            try:
                if waiters:
                    return await _adivert(op, function, args, kwargs, limiter)
                permits.pop()
            except IndexError:
                return await _adivert(op, function, args, kwargs, limiter)
        expiry: Expiry | None = None
        token = None
        if limit is not None:
            token = deadline.set((began + limit, clock))
            task: Any = current_task()
            expiry = [began + limit, task, task.cancelling(), None]
            expiries = op.expiries
            if expiries.loop is not (loop := task.get_loop()):
                expiries = op.expiries = expiries.on(loop)
            expiries.add(expiry)
        answer: Answer | None = None
        try:
            result = await (function(*args, **kwargs) if kwargs else function(*args))
        except BaseException as error:
            answer = (False, error)
        took = clock() - began
        if token is not None:
            reset_deadline(token)
        if permits is not None:
            permits.append(None)
            if waiters:
                op.guard.wake()
        if expiry is not None:
            expiry[TASK] = None
            if expiry[FIRED] is not None:
                answer = _expired(op, expiry, answer)
        if answer is None:
            bucket = base if took <= first_bound else base + bisect_left(bounds, took)
            good = judge is None or not judge(result)
            if good and op.lane == lane and took <= slow_after and began <= op.tick:
                slots = op.slots
                slots[bucket] += 1
                slots[sum_slot] += took
                if keep is not None:
                    keep(source, args, kwargs, result, began)
                return result
            answer = (True, result)
        try:
            travel = Journey(op, function, args, kwargs).resume(answer, began, took, lane)
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
    if op.sampling:
        op.sample_taken()
        began, inside = op.clock(), Stopwatch(op.clock, function)
        result = synchronous(op, inside)(*args, **kwargs)
        if not inside.strayed:
            op.observe("overhead", op.clock() - began - inside.seconds)
        return result
    return drive(op.guard, Journey(op, function, args, kwargs).run(), function, args, kwargs)


async def _adivert(
    op: Operation,
    function: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    limiter: RateLimitState | None = None,
) -> Any:
    if limiter is not None:
        limiter.arrival -= limiter.interval
    if op.sampling:
        op.sample_taken()
        began, inside = op.clock(), AsyncStopwatch(op.clock, function)
        result = await asynchronous(op, inside)(*args, **kwargs)
        if not inside.strayed:
            op.observe("overhead", op.clock() - began - inside.seconds)
        return result
    return await adrive(op.guard, Journey(op, function, args, kwargs).run(), function, args, kwargs)


def _expired(op: Operation, expiry: Expiry, answer: Answer | None) -> Answer | None:
    """The limit fired: a cancellation that is ours becomes :class:`TimedOut`, any other stays what it is."""
    ours = is_ours(expiry)
    if answer is not None and ours and isinstance(answer[1], CancelledError):
        assert op.guard.timeout is not None
        limit, scope = op.guard.timeout.first
        return False, TimedOut(op.guard.name, scope, limit)
    return answer
