"""A breaker's other settings at run time: state and window stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import (
    Breaker,
    BreakerOpen,
)
from seawall.resilience.window import Window

Make = Callable[..., Bench]


class Boom(Exception): ...


def test_an_open_breaker_stays_open_as_long_as_it_was_to(bench: Make) -> None:
    b = bench(breaker=Breaker(minimum_calls=2, open_for=30))
    b(fails(Boom()), times=2)
    assert b.guard.state == "open"
    assert b.guard.breaker is not None
    epoch = b.guard.breaker.epoch
    b.clock.advance(29)
    b.guard.reconfigure(breaker=Breaker(minimum_calls=2, open_for=5, half_open_permits=1))
    assert b.guard.state == "open"
    assert b.guard.breaker.epoch == epoch
    assert isinstance(b(lambda: "answer"), BreakerOpen)
    b.clock.advance(1)
    assert b(lambda: "answer") == "answer"
    assert b.guard.state == "closed"
    b(fails(Boom()), times=2)
    b.clock.advance(5)
    assert b(lambda: "answer") == "answer"


def test_the_window_stays(bench: Make) -> None:
    b = bench(breaker=Breaker(failure_ratio=0.9, minimum_calls=4))
    b(fails(Boom()), times=2)
    b(lambda: "answer")
    b.guard.reconfigure(breaker=Breaker(failure_ratio=0.75, minimum_calls=4))
    assert b.count("breaker_window_calls") == 3
    assert b.count("breaker_failure_ratio") == pytest.approx(2 / 3)
    assert b.guard.state == "closed"
    b(fails(Boom()))
    assert b.guard.state == "open"


def test_what_counts_as_a_failure_follows(bench: Make) -> None:
    b = bench(breaker=Breaker())
    b.guard.reconfigure(breaker=Breaker(ignore=(Boom,), record_if=lambda e: True, ignore_if=None))
    b(fails(Boom()))
    assert b.count("attempts", "default", "ignored") == 1
    b.guard.reconfigure(breaker=Breaker(ignore_if=lambda e: isinstance(e, ValueError)))
    b(fails(Boom()))
    b(fails(ValueError()))
    assert b.count("attempts", "default", "ignored") == 2
    assert b.count("attempts", "default", "failure") == 1


def test_a_predicate_that_raises_is_counted(bench: Make) -> None:
    b = bench(breaker=Breaker())
    b.guard.reconfigure(breaker=Breaker(record_if=lambda e: 1 / 0 > 0, ignore_if=lambda e: 1 / 0 > 0))
    b(fails(Boom()))
    assert b.registry.listener_errors["predicate"] >= 1


def test_time_windows_are_marked_as_often_as_they_need(bench: Make) -> None:
    b = bench(breaker=Breaker())
    assert b.guard._slice == 1.0
    b.guard.reconfigure(breaker=Breaker(window_seconds=2.0))
    assert b.guard._slice == 0.2
    b.guard.reconfigure(breaker=Breaker(window_seconds=60.0))
    assert b.guard._slice == 1.0
    b.guard.reconfigure(breaker=Breaker())
    assert b.guard._slice == 1.0


def window(results: str, calls: int = 10, seconds: float | None = None) -> Window:
    """f: failure, s: slow, .: success; one a second from 1."""
    made = Window(calls, seconds)
    for second, result in enumerate(results, start=1):
        made.pass_time(float(second), 0)
        made.record(0, failed=result == "f", slow=result == "s", error="Boom")
        made.size(float(second), 0)
    return made


def counts(made: Window, now: float, lane: float = 0) -> tuple[int, int, int]:
    return made.size(now, lane), len(made.failures), len(made.slow)


def test_a_narrower_window_keeps_the_newest() -> None:
    made = window("ffss..f.")
    made.resize(3, None, 8.0, 0)
    assert counts(made, 8.0) == (3, 1, 0)
    made.record(0, failed=False, slow=False, error="")
    assert counts(made, 9.0) == (3, 1, 0)
    made.record(0, failed=False, slow=False, error="")
    assert counts(made, 9.0) == (3, 0, 0)


def test_a_wider_window_does_not_take_what_it_forgot_for_successes() -> None:
    made = window("ffffff" + "s.f", calls=3)
    assert counts(made, 9.0) == (3, 1, 1)
    made.resize(5, None, 9.0, 0)
    assert counts(made, 9.0) == (3, 1, 1)
    assert made.failures_in_a_row(0) == 1
    for expected in ((4, 1, 1), (5, 1, 1), (5, 1, 0), (5, 1, 0), (5, 0, 0)):
        made.record(0, failed=False, slow=False, error="")
        assert counts(made, 9.0) == expected


def test_the_lane_goes_on_counting_into_the_window() -> None:
    made = Window(4)
    made.record(2, failed=True, slow=False, error="Boom")
    assert counts(made, 0.0, lane=2) == (3, 1, 0)
    made.resize(2, None, 0.0, 2)
    assert counts(made, 0.0, lane=2) == (2, 1, 0)
    assert counts(made, 0.0, lane=3) == (2, 1, 0)
    assert counts(made, 0.0, lane=4) == (2, 0, 0)


def test_from_calls_to_seconds_what_there_is_counts_as_new() -> None:
    made = window("f..")
    made.resize(10, 10.0, 100.0, 0)
    assert counts(made, 109.0) == (3, 1, 0)
    assert counts(made, 110.0) == (0, 0, 0)


def test_from_seconds_to_calls() -> None:
    made = window("f..", seconds=10.0)
    made.resize(10, None, 3.0, 0)
    assert counts(made, 1000.0) == (3, 1, 0)


def test_from_seconds_to_other_seconds() -> None:
    made = window("f..", seconds=100.0)
    made.resize(10, 5.0, 3.0, 0)
    assert counts(made, 3.0) == (3, 1, 0)
    assert counts(made, 9.0) == (0, 0, 0)
    wider = window("ff.....f", seconds=4.0)
    before = counts(wider, 8.0)
    assert before[1] == 1
    wider.resize(10, 20.0, 8.0, 0)
    assert counts(wider, 8.0) == before
    assert counts(wider, 12.0) == before


def test_probes_out_are_not_forgotten_when_fewer_are_permitted(bench: Make) -> None:
    b = bench(breaker=Breaker(minimum_calls=1, open_for=1, half_open_permits=3))
    b(fails(Boom()))
    b.clock.advance(1)
    assert b(lambda: "answer") == "answer"
    assert b.guard.state == "half_open"
    b.guard.reconfigure(breaker=Breaker(minimum_calls=1, open_for=1, half_open_permits=2))
    assert b.count("breaker_window_calls") == 1
    b.guard.reconfigure(breaker=Breaker(minimum_calls=1, open_for=1, half_open_permits=1))
    # No permit would have been left, and no answer that decides: the round begins anew.
    assert b.count("breaker_window_calls") == 0
    assert b(lambda: "answer") == "answer"
    assert b.guard.state == "closed"


def test_a_probe_that_is_out_takes_one_of_the_new_permits(bench: Make) -> None:
    b = bench(breaker=Breaker(minimum_calls=1, open_for=1, half_open_permits=3))
    b(fails(Boom()))
    b.clock.advance(1)
    with b.guard:
        b.guard.reconfigure(breaker=Breaker(minimum_calls=1, open_for=1, half_open_permits=1))
        assert isinstance(b(lambda: "answer"), BreakerOpen)
    assert b.guard.state == "closed"


def test_in_metrics_only_what_it_would_do_follows_too(bench: Make) -> None:
    b = bench(breaker=Breaker(mode="metrics_only", minimum_calls=10))
    b(fails(Boom()))
    b.guard.reconfigure(breaker=Breaker(minimum_calls=2))
    assert b.guard.state == "metrics_only"
    b(fails(Boom()))
    assert b.count("breaker_would_reject") == 0
    b(lambda: "answer", times=2)
    assert b.count("breaker_would_reject") == 2
