"""Half-open admits exactly N probes, whoever comes and whatever becomes of them.

The reports: circuitbreaker, purgatory, pyresilience, hyx and aiobreaker let all of 50 callers through;
resilience4j#544, #903, #935 and monix#1080 (a call that is ignored, unreported or cancelled sticks for ever);
resilience4j#1432, #343 and Polly#216 (extra calls at open to half-open, a stampede while a slow probe runs);
opossum#276 (volume threshold wedges half-open); Polly#217, #218 (late results change the state).
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from seawall.resilience import Breaker, BreakerOpen, Guard, Registry
from seawall.testing import ManualClock

PERMITS = 3


def opened(clock: ManualClock, **settings: Any) -> Guard:
    guard = Guard(
        "bank",
        breaker=Breaker(window_calls=4, minimum_calls=4, open_for=10, half_open_permits=PERMITS, **settings),
        registry=Registry("t"),
        clock=clock,
    )
    for _ in range(4):
        with pytest.raises(ConnectionError):
            guard.call(_fail)
    assert guard.state == "open"
    clock.advance(10)
    return guard


def _fail() -> None:
    raise ConnectionError


def test_fifty_tasks_arrive_at_half_open_and_exactly_n_are_let_through() -> None:
    clock = ManualClock()
    guard = opened(clock)
    let_through = 0

    @guard
    async def probe() -> None:
        nonlocal let_through
        let_through += 1
        await asyncio.sleep(1)

    async def main() -> list[Any]:
        return await asyncio.gather(*(probe() for _ in range(50)), return_exceptions=True)

    results = clock.run(main())
    assert let_through == PERMITS
    assert sum(isinstance(r, BreakerOpen) for r in results) == 50 - PERMITS
    assert guard.state == "closed"


def test_fifty_threads_arrive_at_half_open_and_exactly_n_are_let_through() -> None:
    guard = opened(ManualClock())
    inside, release, start = threading.Semaphore(0), threading.Event(), threading.Barrier(50)
    counts = {"in": 0, "rejected": 0}
    lock = threading.Lock()

    @guard
    def probe() -> None:
        with lock:
            counts["in"] += 1
        inside.release()
        release.wait(10)

    def caller() -> None:
        start.wait(10)
        try:
            probe()
        except BreakerOpen:
            with lock:
                counts["rejected"] += 1
                if counts["rejected"] == 50 - PERMITS:
                    release.set()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=caller) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    finally:
        sys.setswitchinterval(before)
        release.set()
    assert counts == {"in": PERMITS, "rejected": 50 - PERMITS}
    assert guard.state == "closed"


@pytest.mark.parametrize("error", [KeyError("ignored"), asyncio.CancelledError()])
def test_resilience4j_544_ignored_or_cancelled_probes_give_their_slot_back(error: BaseException) -> None:
    guard = opened(ManualClock(), ignore=(KeyError,))

    def probe() -> None:
        raise error

    for _ in range(5 * PERMITS):
        with pytest.raises(type(error)):
            guard.call(probe)
    assert guard.state == "half_open"
    for _ in range(PERMITS):
        guard.call(lambda: None)
    assert guard.state == "closed"


def test_resilience4j_1432_no_more_probes_while_slow_ones_run() -> None:
    clock = ManualClock()
    guard = opened(clock)

    async def main() -> None:
        gate = asyncio.Event()
        probes = [asyncio.create_task(guard.acall(gate.wait)) for _ in range(PERMITS)]
        await asyncio.sleep(0)
        for _ in range(20):
            clock.advance(1)
            with pytest.raises(BreakerOpen):
                await guard.acall(asyncio.sleep, 0)
        gate.set()
        await asyncio.gather(*probes)

    clock.run(main())
    assert guard.state == "closed"


def test_opossum_276_half_open_decides_below_minimum_calls() -> None:
    guard = opened(ManualClock())
    for _ in range(PERMITS):
        guard.call(lambda: None)
    assert guard.state == "closed"


def test_probes_that_never_answer_do_not_hold_half_open_for_ever() -> None:
    clock = ManualClock()
    guard = opened(clock, half_open_max_wait=60)

    async def main() -> None:
        hung = [asyncio.create_task(guard.acall(asyncio.Event().wait)) for _ in range(PERMITS)]
        await asyncio.sleep(0)
        clock.advance(60)
        with pytest.raises(BreakerOpen):
            await guard.acall(asyncio.sleep, 0)
        assert guard.state == "open"
        clock.advance(10)
        await guard.acall(asyncio.sleep, 0)
        assert guard.state == "half_open"
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)

    clock.run(main())


@pytest.mark.parametrize("late", ["success", "failure"])
def test_polly_217_late_results_change_nothing(late: str) -> None:
    """Calls that began before the breaker opened come back while it is half-open."""
    clock = ManualClock()
    guard = Guard(
        "bank",
        breaker=Breaker(window_calls=4, minimum_calls=4, open_for=10, half_open_permits=PERMITS),
        registry=Registry("t"),
        clock=clock,
    )

    async def old(gate: asyncio.Event) -> None:
        await gate.wait()
        if late == "failure":
            raise ConnectionError

    async def broken() -> None:
        raise ConnectionError

    async def main() -> None:
        gate = asyncio.Event()
        flying = [asyncio.create_task(guard.acall(old, gate)) for _ in range(10)]
        await asyncio.sleep(0)
        for _ in range(4):
            with pytest.raises(ConnectionError):
                await guard.acall(broken)
        clock.advance(10)
        await guard.acall(asyncio.sleep, 0)
        assert guard.state == "half_open"
        transitions = guard.snapshot()["last_transition"]
        gate.set()
        await asyncio.gather(*flying, return_exceptions=True)
        assert guard.state == "half_open"
        assert guard.snapshot()["last_transition"] == transitions
        for _ in range(PERMITS - 1):
            await guard.acall(asyncio.sleep, 0)

    clock.run(main())
    assert guard.state == "closed"
