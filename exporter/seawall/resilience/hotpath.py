"""The hot path. Read it from top to bottom: it is what every call of a healthy dependency runs.

A call that succeeds at once writes two numbers into its operation's lane of the ledger, and nothing else: no
event, no label, no metric, no lock. Whatever is not that simple (an open breaker, a failure, a wait, a slow
answer, a call that is traced, the housekeeping that is due once a slice) leaves the lane for a ``Journey``.

Why no lock is needed: between the reading and the storing of a shared number stands no call and no backward
jump, and CPython with a GIL switches threads, and delivers signals, nowhere else. Without a GIL the lane
stays shut (``guard.py``), and what journeys count is added under a lock (``ledger.py``).
"""

from __future__ import annotations

from asyncio import current_task
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, Any

from seawall.resilience.async_timeout import FIRED, TASK, expired
from seawall.resilience.attempt import Answer
from seawall.resilience.deadline import AT, Deadline, alive, current, reset, rest_of, within
from seawall.resilience.detours import aaside, aside
from seawall.resilience.drivers import adrive, drive
from seawall.resilience.errors import BreakerOpen
from seawall.resilience.fallback import MISSING
from seawall.resilience.journey import Journey
from seawall.resilience.on_threads import journeyed
from seawall.resilience.rate_limit import RateLimitState

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation

inherited_deadline = current.get


def synchronous(op: Operation, function: Callable[..., Any], new: bool = False) -> Callable[..., Any]:
    """``function`` under the guard. Breaker, retry, fallback cost a success nothing: lean has them too.

    ``new``: its first answer leaves the lane, to be looked at (``unbegun.py``).
    """
    lean = op.limiter is None and op.permits is None and op.keep is None and op.judge is None
    return (_lean if lean else _full)(op, function, -inf if new else op.slow_after)


def _lean(op: Operation, function: Callable[..., Any], slow_after: float) -> Callable[..., Any]:
    clock, bounds, base, sum_slot = op.clock, op.bounds, op.base, op.sum_slot
    first_bound, need = bounds[0], op.first_limit or 0.0
    run = within(op.first_limit, clock, function)

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal slow_after
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
        if (inherited := inherited_deadline()) is not None and rest_of(inherited) <= need:
            return _divert(op, function, args, kwargs)
        began = clock()
        try:
            result = run(*args, **kwargs) if kwargs else run(*args)
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
            answer, slow_after = (True, result), op.slow_after
        try:
            travel = Journey(op, function, args, kwargs).resume(answer, began, took, lane)
            return drive(op.guard, travel, function, args, kwargs)
        finally:
            # The exception's traceback holds this frame: without the name the frame holds it no longer.
            del answer

    return call


def _full(op: Operation, function: Callable[..., Any], slow_after: float) -> Callable[..., Any]:
    """With rate limit, bulkhead, stale store and judged results, each where there is one."""
    clock, bounds, base, sum_slot = op.clock, op.bounds, op.base, op.sum_slot
    limiter, permits, waiters, keep, judge = op.limiter, op.permits, op.waiters, op.keep, op.judge
    first_bound, source, need = bounds[0], (op.name, function), op.first_limit or 0.0
    run = within(op.first_limit, clock, function)

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal slow_after
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
        if (inherited := inherited_deadline()) is not None and rest_of(inherited) <= need:
            return _divert(op, function, args, kwargs)
        if permits is not None and (waiters or not permits):
            return _divert(op, function, args, kwargs)
        began = clock()
        if limiter is not None:
            arrival = limiter.arrival
            if arrival < began:
                arrival = began
            if arrival - began > limiter.tolerance:
                return _divert(op, function, args, kwargs)
            limiter.arrival = arrival + limiter.interval
        answer: Answer | None = None
        inside = asked = False
        try:
            if permits is not None:
                # Noted first: an interrupt can come after a call only, when the place is taken.
                inside = True
                permits.pop()
            asked = True
            result = run(*args, **kwargs) if kwargs else run(*args)
        except BaseException as error:
            answer = (False, error)
        try:
            took = clock() - began
        finally:
            # `inside`: there are permits. Not `asked`: there is an answer. No type checker follows that.
            if inside and (asked or type(answer[1]) is not IndexError):  # type: ignore[index]
                permits.append(None)  # type: ignore[union-attr]
                if waiters:
                    op.guard.wake()
        if answer is None:
            bucket = base if took <= first_bound else base + bisect_left(bounds, took)
            plain = op.lane == lane and took <= slow_after and began <= op.tick
            if plain and (judge is None or not judge(result)):
                slots = op.slots
                slots[bucket] += 1
                slots[sum_slot] += took
                if keep is not None:
                    keep(source, args, kwargs, result, began + took)
                return result
            answer, slow_after = (True, result), op.slow_after
        elif not asked:
            _unasked(op, limiter, answer)
            return _divert(op, function, args, kwargs)
        try:
            travel = Journey(op, function, args, kwargs).resume(answer, began, took, lane)
            return drive(op.guard, travel, function, args, kwargs)
        finally:
            del answer

    return call


def asynchronous(op: Operation, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same for a coroutine function; a limit cancels it."""
    clock, bounds, base, sum_slot, slow_after = op.clock, op.bounds, op.base, op.sum_slot, op.slow_after
    limit, limiter, permits, waiters = op.first_limit, op.limiter, op.permits, op.waiters
    keep, judge = op.keep, op.suspect
    first_bound, source, need = bounds[0], (op.name, function), limit or 0.0
    # Only who would begin something new, or times out, has to know whether the task is being cancelled.
    heeds_cancelling = limit is not None or op.guard.retry is not None or op.guard.fallback is not None

    async def call(*args: Any, **kwargs: Any) -> Any:
        task: Any = None
        cancelling = 0
        # Outside an event loop this raises, before anything is taken.
        if heeds_cancelling and (task := current_task()) is not None:
            cancelling = task.cancelling()
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
        if (inherited := inherited_deadline()) is not None and rest_of(inherited) <= need:
            return await _adivert(op, function, args, kwargs)
        if permits is not None and (waiters or not permits):
            return await _adivert(op, function, args, kwargs)
        began = clock()
        if limiter is not None:
            arrival = limiter.arrival
            if arrival < began:
                arrival = began
            if arrival - began > limiter.tolerance:
                return await _adivert(op, function, args, kwargs)
            limiter.arrival = arrival + limiter.interval
        answer: Answer | None = None
        deadline: Deadline | None = None
        token = expiry = None
        inside = asked = False
        try:
            if permits is not None:
                inside = True
                permits.pop()
            if limit is not None:
                deadline = [began + limit, clock, alive(inherited)]
                token = current.set(deadline)
                expiry = [began + limit, task, cancelling, None]
                expiries = op.expiries
                if expiries.loop is not (loop := task.get_loop()):
                    expiries = op.expiries = expiries.on(loop)
                expiries.add(expiry)
            asked = True
            result = await (function(*args, **kwargs) if kwargs else function(*args))
        except BaseException as error:
            answer = (False, error)
        try:
            took = clock() - began
        finally:
            # What matters most first: after each call an interrupt may take the rest away.
            if deadline is not None:
                deadline[AT] = inf
            # `inside`: there are permits. Not `asked`: there is an answer. No type checker follows that.
            if inside and (asked or type(answer[1]) is not IndexError):  # type: ignore[index]
                permits.append(None)  # type: ignore[union-attr]
                if waiters:
                    op.guard.wake()
            if token is not None:
                reset(token)
        if expiry is not None:
            expiry[TASK] = None
            if expiry[FIRED] is not None:
                answer = expired(op, expiry, answer)
        if answer is None:
            bucket = base if took <= first_bound else base + bisect_left(bounds, took)
            plain = op.lane == lane and took <= slow_after and began <= op.tick
            if plain and (judge is None or not judge(result)):
                slots = op.slots
                slots[bucket] += 1
                slots[sum_slot] += took
                if keep is not None:
                    keep(source, args, kwargs, result, began + took)
                return result
            answer = (True, result)
        elif not asked:
            _unasked(op, limiter, answer)
            return await _adivert(op, function, args, kwargs)
        try:
            travel = Journey(op, function, args, kwargs).resume(answer, began, took, lane)
            if not answer[0] and isinstance(answer[1], GeneratorExit):
                # Closed from outside, perhaps with its loop gone: nothing can be awaited any more.
                return drive(op.guard, travel, function, args, kwargs)
            return await adrive(op.guard, travel, function, args, kwargs, cancelling)
        finally:
            del answer

    return call


def _divert(
    op: Operation, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Leave the lane before anything was asked."""
    if op.sampling:
        return aside(op, function, args, kwargs, synchronous)
    return journeyed(op, function, args, kwargs)


async def _adivert(
    op: Operation, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if op.sampling:
        return await aaside(op, function, args, kwargs, asynchronous)
    # As many as when the call began: nothing was awaited since. All heed it here, who will begin something.
    cancelling = 0 if (task := current_task()) is None else task.cancelling()
    travel = Journey(op, function, args, kwargs).run()
    return await adrive(op.guard, travel, function, args, kwargs, cancelling)


def _unasked(op: Operation, limiter: RateLimitState | None, answer: Answer | None) -> None:
    """Give back what was taken; raise what came in between, unless it is that the last place just went."""
    if limiter is not None:
        limiter.arrival -= limiter.interval
    if answer is not None and type(answer[1]) is not IndexError:
        op.count("calls", "cancelled")
        op.observe("call_duration", 0.0, op.name)
        raise answer[1]
