"""A breaker that somebody has moved by hand stays there until somebody moves it again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Breaker, BreakerOpen, ConfigurationError, Guard, Registry

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
    with pytest.raises(ConfigurationError, match="a guard with a breaker"):
        Guard("bank", registry=Registry("t")).force("closed")
