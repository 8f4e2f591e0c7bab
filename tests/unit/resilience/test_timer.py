"""Breakers that become half-open by themselves, when their time is over and nobody calls."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from contextvars import ContextVar
from queue import Empty
from typing import Any
from weakref import ref

import pytest

from seawall.resilience import Breaker, Guard, Registry, timer
from seawall.resilience.events import Transition
from seawall.resilience.timer import LONGEST_WAIT, Timer
from seawall.testing import ManualClock, Recording


class Waiting:
    """An inbox on a manual clock: waiting moves the clock, unless something is there."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.items: list[Any] = []
        self.waits: list[float | None] = []
        self.meanwhile: list[Callable[[], None]] = []
        self.at_the_end: list[Callable[[], None]] = []

    def put(self, item: Any) -> None:
        self.items.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self.items and self.meanwhile:
            self.meanwhile.pop(0)()
        if self.items:
            return self.items.pop(0)
        assert timeout is not None
        self.waits.append(timeout)
        self.clock.advance(timeout)
        raise Empty

    def empty(self) -> bool:
        was = not self.items
        if was and self.at_the_end:
            self.at_the_end.pop(0)()
        return was


class Bench:
    """A timer on a manual clock: what it starts is run when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.inbox = Waiting(self.clock)
        self.started: list[Callable[[], None]] = []
        self.timer = Timer(self.clock, self.started.append, lambda: self.inbox)
        self.registry, self.events = Registry("t"), Recording()
        self.registry.subscribe(self.events)
        monkeypatch.setattr(timer, "of_process", self.timer)

    def guard(self, name: str = "bank", clock: Callable[[], float] | None = None, **settings: Any) -> Guard:
        breaker = Breaker(minimum_calls=1, window_calls=1, **{"open_for": 30, **settings})
        return Guard(name, breaker=breaker, registry=self.registry, clock=clock or self.clock)

    def run(self) -> None:
        assert len(self.started) == 1
        self.started.pop()()

    def moves(self) -> list[tuple[str, str, float]]:
        return [(t.dependency, t.to_state, t.at) for t in self.events.of(Transition)]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def fail(guard: Guard) -> None:
    with pytest.raises(ConnectionError):
        guard.call(_fails)


def _fails() -> None:
    raise ConnectionError


def test_becomes_half_open_at_its_time_and_the_thread_ends(bench: Bench) -> None:
    guard = bench.guard()
    fail(guard)
    bench.run()
    assert guard.state == "half_open"
    assert bench.moves() == [("bank", "open", 1000.0), ("bank", "half_open", 1030.0)]
    assert bench.inbox.waits == [30.0]
    assert bench.started == []


def test_nothing_is_started_while_nothing_opens(bench: Bench) -> None:
    guard = bench.guard()
    guard.call(int)
    guard.force("forced_open")
    guard.force("closed")
    assert bench.started == []
    assert bench.inbox.items == []


def test_one_thread_for_all_each_at_its_own_time(bench: Bench) -> None:
    late, early = bench.guard("late", open_for=50), bench.guard("early", open_for=20)
    fail(late)
    fail(early)
    bench.run()
    assert bench.moves()[2:] == [("early", "half_open", 1020.0), ("late", "half_open", 1050.0)]
    assert bench.inbox.waits == [20.0, 30.0]


def test_what_opens_while_it_waits_is_seen_in_time(bench: Bench) -> None:
    late, early = bench.guard("late", open_for=50), bench.guard("early", open_for=20)
    fail(late)
    bench.inbox.meanwhile = [lambda: fail(early)]
    bench.run()
    assert bench.moves()[1:] == [
        ("early", "open", 1000.0),
        ("early", "half_open", 1020.0),
        ("late", "half_open", 1050.0),
    ]
    assert bench.started == []


def test_a_new_outage_starts_it_anew(bench: Bench) -> None:
    guard = bench.guard()
    fail(guard)
    bench.run()
    fail(guard)
    fail(guard)
    assert guard.state == "open"
    bench.run()
    assert guard.state == "half_open"


@pytest.mark.parametrize("state", ["closed", "forced_open", "disabled", "metrics_only"])
def test_forced_meanwhile_nothing_follows(bench: Bench, state: str) -> None:
    guard = bench.guard()
    fail(guard)
    guard.force(state)
    bench.run()
    assert guard.state == state
    assert len(bench.moves()) == 2


def test_the_time_of_an_earlier_opening_is_none_of_a_later_one(bench: Bench) -> None:
    guard = bench.guard()
    fail(guard)
    bench.clock.advance(20)
    guard.force("closed")
    fail(guard)
    bench.run()
    assert bench.moves()[-1] == ("bank", "half_open", 1050.0)
    assert bench.inbox.waits == [10.0, 20.0]


def test_a_guard_on_its_own_clock_is_left_to_those_who_look(bench: Bench) -> None:
    own = ManualClock()
    guard = bench.guard(clock=own)
    fail(guard)
    assert bench.started == []
    assert bench.inbox.items == []
    own.advance(30)
    assert guard.state == "open"
    guard.read()
    assert guard.state == "half_open"


def test_a_guard_nobody_holds_is_not_kept_alive(bench: Bench) -> None:
    guard = bench.guard()
    fail(guard)
    gone = ref(guard)
    bench.registry.remove("bank")
    del guard
    gc.collect()
    assert gone() is None
    bench.run()
    assert bench.moves() == [("bank", "open", 1000.0)]


@pytest.mark.parametrize("error", [ValueError(), SystemExit()])
def test_a_listener_that_raises_is_counted_and_the_others_have_their_turn(
    bench: Bench, error: BaseException
) -> None:
    def listener(event: Any) -> None:
        if event.to_state == "half_open":
            raise error

    bench.registry.subscribe(listener, name="mine", events=(Transition,))
    first, second = bench.guard("first"), bench.guard("second")
    fail(first)
    fail(second)
    bench.run()
    assert (first.state, second.state) == ("half_open", "half_open")
    counted = "mine" if isinstance(error, Exception) else "timer"
    assert bench.registry.listener_errors[counted] == 2


def test_waits_are_cut_into_what_a_platform_can_wait(bench: Bench) -> None:
    guard = bench.guard(open_for=1e12)
    fail(guard)
    bench.inbox.meanwhile = [lambda: None] * 2 + [bench.timer.stop]
    bench.run()
    assert bench.inbox.waits[:2] == [LONGEST_WAIT, LONGEST_WAIT]
    assert guard.state == "open"


def test_what_comes_as_it_ends_is_not_forgotten(bench: Bench) -> None:
    first, second = bench.guard("first"), bench.guard("second")
    fail(first)
    # At its last look into the inbox there is nothing; then another opens, while it still has the baton.
    bench.inbox.at_the_end = [lambda: fail(second)]
    bench.run()
    assert second.state == "open"
    bench.run()
    assert second.state == "half_open"
    assert bench.started == []


def test_at_interpreter_exit_nothing_begins_and_nothing_goes_on(bench: Bench) -> None:
    guard, other = bench.guard(), bench.guard("other")
    fail(guard)
    bench.timer.stop()
    # What wakes the thread.
    assert bench.inbox.items[-1] is None
    bench.run()
    assert guard.state == "open"
    fail(other)
    assert bench.started == []


def test_without_a_thread_to_be_had_the_call_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(run: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    bench = Bench(monkeypatch)
    bench.timer = Timer(bench.clock, none_left, lambda: bench.inbox)
    monkeypatch.setattr(timer, "of_process", bench.timer)
    guard = bench.guard()
    fail(guard)
    assert guard.state == "open"
    bench.clock.advance(30)
    guard.call(int)
    assert guard.state == "half_open"


def test_an_interrupt_while_it_starts_leaves_the_next_start_free(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    attempts: list[Callable[[], None]] = []

    def start(run: Callable[[], None]) -> None:
        attempts.append(run)
        if len(attempts) == 1:
            raise KeyboardInterrupt

    bench.timer = Timer(bench.clock, start, lambda: bench.inbox)
    monkeypatch.setattr(timer, "of_process", bench.timer)
    first, second = bench.guard("first"), bench.guard("second")
    with pytest.raises(KeyboardInterrupt):
        first.call(_fails)
    fail(second)
    assert len(attempts) == 2
    for run in reversed(attempts):
        run()
    assert (first.state, second.state) == ("half_open", "half_open")


def test_a_thread_holds_up_no_exit_and_has_nothing_of_the_callers_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    begun: list[tuple[object, object]] = []
    found: list[str] = []

    class Thread:
        def __init__(self, *, target: Callable[..., None], args: Any, name: str, daemon: bool) -> None:
            begun.append((name, daemon))
            self.run = lambda: target(*args)

        def start(self) -> None:
            self.run()

    monkeypatch.setattr(threading, "Thread", Thread)
    variable.set("of the call")
    timer.in_thread(lambda: found.append(variable.get()))
    assert (begun, found) == ([(timer.NAME, True)], ["none"])
