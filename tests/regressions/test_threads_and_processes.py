"""Counts are exact and nothing hangs under threads, tasks and fork.

The reports: pybreaker#3 (holds its lock during the call), client_python#363, #1076 (a handler that takes a
lock which is held), cpython#90155 (semaphore corrupted by cancellation), failsafe-go#136 (state shared by
executions), and a child forked during a call that deadlocks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from seawall.resilience import Breaker, Bulkhead, BulkheadFull, Guard, RateLimit, RateLimited, Registry, Retry
from seawall.testing import ManualClock


@pytest.fixture
def eager_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


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


@pytest.mark.usefixtures("eager_switching")
def test_hammer_threads_count_exactly_and_stay_in_the_limit() -> None:
    guard = Guard(
        "bank", breaker=Breaker(), bulkhead=Bulkhead(limit=5), retry=Retry(), registry=Registry("t")
    )
    most = 0
    inside = 0
    lock = threading.Lock()
    outcomes = {"accepted": 0, "rejected": 0}

    @guard
    def body(i: int) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        sum(range(i % 50))
        with lock:
            inside -= 1

    def work() -> None:
        accepted = rejected = 0
        for i in range(1000):
            try:
                body(i)
                accepted += 1
            except BulkheadFull:
                rejected += 1
        with lock:
            outcomes["accepted"] += accepted
            outcomes["rejected"] += rejected

    in_threads(100, work)
    assert outcomes["accepted"] + outcomes["rejected"] == 100_000
    assert most <= 5
    assert total(guard, "calls") == 100_000
    assert total(guard, "attempts") == outcomes["accepted"]
    assert total(guard, "rejections") == outcomes["rejected"]
    assert total(guard, "bulkhead_in_flight") == 0


def test_hammer_tasks_count_exactly_and_stay_in_the_limit() -> None:
    guard = Guard("bank", breaker=Breaker(), bulkhead=Bulkhead(limit=7), registry=Registry("t"))
    inside = most = accepted = rejected = 0

    @guard
    async def body() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    async def work() -> None:
        nonlocal accepted, rejected
        for _ in range(100):
            try:
                await body()
                accepted += 1
            except BulkheadFull:
                rejected += 1
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(1000)))

    asyncio.run(main())
    assert accepted + rejected == 100_000
    assert most == 7
    assert total(guard, "calls") == 100_000
    assert total(guard, "attempts") == accepted


@pytest.mark.usefixtures("eager_switching")
def test_hammer_rate_limit_hands_out_exactly_its_burst() -> None:
    guard = Guard(
        "bank", rate_limit=RateLimit(rate=1, burst=500), registry=Registry("t"), clock=ManualClock()
    )
    granted = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal granted
        for _ in range(100):
            try:
                guard.call(lambda: None)
            except RateLimited:
                continue
            with lock:
                granted += 1

    in_threads(50, work)
    assert granted == 500


def test_pybreaker_3_calls_run_side_by_side() -> None:
    """Ten threads are inside the guarded function at once; a lock around the call would never let them."""
    guard = Guard("bank", breaker=Breaker(), registry=Registry("t"))
    meet = threading.Barrier(10)
    in_threads(10, lambda: guard.call(meet.wait, 10))
    assert total(guard, "attempts") == 10


def test_client_python_363_a_signal_handler_may_use_the_guard_it_interrupts() -> None:
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


def test_a_child_forked_during_a_call_works_and_counts_from_zero() -> None:
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


def test_pybreaker_wall_clock_jumps_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
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
