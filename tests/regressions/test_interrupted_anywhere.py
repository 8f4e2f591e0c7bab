"""An interrupt after any call that the slow path makes, one after the other: every place comes back.

Python runs signal handlers when a function begins and after a call; a profiler is told of both, so one that
raises at its n-th event is an interrupt at that instant, without a clock.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from types import FrameType
from typing import Any

import pytest
import trio

from seawall.integrations.trio import call
from seawall.resilience import Breaker, Bulkhead, Guard, RateLimit, Registry, Retry, Timeout
from seawall.testing import ManualClock

# An interrupt while Python collects a generator is reported, not raised: there is nobody to raise it to.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning"),
]

SLOW = RateLimit(rate=1e6, burst=1000, kind="sliding_window")
MOST = 2000
OURS = ("/seawall/resilience/", "/seawall/integrations/trio")
#: The edges of a ``with`` statement: between them and the first line of these stands no code of ours.
BEYOND_US = {("return", "Guard.__enter__"), ("call", "Guard.__exit__"), ("call", "Blocks.leave")}
SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Interrupted(BaseException):
    pass


def guarded(clock: ManualClock, **settings: Any) -> Guard:
    settings = {"bulkhead": Bulkhead(limit=1, max_queue=2, max_wait=1.0), "rate_limit": SLOW} | settings
    return Guard(
        "bank", registry=Registry("t"), clock=clock, sleep=clock.sleep, asleep=clock.asleep, **settings
    )


def interrupted(body: Callable[[], object], at: int) -> bool:
    """Run it with an interrupt at the n-th event in the library; whether it came to that."""
    seen = 0

    def event(frame: FrameType, kind: str, what: object) -> None:
        nonlocal seen
        if kind not in ("call", "c_return", "return"):
            return
        # Where a generator yields nobody is interrupted: its caller is, when it has what was yielded.
        yields = kind == "return" and frame.f_code.co_flags & SUSPENDS
        if (kind, frame.f_code.co_qualname) in BEYOND_US:
            return
        if any(part in frame.f_code.co_filename for part in OURS) and not yields:
            seen += 1
            if seen == at:
                sys.setprofile(None)
                raise Interrupted

    def run() -> None:
        sys.setprofile(event)
        try:
            body()
        except (Interrupted, ConnectionError):
            pass
        finally:
            sys.setprofile(None)

    Context().run(run)
    return seen >= at


def fails() -> None:
    raise ConnectionError


async def aint() -> int:
    return 0


async def afails() -> None:
    raise ConnectionError


def free(guard: Guard) -> bool:
    """Whether somebody else gets the guard's lock, and every place is there."""
    taken: list[bool] = []

    def take() -> None:
        taken.append(guard.lock.acquire(blocking=False))
        if taken[0]:
            guard.lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert guard.bulkhead is not None
    return taken == [True] and guard.bulkhead.in_flight == 0 and not guard.bulkhead.waiters


@pytest.mark.parametrize("settings", [{}, {"timeout": Timeout(attempt=1)}, {"breaker": Breaker()}], ids=str)
@pytest.mark.parametrize("function", [int, fails])
def test_a_call_off_the_lane(function: Callable[[], Any], settings: dict[str, Any]) -> None:
    for at in range(1, MOST):
        clock = ManualClock()
        guard = guarded(clock, retry=Retry(attempts=2), **settings)
        done = not interrupted(lambda: guard.call(function), at)  # noqa: B023
        assert free(guard), at
        if done:
            return
    pytest.fail("never ran through")


def test_a_block() -> None:
    for at in range(1, MOST):
        guard = guarded(ManualClock())

        def block() -> None:
            with guard:  # noqa: B023
                pass

        done = not interrupted(block, at)
        assert free(guard), at
        if done:
            return
    pytest.fail("never ran through")


@pytest.mark.parametrize("function", [aint, afails])
def test_a_coroutine(function: Callable[[], Any]) -> None:
    for at in range(1, MOST):
        clock = ManualClock()
        guard = guarded(clock, retry=Retry(attempts=2))
        done = not interrupted(lambda: clock.run(guard.acall(function)), at)  # noqa: B023
        assert free(guard), at
        if done:
            return
    pytest.fail("never ran through")


@pytest.mark.parametrize("function", [aint, afails])
def test_a_coroutine_of_trio(function: Callable[[], Any]) -> None:
    for at in range(1, MOST):
        guard = guarded(ManualClock(), retry=Retry(attempts=2, base_delay=0))
        done = not interrupted(lambda: trio.run(call, guard, function), at)  # noqa: B023
        assert free(guard), at
        if done:
            return
    pytest.fail("never ran through")
