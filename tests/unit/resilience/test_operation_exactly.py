"""What an operation reads off its guard: when it refuses at the entry, what is slow, what the guard costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Breaker, BreakerOpen, Fallback, Guard, RateLimit, Registry, Retry, Timeout
from seawall.testing import ManualClock

Make = Callable[..., Bench]
OPENS: dict[str, Any] = {"consecutive_failures": 1, "open_for": 30.0}

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")


def unheard(bench: Make, **policies: Any) -> Bench:
    """Nobody listens: calls may be refused at the entry."""
    b = bench(**policies)
    b.registry.unsubscribe(b.events)
    return b


def test_a_default_answer_is_for_what_it_was_asked_for(bench: Make) -> None:
    fallback = Fallback(default="none", on=(KeyError,))
    b = unheard(bench, breaker=Breaker(**OPENS), fallback=fallback)
    assert b(fails(KeyError())) == "none"
    assert isinstance(b(lambda: 1), BreakerOpen)
    assert b.count("degradations", "default", "default", "served") == 1


def test_an_alternative_is_asked_while_the_breaker_is_open(bench: Make) -> None:
    b = unheard(bench, breaker=Breaker(**OPENS), fallback=Fallback(alternative=lambda: "other"))
    assert b(fails(KeyError()), times=3) == "other"
    assert b.count("degradations", "default", "alternative", "served") == 3
    assert b.guard.operation("default").refuse_until == float("-inf")


def test_only_an_open_breaker_refuses_at_the_entry(bench: Make) -> None:
    b = unheard(bench, breaker=Breaker(**OPENS), rate_limit=RateLimit(rate=9, burst=9, kind="sliding_window"))
    operation = b.guard.operation("default")
    assert operation.refuse_until == float("-inf")
    b(fails(KeyError()))
    assert operation.refuse_until == b.clock() + 30
    b.guard.force("disabled")
    assert operation.refuse_until == float("-inf")
    # The lane is shut, for such a limit is none for it.
    assert b(lambda: "answer") == "answer"


def test_whoever_listens_is_told_of_each_call(bench: Make) -> None:
    b = bench(breaker=Breaker(**OPENS))
    b(fails(KeyError()))
    operation = b.guard.operation("default")
    assert operation.refuse_until == float("-inf")
    b.registry.unsubscribe(b.events)
    assert operation.refuse_until == b.clock() + 30


@pytest.mark.parametrize(("seconds", "state"), [(0.5, "closed"), (0.75, "open")])
def test_later_than_the_limit_is_slow_to_the_breaker_beyond_its_own(seconds: float, state: str) -> None:
    breaker = Breaker(slow_after=0.5, slow_ratio=0.1, minimum_calls=1, window_calls=1)
    b = Bench("sync", breaker=breaker, timeout=Timeout(attempt=0.25))
    b(lambda: b.clock.advance(seconds))
    assert b.count("attempts", "default", "slow") == 1
    assert b.guard.state == state


def test_both_who_judge_results_are_asked(bench: Make) -> None:
    asked: list[tuple[str, Any]] = []

    def judge(name: str) -> Callable[[Any], bool]:
        def judged(result: Any) -> bool:
            asked.append((name, result))
            return bool(result == name)

        return judged

    retry = Retry(attempts=1, on_result=judge("unwanted"), budget=None)
    b = bench(breaker=Breaker(record_result=judge("bad")), retry=retry)
    operation = b.guard.operation("default")
    assert operation.judge is not None
    assert [operation.judge(result) for result in ("bad", "unwanted", "good")] == [True, True, False]
    assert asked == [
        ("bad", "bad"), ("bad", "unwanted"), ("unwanted", "unwanted"), ("bad", "good"), ("unwanted", "good"),
    ]  # fmt: skip
    assert b(lambda: "bad") == "bad"
    assert b.count("attempts", "default", "failure") == 1
    assert b(lambda: "unwanted") == "unwanted"
    assert b.count("retry_calls", "default", "exhausted") == 1


def test_what_a_guard_costs_is_without_its_function(bench: Make) -> None:
    b = bench()
    b(lambda: b.clock.advance(0.5))
    b(lambda: b.clock.advance(0.5))
    entry = b.guard.ledger.layout.entry("overhead")
    slots = b.guard.ledger.slots[entry.offset : entry.offset + entry.size]
    assert (sum(slots[:-1]), slots[0], slots[-1]) == (1, 1, 0.0)


@pytest.mark.parametrize(("later", "done"), [(0.0, False), (0.25, True)])
def test_housekeeping_is_due_past_the_tick(bench: Make, later: float, done: bool) -> None:
    b = bench()
    b(lambda: 1, times=3)
    operation = b.guard.operation("default")
    tick = operation.tick

    def body() -> None:
        b.clock.advance(tick - b.clock() + later)
        raise KeyError

    b(body)
    assert (operation.tick > tick) is done


def test_the_sampling_of_an_operation_that_retires_goes_on() -> None:
    b = Bench("sync")
    retired, heir = b.guard.operation("default"), Guard("heir", registry=Registry("h")).operation("default")
    with b.guard.lock:
        b.guard._operations = {}
        retired.retire(lambda: heir)
    retired.sample_taken()
    assert (retired.sampling, retired.lane, retired.open_lane) == (True, 0, 0)
    assert retired._operation() is heir
    assert retired.call(lambda: 1) == 1
    assert heir.guard.read()[heir.guard.ledger.layout.at("calls", "default", "success")] == 1


def test_an_observer_that_fails_is_named(caplog: pytest.LogCaptureFixture) -> None:
    class Observer:
        def watching(self) -> bool:
            raise OSError

    registry = Registry("t")
    guard = Guard("bank", registry=registry, clock=ManualClock())
    registry.observe(Observer())  # type: ignore[arg-type]
    for _ in range(3):
        guard.operation("default").unwatched_lane()
    operation = guard.operation("default")
    operation.sampling = False
    assert operation.unwatched_lane() == operation.lane == 1
    assert [record.getMessage() for record in caplog.records] == [
        "listener observer raised OSError; further errors are counted, not logged"
    ]


def test_without_anybody_to_ask_the_lane_is_for_all() -> None:
    operation = Bench("sync").guard.operation("default")
    operation.shift(7, lambda: True)
    assert (operation.lane, operation.open_lane, operation.unwatched_lane()) == (7, 0, 0)
    # Whoever found it shut a moment ago asks now.
    operation.shift(7, None)
    assert (operation.lane, operation.open_lane, operation.unwatched_lane()) == (7, 7, 7)
