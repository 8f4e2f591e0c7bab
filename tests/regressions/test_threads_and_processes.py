"""Nothing serialises calls, nothing hangs: under threads, tasks, signals and fork."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from seawall.resilience import Breaker, Bulkhead, Guard, Registry
from seawall.testing import ManualClock


def total(guard: Guard, field: str) -> float:
    reading = guard.read()
    return sum(reading[e.offset] for e in guard.ledger.layout.entries if e.field.name == field)


def in_threads(count: int, work: object) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_pybreaker_3_calls_run_side_by_side() -> None:
    """Ten threads are inside the guarded function at once; a lock around the call would never let them."""
    guard = Guard("bank", breaker=Breaker(), registry=Registry("t"))
    meet = threading.Barrier(10)
    in_threads(10, lambda: guard.call(meet.wait, 10))
    assert total(guard, "attempts") == 10


def test_client_python_1076_a_signal_handler_may_use_the_guard_it_interrupts() -> None:
    guard = Guard("bank", breaker=Breaker(minimum_calls=10**6, window_calls=10**6), registry=Registry("t"))

    def broken() -> None:
        raise ConnectionError

    def attempt(*_: object) -> None:
        try:
            guard.call(broken)
        except ConnectionError:
            return

    before = signal.signal(signal.SIGALRM, attempt)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            attempt()
            guard.read()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert total(guard, "attempts") == total(guard, "calls")


def test_cpython_90155_cancelled_waiters_leave_the_bulkhead_whole() -> None:
    clock = ManualClock()
    guard = Guard(
        "bank", bulkhead=Bulkhead(limit=2, max_queue=100, max_wait=100), registry=Registry("t"), clock=clock
    )

    async def main() -> None:
        for turn in range(50):
            tasks = [asyncio.create_task(guard.acall(asyncio.sleep, 0.01)) for _ in range(8)]
            for _ in range(turn % 5):
                await asyncio.sleep(0)
            for task in tasks[turn % 3 :: 2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    clock.run(main())
    assert total(guard, "bulkhead_in_flight") == 0
    assert total(guard, "bulkhead_queued") == 0
    clock.run(guard.acall(asyncio.sleep, 0))


def test_pybreaker_deadlocks_a_child_forked_during_a_call_here_it_works_and_counts_from_zero() -> None:
    guard = Guard("bank", breaker=Breaker(), bulkhead=Bulkhead(limit=1), registry=Registry("t"))
    guard.call(lambda: None)

    def fork() -> int:
        with guard.lock:
            child = os.fork()
        if child == 0:
            fine = total(guard, "calls") == 0 and guard.call(lambda: 7) == 7 and total(guard, "calls") == 1
            os._exit(0 if fine else 1)
        return child

    _, status = os.waitpid(guard.call(fork), 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert total(guard, "calls") == 2


def test_pybreaker_stays_open_when_the_wall_clock_goes_back_here_jumps_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = ManualClock()
    guard = Guard(
        "bank",
        breaker=Breaker(minimum_calls=1, window_calls=1, open_for=5),
        registry=Registry("t"),
        clock=clock,
    )
    with pytest.raises(ConnectionError):
        guard.call(_refused)
    monkeypatch.setattr(time, "time", lambda: -3600.0)
    clock.advance(5)
    guard.call(lambda: None)
    assert guard.state in ("half_open", "closed")


def _refused() -> None:
    raise ConnectionError
