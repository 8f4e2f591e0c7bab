"""A breaker in metrics_only refuses nobody, and counts whom it would have refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, fails, flaky

from seawall.resilience import Breaker, BreakerOpen, ConfigurationError, Guard, Registry, Retry
from seawall.resilience.events import Transition

SMALL = {"window_calls": 4, "minimum_calls": 4, "open_for": 30.0, "half_open_permits": 2}


def unarmed(**settings: Any) -> Breaker:
    return Breaker(mode="metrics_only", **{**SMALL, **settings})


def would_reject(b: Bench) -> float:
    return b.count("breaker_would_reject")


def shadow(b: Bench) -> str:
    assert b.guard.breaker is not None
    assert b.guard.breaker.shadow is not None
    return b.guard.breaker.shadow.state


def test_nobody_is_refused_and_those_who_would_be_are_counted(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed())
    b(fails(ConnectionError()), times=4)
    assert (b.guard.state, shadow(b), would_reject(b)) == ("metrics_only", "open", 0)
    assert b(lambda: "answer", times=3) == "answer"
    assert would_reject(b) == 3
    assert b.count("rejections", "breaker", "open") == 0
    assert b.count("calls", "default", "success") == 3
    assert b.count("calls", "default", "rejected") == 0
    assert b.events.of(Transition) == []


def test_what_would_not_have_happened_tells_the_shadow_nothing(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed())
    b(fails(ConnectionError()), times=4)
    b(lambda: "answer", times=50)
    assert b.guard.snapshot()["failure_ratio"] == 1.0
    assert b.guard.snapshot()["window_calls"] == 4
    b.clock.advance(30)
    b(lambda: "answer")
    assert shadow(b) == "half_open"
    b(lambda: "answer")
    assert (shadow(b), would_reject(b)) == ("closed", 50)


def test_a_probe_that_fails_opens_the_shadow_again(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed(half_open_permits=1))
    b(fails(ConnectionError()), times=4)
    b.clock.advance(30)
    b(fails(ConnectionError()))
    assert shadow(b) == "open"
    b(lambda: "answer")
    assert would_reject(b) == 1


def slow_retry() -> Retry:
    return Retry(attempts=3, base_delay=40.0, max_delay=40.0, jitter="none", budget=None)


def test_a_call_that_is_retried_would_be_rejected_once(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed(open_for=60, half_open_permits=1), retry=slow_retry())
    b.guard.retry = None
    b(fails(ConnectionError()), times=4)
    b.guard.retry = slow_retry()
    # By its third attempt the open time is over; but the call would have been sent away at its first.
    assert b(flaky(ConnectionError(), ConnectionError())) == "answer"
    assert b.count("retries", "default") == 2
    assert (shadow(b), would_reject(b)) == ("half_open", 1)


def test_a_call_that_opens_it_would_not_be_retried(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed(open_for=60, half_open_permits=1), retry=slow_retry())
    b(fails(ConnectionError()))
    assert b(flaky(ConnectionError(), ConnectionError())) == "answer"
    assert b.count("retries", "default") == 4
    assert (shadow(b), would_reject(b)) == ("half_open", 0)
    b(lambda: "answer")
    assert (shadow(b), would_reject(b)) == ("closed", 0)


def test_a_call_begun_before_it_was_armed_is_retried_under_the_breaker(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed(window_calls=1, minimum_calls=1), retry=slow_retry())

    def body() -> None:
        if b.guard.state == "metrics_only":
            b.guard.force("closed")
        raise ConnectionError

    b(fails(ConnectionError()))
    b(body)
    assert b.guard.state == "open"


def test_successes_take_the_lane_while_the_shadow_is_closed(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed(window_calls=20))
    b(lambda: "answer", times=10)
    op = b.guard.operation("default")
    assert op.lane == 1
    # The first leaves the lane for the housekeeping, and the second as it is sampled.
    assert b.guard.ledger.slots[b.guard.ledger.layout.at("attempts", "default", "success")] <= 2
    assert b.guard.snapshot()["window_calls"] == 10
    b(fails(ConnectionError()), times=10)
    assert (shadow(b), op.lane) == ("open", 0)
    assert b.guard.snapshot()["window_calls"] == 20


def test_the_time_window_of_the_shadow_forgets_what_the_lane_counted(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed(window_seconds=10, minimum_calls=4, failure_ratio=0.5))
    for _ in range(30):
        b(lambda: "answer")
        b.clock.advance(1)
    b(fails(ConnectionError()), times=11)
    assert shadow(b) == "open"


def test_reported_ratios_are_the_shadows(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed(window_calls=10, minimum_calls=10, slow_after=1.0))
    b(lambda: "answer", times=2)
    b(fails(ConnectionError()))
    b(lambda: b.clock.advance(2))
    assert b.count("breaker_failure_ratio") == 0.25
    assert b.count("breaker_slow_ratio") == 0.25
    assert b.count("breaker_window_calls") == 4
    assert b.count("breaker_state", "metrics_only") == 1
    assert b.count("breaker_state", "closed") == 0


def test_a_look_lets_the_shadows_open_time_pass(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed())
    b(fails(ConnectionError()), times=4)
    b.clock.advance(30)
    assert b.count("breaker_window_calls") == 0
    assert shadow(b) == "half_open"


def test_when_armed_it_begins_with_an_empty_window(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=unarmed())
    b(fails(ConnectionError()), times=4)
    b.guard.force("closed")
    assert b.guard.breaker is not None
    assert b.guard.breaker.shadow is None
    assert b.guard.snapshot()["window_calls"] == 0
    b(fails(ConnectionError()), times=4)
    assert b.guard.state == "open"
    assert isinstance(b(lambda: "answer"), BreakerOpen)
    assert would_reject(b) == 0


def test_by_hand_too_and_each_time_anew(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(**SMALL))
    b(fails(ConnectionError()), times=4)
    b.guard.force("metrics_only")
    assert shadow(b) == "closed"
    b(fails(ConnectionError()), times=4)
    b.guard.force("metrics_only")
    assert shadow(b) == "open"
    b.guard.force("closed")
    b.guard.force("metrics_only")
    assert shadow(b) == "closed"
    assert b(lambda: "answer") == "answer"
    assert would_reject(b) == 0


@pytest.mark.parametrize("states", [("metrics_only",), ("closed",), ("closed", "metrics_only")])
def test_results_from_before_a_change_are_late(states: tuple[str, ...]) -> None:
    breaker = unarmed(window_calls=1, minimum_calls=1)
    guard = Guard("bank", breaker=breaker, registry=Registry("t"))
    if states[0] == "metrics_only":
        guard.force("closed")
    with ExitStack() as inside:
        inside.enter_context(pytest.raises(ConnectionError))
        inside.enter_context(guard)
        for state in states:
            guard.force(state)
        raise ConnectionError
    state = guard.breaker
    assert state is not None
    assert state.deciding.state == "closed"
    assert state.deciding.window.failures_in_a_row(0) == 0


def test_what_it_would_have_rejected_is_not_told_to_the_breaker_that_follows() -> None:
    guard = Guard("bank", breaker=unarmed(window_calls=1, minimum_calls=1), registry=Registry("t"))
    with pytest.raises(ConnectionError), guard:
        raise ConnectionError
    with ExitStack() as inside:
        inside.enter_context(pytest.raises(ConnectionError))
        inside.enter_context(guard)
        guard.force("closed")
        raise ConnectionError
    assert guard.state == "closed"


@pytest.mark.parametrize(("mode", "state"), [("on", "closed"), ("metrics_only",) * 2, ("disabled",) * 2])
def test_what_a_breaker_begins_as(bench: Callable[..., Bench], mode: Any, state: str) -> None:
    b = bench(breaker=Breaker(mode=mode, **SMALL))
    assert b.guard.state == state
    assert b.guard.describe()["policies"]["breaker"]["mode"] == mode
    b(fails(ConnectionError()), times=4)
    assert b.guard.state == ("open" if mode == "on" else state)
    b.guard.force("closed")
    assert b.guard.state == "closed"


def test_a_mode_that_there_is_none_of() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Breaker(mode="off")  # type: ignore[arg-type]
    assert caught.value.problems == ("Breaker.mode is 'off'; allowed: on, metrics_only, disabled",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_begins_its_shadow_anew() -> None:
    guard = Guard("bank", breaker=unarmed(window_calls=1, minimum_calls=1), registry=Registry("t"))
    with guard:
        child = os.fork()
    if not child:
        breaker = guard.breaker
        assert breaker is not None
        # The block above was begun by the parent: to the child its result is late.
        os._exit(0 if breaker.shadow is not None and breaker.ratios(0.0, 0.0)[2] == 0 else 7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert guard.breaker is not None
    assert guard.breaker.ratios(0.0, guard.accounts.lane_successes())[2] == 1
