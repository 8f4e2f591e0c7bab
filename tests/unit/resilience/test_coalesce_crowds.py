"""Many callers of shared executions, and those who come back to wait for the next one."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.unit.resilience.crowds import Crowd, guarded

from seawall.resilience import (
    Bulkhead,
    Coalesce,
    Guard,
    Registry,
)
from seawall.resilience.flights import Flight, Flights


class Alarm(BaseException):
    """What a signal handler raises."""


def test_threads_by_the_hundred() -> None:
    """Whatever the order: each call gets its own question's answer and is counted once."""
    b = Guard("bank", coalesce=Coalesce(), bulkhead=Bulkhead(limit=100), registry=Registry("t"))
    runs: list[int] = []
    wrong: list[Any] = []

    @b
    def double(n: int) -> int:
        runs.append(n)
        return 2 * n

    def many(seed: int) -> None:
        for i in range(200):
            n = (seed + i) % 3
            if (got := double(n)) != 2 * n:
                wrong.append((n, got))

    threads = [threading.Thread(target=many, args=(seed,)) for seed in range(50)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(before)
    assert wrong == []
    reading, at = b.read(), b.ledger.layout.at
    assert reading[at("calls", "default", "success")] == 10_000
    assert reading[at("attempts", "default", "success")] == len(runs)
    assert reading[at("coalesced_calls", "default")] == 10_000 - len(runs)
    assert reading[at("bulkhead_in_flight")] == 0


def test_who_begins_anew_is_watched_as_one_call(crowd: Crowd) -> None:
    b = guarded()
    seen: list[tuple[int, str]] = []

    class Watch:
        def __init__(self, number: int) -> None:
            self.number = number

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_: seen.append((self.number, name))

    class Observer:
        calls = 0

        def watching(self) -> bool:
            return True

        def call_started(self, guard: Guard, operation: str) -> Any:
            self.calls += 1
            return Watch(self.calls)

    observer = Observer()
    b.registry.observe(observer)
    runs: list[int] = []

    @b.guard
    def work() -> str:
        runs.append(1)
        until = time.monotonic() + 10
        while seen.count((1, "attempt_started")) < 1 or len(names("wait_started")) < 2 + (len(runs) - 1):
            assert time.monotonic() < until
            time.sleep(0)
        if len(runs) == 1:
            raise Alarm
        return "answer"

    def names(what: str) -> list[int]:
        return sorted(number for number, name in seen if name == what)

    first, *others = crowd.ask(work, work, work)
    assert type(first) is Alarm
    assert others == ["answer", "answer"]
    assert observer.calls == 3
    assert names("call_ended") == [1, 2, 3]
    assert len(names("wait_started")) == len(names("wait_ended")) == 3
    assert set(names("wait_started")) == {2, 3}


def test_a_child_has_no_executions_of_its_parents() -> None:
    problems: list[Exception] = []
    flights = Flights(Coalesce(), problems.append)
    of_parent, of_child = Flight("same"), Flight("same")
    assert flights.board(of_parent) is of_parent
    assert flights.board(of_child) is of_parent
    before = flights._lock
    flights.restart()
    assert flights.board(of_child) is of_child
    assert flights._lock is not before
    assert problems == []
