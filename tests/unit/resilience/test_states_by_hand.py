"""A breaker that somebody has moved by hand stays there until somebody moves it again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Breaker, BreakerOpen, ConfigurationError, Guard, Registry
from seawall.resilience.events import Transition

ONE = Breaker(minimum_calls=1, window_calls=1, open_for=30)


def test_forced_open_refuses_everybody_however_long(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=ONE)
    b.guard.force("forced_open")
    b.clock.advance(3600)
    assert isinstance(b(lambda: "answer"), BreakerOpen)
    assert b.guard.state == "forced_open"
    assert b.count("attempts", "default", "success") == 0
    b.guard.force("closed")
    assert b(lambda: "answer") == "answer"


def test_disabled_refuses_nobody_whatever_fails(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=ONE)
    b.guard.force("disabled")
    assert isinstance(b(fails(ConnectionError()), times=5), ConnectionError)
    assert b.guard.state == "disabled"
    assert b.count("attempts", "default", "failure") == 5
    b.guard.force("closed")
    b(fails(ConnectionError()))
    assert b.guard.state == "open"


def test_there_is_nothing_to_force_without_a_breaker() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Guard("bank", registry=Registry("t")).force("open")
    assert caught.value.problems == (
        "Guard bank.state is 'open'; allowed: closed, forced_open, disabled, metrics_only",
        "Guard bank.breaker is None; allowed: a guard with a breaker",
    )


def test_a_transition_by_hand_says_why_and_is_of_no_operation(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=ONE)
    b.guard.force("forced_open")
    b.clock.advance(2)
    b.guard.force("closed", "mended")
    assert [(t.operation, t.from_state, t.to_state, t.reason, t.at) for t in b.events.of(Transition)] == [
        ("", "closed", "forced_open", "by hand", 1000.0),
        ("", "forced_open", "closed", "mended", 1002.0),
    ]
