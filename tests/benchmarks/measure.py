"""Timing that can be compared: thread CPU time, rounds shuffled over all subjects, medians."""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.benchmarks.subjects import ACall, Call

ROUNDS = 40
BATCH = 0.004


def calls(subjects: Mapping[str, Call]) -> dict[str, float]:
    """Nanoseconds a call, by subject."""

    def batch(call: Call, n: int) -> float:
        began = time.thread_time()
        for i in range(n):
            call(i)
        return time.thread_time() - began

    return _rounds(subjects, batch)


def awaits(subjects: Mapping[str, ACall]) -> dict[str, float]:
    with asyncio.Runner() as runner:

        def batch(call: ACall, n: int) -> float:
            async def main() -> float:
                began = time.thread_time()
                for i in range(n):
                    await call(i)
                return time.thread_time() - began

            return runner.run(main())

        return _rounds(subjects, batch)


def threaded(call: Call, threads: int, n: int) -> float:
    """Wall seconds that ``threads`` take for ``n`` calls between them."""
    start = threading.Barrier(threads + 1)

    def work() -> None:
        start.wait()
        for i in range(n // threads):
            call(i)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    return time.perf_counter() - began


def best_ratio(first: Callable[[], float], second: Callable[[], float], rounds: int = 9) -> float:
    """Median over paired rounds of first / second."""
    return statistics.median(first() / second() for _ in range(rounds))


def _rounds(subjects: Mapping[str, Any], batch: Callable[[Any, int], float]) -> dict[str, float]:
    sizes: dict[str, int] = {}
    for name, call in subjects.items():
        batch(call, 200)
        sizes[name] = max(20, int(BATCH / (batch(call, 200) / 200 + 1e-9)))
    results: dict[str, list[float]] = {name: [] for name in subjects}
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            order = list(subjects)
            random.shuffle(order)
            for name in order:
                results[name].append(batch(subjects[name], sizes[name]) / sizes[name] * 1e9)
    finally:
        gc.enable()
    return {name: statistics.median(times) for name, times in results.items()}
