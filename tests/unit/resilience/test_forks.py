"""What a forked child makes of its parent's guards, asked without forking."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from math import inf
from typing import Any
from weakref import WeakSet

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Coalesce,
    Fallback,
    Guard,
    Registry,
    Retry,
    RetryBudget,
    Timeout,
    process,
    timer,
)
from seawall.resilience.flights import Flight
from seawall.testing import ManualClock

ONE = Breaker(minimum_calls=2, window_calls=2, open_for=30)


class Noted:
    """In place of the timer of the process."""

    def __init__(self) -> None:
        self.restarts = 0
        self.notes: list[tuple[Any, float]] = []

    def restart(self) -> None:
        self.restarts += 1

    def note(self, guard: Guard, at: float) -> bool:
        self.notes.append((guard, at))
        return True

    remind = note


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    noted = Noted()
    monkeypatch.setattr(timer, "of_process", noted)
    monkeypatch.setattr(process, "_guards", WeakSet())
    monkeypatch.setattr(process, "_registries", WeakSet())
    return noted


def test_all_guards_begin_anew_and_those_that_are_open_are_looked_at(
    noted: Noted, bench: Callable[..., Bench]
) -> None:
    b = bench(breaker=ONE)
    calm = Guard("calm", breaker=ONE, registry=b.registry, clock=b.clock)
    b(fails(ConnectionError()), times=2)
    calm.call(int)
    assert b.count("attempts", "default", "failure") == 2
    del noted.notes[:]
    process._after_fork_in_child()
    assert noted.restarts == 1
    assert noted.notes == [(b.guard, 1030.0)]
    assert (b.guard.state, calm.state) == ("open", "closed")
    for guard in (b.guard, calm):
        assert set(guard.ledger.slots) == {0}
        assert [(op.slots is guard.ledger.slots, op.tick) for op in guard.declared()] == [(True, -inf)]
    b.clock.advance(30)
    assert b(lambda: "answer") == "answer"
    assert b.count("calls", "default", "success") == 1


def test_the_window_of_a_child_is_its_own_calls(noted: Noted, bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=9))
    b(lambda: "answer", times=3)
    process._after_fork_in_child()
    assert b.count("breaker_window_calls") == 0
    b(lambda: "answer", times=2)
    assert b.count("breaker_window_calls") == 2
    assert noted.notes == []


def test_registries_and_ledgers_have_new_locks(noted: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry("t")
    guard = Guard("bank", registry=registry)
    registry._lock.acquire()
    guard.ledger._lock.acquire()
    locks = registry._lock, guard.ledger._lock
    process._after_fork_in_child()
    assert noted.restarts == 1
    assert registry._lock is not locks[0]
    assert guard.ledger._lock is not locks[1]
    assert guard.ledger.exemplars == {}
    monkeypatch.setattr("seawall.resilience.ledger.GIL", False)
    guard.ledger.add(0)
    assert guard.ledger.slots[0] == 1
    registry.remove("bank")
    assert len(registry) == 0


def test_all_that_a_guard_has_begins_anew(noted: Noted) -> None:
    guard = Guard(
        "bank",
        bulkhead=Bulkhead(limit=2),
        timeout=Timeout(attempt=5.0, threads=3),
        fallback=Fallback(stale_for=60),
        coalesce=Coalesce(),
        retry=Retry(budget=RetryBudget(floor_per_second=1)),
        registry=Registry("t"),
        clock=ManualClock(),
    )
    bulkhead, stale, flights, workers, budget = (
        guard.bulkhead, guard.stale, guard.flights, guard.workers, guard.budget
    )  # fmt: skip
    assert bulkhead is not None
    assert stale is not None
    assert flights is not None
    assert workers is not None
    assert budget is not None
    flight = Flight("asked")
    assert bulkhead.enter([])
    assert flights.board(flight) is flight
    workers.places.pop()
    assert budget.spend(guard.clock())
    locks = guard.lock, stale._lock, flights._lock
    process._begin_anew(guard)
    assert bulkhead.in_flight == 0
    assert flights.board(mine := Flight("asked")) is mine
    assert len(workers.places) == 3
    assert budget.remaining_ratio(guard.clock()) == 1.0
    assert [new is old for new, old in zip((guard.lock, stale._lock, flights._lock), locks, strict=True)] == [
        False
    ] * 3
    assert noted.notes == []


def test_a_platform_without_forks_has_nobody_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    for there in (True, False):
        monkeypatch.setattr(os, "register_at_fork", lambda **hooks: told.append(hooks), raising=False)
        if not there:
            monkeypatch.delattr(os, "register_at_fork")
        spec = spec_from_file_location("seawall.resilience.once_more", process.__file__)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        assert told == [{"after_in_child": told[0]["after_in_child"]}]
