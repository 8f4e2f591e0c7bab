"""Half-open admits exactly N probes, whoever comes and whatever becomes of them.

circuitbreaker, purgatory, pyresilience, hyx and aiobreaker let all of 50 callers through.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from seawall.resilience import Breaker, BreakerOpen, Guard, Registry, TimedOut, Timeout
from seawall.testing import ManualClock

PERMITS = 3


def opened(clock: ManualClock, timeout: Timeout | None = None, **settings: Any) -> Guard:
    guard = Guard(
        "bank",
        breaker=Breaker(window_calls=4, minimum_calls=4, open_for=10, half_open_permits=PERMITS, **settings),
        timeout=timeout,
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


def test_circuitbreaker_purgatory_pyresilience_hyx_let_fifty_tasks_in_here_exactly_n() -> None:
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


def test_aiobreaker_lets_fifty_in_here_exactly_n_threads() -> None:
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


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(KeyError("ignored"), id="resilience4j_544_ignored"),
        pytest.param(asyncio.CancelledError(), id="monix_1080_cancelled"),
    ],
)
def test_probes_that_say_nothing_give_their_slot_back(error: BaseException) -> None:
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


def test_polly_216_no_more_probes_while_slow_ones_run() -> None:
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


def test_resilience4j_1432_whoever_finds_the_time_over_is_one_of_the_n_and_not_one_more() -> None:
    """The call that moves it to half-open was admitted beside the permits."""
    guard = opened(ManualClock())
    with guard, guard, guard:
        assert guard.state == "half_open"
        with pytest.raises(BreakerOpen):
            guard.call(int)
    assert guard.state == "closed"


def test_resilience4j_343_probes_that_time_out_are_n_and_no_more() -> None:
    clock = ManualClock()
    guard = opened(clock, timeout=Timeout(attempt=1.0))
    asked = 0

    @guard
    async def hangs() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(100)

    async def main() -> list[Any]:
        return await asyncio.gather(*(hangs() for _ in range(50)), return_exceptions=True)

    results = clock.run(main())
    assert asked == PERMITS
    assert sum(isinstance(r, TimedOut) for r in results) == PERMITS
    assert sum(isinstance(r, BreakerOpen) for r in results) == 50 - PERMITS
    assert guard.state == "open"


@pytest.mark.parametrize(("answer", "state"), [(int, "closed"), (_fail, "open")])
def test_opossum_276_half_open_decides_below_the_volume_that_closed_asks_for(
    answer: Callable[[], Any], state: str
) -> None:
    """A probe that failed below the threshold left it half-open, with no permit, for ever."""
    guard = opened(ManualClock())
    for _ in range(PERMITS):
        with suppress(ConnectionError, BreakerOpen):
            guard.call(answer)
    assert guard.state == state


@pytest.mark.parametrize("window", [{"window_seconds": 1.0}, {}], ids=["seconds", "calls"])
def test_resilience4j_903_half_open_needs_no_window_to_fill(window: dict[str, float]) -> None:
    """Probes that came further apart than the window is long were never as many as it waited for."""
    clock = ManualClock()
    guard = opened(clock, **window)
    for _ in range(PERMITS):
        guard.call(int)
        clock.advance(5)
    assert guard.state == "closed"


def test_circuitbreaker_closes_on_a_cancelled_probe_here_it_stays_half_open() -> None:
    clock = ManualClock()
    guard = opened(clock)

    async def main() -> None:
        probe = asyncio.create_task(guard.acall(asyncio.Event().wait))
        await asyncio.sleep(0)
        probe.cancel()
        await asyncio.wait([probe])
        assert probe.cancelled()

    clock.run(main())
    assert guard.state == "half_open"
    assert guard.breaker is not None
    assert guard.breaker.probes_out == 0


def test_resilience4j_935_probes_that_never_answer_do_not_hold_half_open_for_ever() -> None:
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
