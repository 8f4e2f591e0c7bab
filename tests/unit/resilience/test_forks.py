"""What a forked child makes of its parent's guards, asked without forking."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any
from weakref import WeakSet

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Breaker, Guard, Registry, process, timer

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
