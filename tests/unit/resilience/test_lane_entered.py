"""Who is asked before the lane is taken, who is turned away there, and who finds the last place gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Breaker, BreakerOpen, Bulkhead, Fallback, RateLimit, Retry

Make = Callable[..., Bench]
FULL = {"bulkhead": Bulkhead(limit=5), "rate_limit": RateLimit(rate=1000, burst=1000)}


class Uninterested:
    """An observer that watches nobody, and may fail when it is asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    def watching(self) -> bool:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return False

    def call_started(self, guard: object, operation: str) -> None:
        raise AssertionError("nobody is watched")


@pytest.mark.parametrize("more", [{}, FULL], ids=["lean", "full"])
@pytest.mark.parametrize("error", [None, OSError()], ids=repr)
def test_who_watches_nobody_leaves_the_lane_to_all(
    bench: Make, more: dict[str, Any], error: Exception | None
) -> None:
    b = bench(breaker=Breaker(), **more)
    b(lambda: 1, 3)
    observer = Uninterested(error)
    b.registry.observe(observer)
    assert b(lambda: 2, 4) == 2
    assert observer.asked == 4
    assert b.count("calls", "default", "success") == 7
    lane = b.guard.ledger.layout.lanes["default"]
    assert sum(b.guard.ledger.slots[lane.offset : lane.offset + lane.size - 1]) >= 4
    assert b.registry.listener_errors["observer"] == (4 if error else 0)


@pytest.mark.parametrize("more", [{}, FULL], ids=["lean", "full"])
def test_an_open_breaker_turns_away_at_the_entry(bench: Make, more: dict[str, Any]) -> None:
    b = bench(breaker=Breaker(consecutive_failures=1, open_for=30), **more)
    b.registry.unsubscribe(b.events)
    b(fails(ConnectionError()))
    b.clock.advance(10)
    error = b(lambda: 1)
    assert isinstance(error, BreakerOpen)
    assert (error.reason, error.retry_after) == ("open", 20)
    assert b.guard.ledger.slots[b.guard.ledger.layout.lanes["default"].refused] == 1
    assert b.count("calls", "default", "rejected") == 1


@pytest.mark.parametrize("more", [{}, FULL], ids=["lean", "full"])
def test_or_with_the_default_answer(bench: Make, more: dict[str, Any]) -> None:
    b = bench(breaker=Breaker(consecutive_failures=1), fallback=Fallback(default="none"), **more)
    b.registry.unsubscribe(b.events)
    b(fails(ConnectionError()))
    assert b(lambda: 1, 2) == "none"
    assert b.guard.ledger.slots[b.guard.ledger.layout.lanes["default"].refused] == 2
    assert b.count("degradations", "default", "default", "served") == 3


class Taken(list[None]):
    """Places of which somebody takes the last one between the look at them and the taking."""

    def __init__(self, error: BaseException) -> None:
        super().__init__([None])
        self.error: BaseException | None = error

    def pop(self, index: Any = -1) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        super().pop(index)


def test_who_finds_the_last_place_gone_goes_the_other_way(bench: Make) -> None:
    b = bench(bulkhead=Bulkhead(limit=1), rate_limit=RateLimit(rate=1, burst=5), retry=Retry())
    b(lambda: 0)
    assert b.guard.bulkhead is not None
    b.guard.bulkhead.permits = b.guard.operation("default").permits = Taken(IndexError())
    assert b(lambda: 1) == 1
    assert b.guard.bulkhead.in_flight == 0
    assert b.count("rate_limiter_available") == pytest.approx(3)
    assert b.count("calls", "default", "success") == 2


def test_an_interrupt_instead_of_a_place_is_a_cancelled_call(bench: Make) -> None:
    b = bench(bulkhead=Bulkhead(limit=1), rate_limit=RateLimit(rate=1, burst=5))
    b(lambda: 0)
    assert b.guard.bulkhead is not None
    interrupt = KeyboardInterrupt()
    b.guard.bulkhead.permits = b.guard.operation("default").permits = Taken(interrupt)
    call = b.guard(lambda: 1)
    with pytest.raises(KeyboardInterrupt) as caught:
        call()
    assert caught.value is interrupt
    assert b.count("rate_limiter_available") == pytest.approx(4)
    assert b.count("calls", "default", "cancelled") == 1
    assert b.count("attempts", "default", "cancelled") == 0


def test_without_a_rate_limit_there_is_no_permit_to_give_back(bench: Make) -> None:
    b = bench(bulkhead=Bulkhead(limit=1))
    b(lambda: 0)
    assert b.guard.bulkhead is not None
    b.guard.bulkhead.permits = b.guard.operation("default").permits = Taken(IndexError())
    assert b(lambda: 1) == 1
    assert b.guard.bulkhead.in_flight == 0
    assert b.count("calls", "default", "success") == 2


class Waiter:
    def __init__(self) -> None:
        self.placed = False
        self.woken = 0

    def wake(self) -> bool:
        self.woken += 1
        return True


def test_who_has_queued_up_meanwhile_gets_the_place(bench: Make) -> None:
    b = bench(bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=60.0))
    bulkhead, waiter = b.guard.bulkhead, Waiter()
    assert bulkhead is not None
    times = iter(range(2))

    def step() -> str:
        if next(times) == 1:
            assert bulkhead.join(waiter, 1) == ""
            assert not waiter.placed
        return "answer"

    async def astep() -> str:
        return step()

    ask, aask = b.guard(step), b.guard(astep)
    for _ in range(2):
        assert (ask() if b.how == "sync" else b.clock.run(aask())) == "answer"
    assert (waiter.placed, waiter.woken) == (True, 1)
    assert (list(bulkhead.waiters), bulkhead.in_flight) == ([], 1)
