"""The fast lane number by number: which bucket, how long, until when, and what it leaves to a journey."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import pytest

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    Fallback,
    Guard,
    RateLimit,
    RateLimited,
    Registry,
    TimedOut,
    Timeout,
    remaining,
)
from seawall.testing import ManualClock

FULL: dict[str, Any] = {"bulkhead": Bulkhead(limit=2), "rate_limit": RateLimit(rate=1000, burst=1000)}
KINDS = ["lean", "full", "async", "async full"]


class Lane:
    """A guarded function whose calls are on the lane: nobody listens, and its housekeeping is done."""

    def __init__(self, kind: str, **policies: Any) -> None:
        self.clock = ManualClock()
        full = FULL if "full" in kind else {}
        self.registry = Registry("t")
        self.guard = Guard(
            "bank", registry=self.registry, clock=self.clock, sleep=self.clock.sleep,
            asleep=self.clock.asleep, **(full | policies),
        )  # fmt: skip
        self.op = self.guard.operation("default")
        self.body: Callable[..., Any] = lambda *args, **kwargs: (args, kwargs)

        def function(*args: Any, **kwargs: Any) -> Any:
            return self.body(*args, **kwargs)

        async def afunction(*args: Any, **kwargs: Any) -> Any:
            return self.body(*args, **kwargs)

        self.guarded: Callable[..., Any] = self.guard(afunction if "async" in kind else function)
        self.run: Callable[..., Any] = self.clock.run if "async" in kind else lambda result: result
        self.settle()

    def settle(self) -> None:
        """Past what is due: the first answer, the housekeeping, the call that is timed."""
        for _ in range(3):
            self.call()
        assert self.op.open_lane
        assert self.clock() < self.op.tick

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self.guarded(*args, **kwargs))

    def takes(self, seconds: float, error: Exception | None = None) -> list[float]:
        """What the lane's slots grow by when a call takes this long."""

        def body() -> None:
            self.clock.advance(seconds)
            if error is not None:
                raise error

        before, first, last = list(self.op.slots), self.op.base, self.op.sum_slot + 1
        self.body = body
        if error is None:
            self.call()
        else:
            with pytest.raises(type(error)):
                self.call()
        return [new - old for new, old in zip(self.op.slots[first:last], before[first:last], strict=True)]

    def count(self, field: str, *labels: str) -> float:
        return self.guard.read()[self.guard.ledger.layout.at(field, *labels)]


@pytest.fixture(params=KINDS)
def lane(request: pytest.FixtureRequest) -> Callable[..., Lane]:
    return lambda **policies: Lane(request.param, **policies)


Make = Callable[..., Lane]


def test_arguments_and_answers(lane: Make) -> None:
    made = lane()
    assert made.call(1, 2) == ((1, 2), {})
    assert made.call(1, two=2) == ((1,), {"two": 2})


@pytest.mark.parametrize("which", [0, 1, 2, -1])
@pytest.mark.parametrize("more", [0.0, 2.0**-20])
def test_each_call_is_in_its_bucket(lane: Make, which: int, more: float) -> None:
    made = lane()
    # A power of two near the bound, so that the clock's sums are exact.
    bound = made.op.bounds[which] if more else 2.0**-11
    began = made.clock()
    seconds = (began + bound + more) - began
    grown = made.takes(seconds)
    expected = [0.0] * len(grown)
    expected[bisect_left(made.op.bounds, seconds)] = 1
    expected[-1] = seconds
    assert grown == expected


@pytest.mark.parametrize(("later", "plain"), [(0.0, 1), (0.001, 0)])
def test_the_lane_is_open_until_housekeeping_is_due(lane: Make, later: float, plain: int) -> None:
    made = lane()
    made.clock.advance(made.op.tick - made.clock() + later)
    tick = made.op.tick
    assert sum(made.takes(0.0)) == plain
    assert (made.op.tick > tick) is not bool(plain)
    assert made.count("calls", "default", "success") == 4


@pytest.mark.parametrize(("seconds", "plain"), [(0.5, 1.5), (0.75, 0)])
def test_what_takes_as_long_as_it_may_is_not_slow(lane: Make, seconds: float, plain: float) -> None:
    made = lane(breaker=Breaker(slow_after=0.5))
    assert sum(made.takes(seconds)) == plain
    assert made.count("attempts", "default", "slow") == (not plain)


def test_a_failure_is_as_long_as_it_was(lane: Make) -> None:
    made = lane()
    assert sum(made.takes(0.25, KeyError())) == 0
    for field in ("attempt_duration", "call_duration"):
        entry = made.guard.ledger.layout.entry(field, "default")
        grown = made.op.slots[entry.offset : entry.offset + entry.size]
        assert grown[-1] == 0.25
        assert grown[bisect_left(entry.bounds, 0.25)] >= 1
    assert made.count("attempts", "default", "failure") == 1


@pytest.mark.parametrize(("rest", "plain"), [(1.0, 0), (1.5, 1)])
def test_a_deadline_that_leaves_room_leaves_the_lane(lane: Make, rest: float, plain: int) -> None:
    made = lane(timeout=Timeout(attempt=1.0))
    seen: list[float | None] = []
    made.body = lambda: seen.append(remaining())
    made.call()
    assert seen == [1.0]
    before = made.guard.accounts.lane_successes()
    within(made, rest, made.call)
    assert made.guard.accounts.lane_successes() - before == plain
    assert seen == [1.0, 1.0]
    assert remaining() is None


@pytest.mark.parametrize(("rest", "plain"), [(0.5, 1), (0.0, 0)])
def test_without_a_limit_any_rest_will_do(lane: Make, rest: float, plain: int) -> None:
    made = lane()
    before = made.guard.accounts.lane_successes()
    if plain:
        within(made, rest, made.call)
    else:
        with pytest.raises(TimedOut) as caught:
            within(made, rest, made.call)
        assert (caught.value.dependency, caught.value.scope) == ("bank", "total")
    assert made.guard.accounts.lane_successes() - before == plain


def within(made: Lane, rest: float, call: Callable[[], Any]) -> None:
    """Call with so many seconds left of somebody's deadline."""
    outer = Guard("outer", timeout=Timeout(total=8.0), registry=Registry("o"), clock=ManualClock())
    assert isinstance(outer.clock, ManualClock)
    spend = outer.clock.advance

    def body() -> None:
        spend(8.0 - rest)
        call()

    outer.call(body)


def test_an_open_breaker_says_who_and_why_and_how_long(lane: Make) -> None:
    made = lane(breaker=Breaker(consecutive_failures=1, open_for=30))
    made.takes(0.0, KeyError())
    made.clock.advance(10)
    for n in (1, 2, 3):
        with pytest.raises(BreakerOpen) as caught:
            made.call()
        error = caught.value
        assert (error.dependency, error.policy, error.reason, error.retry_after) == (
            "bank", "breaker", "open", 20.0,
        )  # fmt: skip
        assert made.op.slots[made.op.refused] == n
    made.clock.advance(20)
    made.body = lambda: "probed"
    assert made.call() == "probed"
    assert made.op.slots[made.op.refused] == 3


def test_or_has_the_default_answer(lane: Make) -> None:
    made = lane(breaker=Breaker(consecutive_failures=1), fallback=Fallback(default="none"))

    def fail() -> None:
        raise KeyError

    made.body = fail
    for n in range(4):
        assert made.call() == "none"
        assert made.op.slots[made.op.refused] == n


@pytest.mark.parametrize("answer", ["good", "bad"])
def test_a_result_that_is_judged(lane: Make, answer: str) -> None:
    asked: list[str] = []

    def bad(result: Any) -> bool:
        asked.append(result)
        return bool(result == "bad")

    made = lane(breaker=Breaker(record_result=bad))
    before = made.guard.accounts.lane_successes()
    made.body = lambda: answer
    asked.clear()
    assert made.call() == answer
    assert set(asked) == {answer}
    assert made.guard.accounts.lane_successes() - before == (answer == "good")
    assert made.count("attempts", "default", "failure") == (answer == "bad")


def test_what_is_kept_is_as_old_as_its_end(lane: Make) -> None:
    made = lane(fallback=Fallback(stale_for=60, default="none"))
    answers: dict[Any, Any] = {1: "one"}

    def body(key: int, *, then: str = "") -> str:
        made.clock.advance(0.25)
        return str(answers[key] + then)

    made.body = body
    assert made.call(1) == "one"
    assert made.call(1, then="!") == "one!"
    del answers[1]
    made.clock.advance(0.5)
    assert made.call(1) == "one"
    assert made.call(1, then="!") == "one!"
    assert made.call(2) == "none"
    entry = made.guard.ledger.layout.entry("stale_age")
    # Each was kept a quarter of a second after it began, and the failures took one each.
    assert made.op.slots[entry.offset + entry.size - 1] == (0.25 + 0.5 + 0.25) + (0.5 + 0.25 + 0.25)


@pytest.fixture(params=["full", "async full"])
def full(request: pytest.FixtureRequest) -> Make:
    return lambda **policies: Lane(request.param, **policies)


def test_permits_of_a_rate_limit_one_by_one(full: Make) -> None:
    made = full(rate_limit=RateLimit(rate=4, burst=4))
    limiter = made.op.limiter
    assert limiter is not None
    assert limiter.arrival == 1000.75
    made.call()
    assert limiter.arrival == 1001.0
    # But for a hair.
    assert limiter.tolerance == pytest.approx(0.75)
    limiter.tolerance = 0.75
    with pytest.raises(RateLimited) as caught:
        made.call()
    assert caught.value.retry_after == pytest.approx(0.25)
    assert limiter.arrival == 1001.0
    made.clock.advance(0.25)
    assert sum(made.takes(0.0)) == 1
    assert limiter.arrival == 1001.25
    made.clock.advance(0.5)
    assert sum(made.takes(0.125)) == 1.125
    assert limiter.arrival == 1001.5
    made.clock.advance(0.25)
    made.body = lambda: None
    made.call()
    assert made.clock() == 1001.125
    assert limiter.arrival == 1001.75
    made.clock.advance(1.0)
    made.call()
    assert limiter.arrival == 1002.375


def test_a_place_for_as_long_as_the_call(full: Make) -> None:
    made = full(bulkhead=Bulkhead(limit=2))
    bulkhead = made.guard.bulkhead
    assert bulkhead is not None
    seen: list[int] = []
    made.body = lambda: seen.append(bulkhead.in_flight)
    before = made.guard.accounts.lane_successes()
    made.call()
    made.takes(0.0, KeyError())
    assert (seen, bulkhead.in_flight) == ([1], 0)
    assert made.guard.accounts.lane_successes() == before + 1
