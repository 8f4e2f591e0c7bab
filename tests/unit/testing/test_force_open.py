"""A breaker that is open in a block, and as before after it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Breaker, BreakerOpen, Guard, Registry
from seawall.resilience.events import Transition
from seawall.resilience.fields import TRANSITIONS
from seawall.testing import assert_transitions, force_open

SMALL = Breaker(window_calls=4, minimum_calls=4, open_for=30, half_open_permits=2)


def test_inside_every_call_is_rejected_after_it_none(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    with force_open(b.guard):
        assert b.guard.state == "forced_open"
        rejected = b(lambda: "answer")
        assert isinstance(rejected, BreakerOpen)
        assert rejected.reason == "forced_open"
    assert b.guard.state == "closed"
    assert b(lambda: "answer") == "answer"


def test_the_window_is_what_it_was(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    b(lambda: "answer", times=2)
    b(fails(ConnectionError()))
    with force_open(b.guard):
        b(fails(ConnectionError()), times=3)
        assert b.guard.snapshot()["window_calls"] == 0
    assert b.guard.snapshot()["window_calls"] == 3
    assert b.guard.snapshot()["failure_ratio"] == pytest.approx(1 / 3)
    b(fails(ConnectionError()))
    assert b.guard.state == "open"


def test_an_open_one_stays_open_for_the_rest_of_its_time(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    b(fails(ConnectionError()), times=4)
    b.clock.advance(10)
    with (
        assert_transitions(b.guard, "open", "forced_open", "closed", "open"),
        force_open(b.guard),
    ):
        b.clock.advance(5)
    rejected = b(lambda: "answer")
    assert isinstance(rejected, BreakerOpen)
    assert rejected.retry_after == 15.0
    assert b.guard.snapshot()["why_opened"]["errors"] == {"ConnectionError": 4}
    b.clock.advance(15)
    assert b.guard.snapshot()["state"] == "half_open"


def test_a_half_open_one_has_its_probes_and_their_permits(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    b(fails(ConnectionError()), times=4)
    b.clock.advance(30)
    b(lambda: "answer")
    b.guard.__enter__()
    with (
        assert_transitions(b.guard, "half_open", "forced_open", "closed", "open", "half_open"),
        force_open(b.guard),
    ):
        pass
    b.guard.__exit__(None, None, None)
    assert b.guard.state == "half_open"
    assert b.guard.snapshot()["window_calls"] == 1
    b(lambda: "answer")
    assert b.guard.state == "closed"


@pytest.mark.parametrize("mode", ["metrics_only", "disabled"])
def test_other_states_come_back(bench: Callable[..., Bench], mode: str) -> None:
    b = bench(breaker=Breaker(window_calls=4, minimum_calls=4, mode=mode))  # type: ignore[arg-type]
    b(fails(ConnectionError()), times=3)
    with assert_transitions(b.guard, mode, "forced_open", mode), force_open(b.guard):
        b(fails(ConnectionError()))
    assert b.guard.state == mode
    assert b.guard.breaker is not None
    if b.guard.breaker.shadow is not None:
        assert b.guard.snapshot()["window_calls"] == 3
        b(fails(ConnectionError()))
        assert b.guard.breaker.shadow.state == "open"


def test_one_that_was_forced_open_stays_so(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    b.guard.force("forced_open")
    with assert_transitions(b.guard, "forced_open"), force_open(b.guard):
        pass
    assert isinstance(b(lambda: "answer"), BreakerOpen)


def test_forced_elsewhere_meanwhile_it_comes_back_all_the_same(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    with assert_transitions(b.guard, "closed", "forced_open", "closed"), force_open(b.guard):
        b.guard.force("closed")
    with assert_transitions(b.guard, "closed", "forced_open", "disabled", "closed"), force_open(b.guard):
        b.guard.force("disabled")


def test_it_ends_with_an_exception_too(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    with pytest.raises(KeyError), force_open(b.guard):
        raise KeyError
    assert b.guard.state == "closed"


def test_results_under_way_at_either_end_count_nowhere(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(window_calls=1, minimum_calls=1))
    b.guard.__enter__()
    with force_open(b.guard):
        pass
    b.guard.__exit__(None, ConnectionError(), None)
    assert b.guard.state == "closed"
    assert b.guard.snapshot()["window_calls"] == 0


def test_its_ways_are_edges_and_are_told_and_counted(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    b(fails(ConnectionError()), times=4)
    with force_open(b.guard):
        told = b.events.of(Transition)[-1]
        assert (told.to_state, told.operation) == ("forced_open", "")
    moves = [(t.from_state, t.to_state) for t in b.events.of(Transition)]
    assert set(moves) <= set(TRANSITIONS)
    assert [t.reason for t in b.events.of(Transition)][1:] == ["force_open"] + ["force_open ended"] * 2
    for move in set(moves):
        assert b.count("breaker_transitions", *move) == moves.count(move)
    assert b.count("breaker_recovery") == 0


def test_settings_that_it_was_given_meanwhile_stay(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    b(fails(ConnectionError()), times=3)
    other = Breaker(window_calls=2, minimum_calls=2)
    with force_open(b.guard):
        b.guard.reconfigure(breaker=other)
    assert b.guard.breaker is not None
    assert b.guard.breaker.settings is other
    assert b.guard.snapshot()["window_calls"] == 2
    b(fails(ConnectionError()))
    assert b.guard.state == "open"


def test_listeners_hold_no_lock() -> None:
    registry = Registry("t")
    guard = Guard("bank", breaker=SMALL, registry=registry)
    owned: list[bool] = []
    registry.subscribe(lambda event: owned.append(guard.lock._is_owned()), events=(Transition,))  # type: ignore[attr-defined]
    with force_open(guard):
        pass
    assert owned == [False, False]


def test_time_in_it_is_counted_as_forced_open(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    b.clock.advance(3)
    with force_open(b.guard):
        b.clock.advance(5)
    b.clock.advance(4)
    assert b.count("breaker_state_seconds", "forced_open") == 5
    assert b.count("breaker_state_seconds", "closed") == 7


def test_a_guard_without_a_breaker_is_refused() -> None:
    guard = Guard("bank", registry=Registry("t"))
    with pytest.raises(ValueError, match=r"^bank has no breaker; allowed: a guard with one$"):
        force_open(guard).__enter__()
