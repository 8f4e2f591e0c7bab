"""Parts of a guard one by one: who ends which block, which marks a window has, what is read and told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, fails
from tests.unit.resilience.test_calls_exactly import Told, built, pay

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Coalesce,
    Fallback,
    Guard,
    RateLimit,
    Registry,
    TimedOut,
    Timeout,
    remaining,
)
from seawall.resilience.block import Block, Blocks
from seawall.resilience.bulkhead import BulkheadState
from seawall.resilience.events import Transition
from seawall.resilience.flights import counts, uncounted
from seawall.resilience.window import Window

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")

Make = Callable[..., Bench]
LEFT = (None, None, None)


# -- blocks


def test_each_context_ends_its_own_block() -> None:
    b = Bench("sync")
    told = Told(b)
    one, other = copy_context(), copy_context()
    one.run(b.guard.__enter__)
    b.clock.advance(1)
    other.run(b.guard.__enter__)
    b.clock.advance(2)
    one.run(b.guard.__exit__, *LEFT)
    b.clock.advance(1)
    other.run(b.guard.__exit__, *LEFT)
    assert [entry[-1] for entry in told.log if entry[0] == "ended"] == [3.0, 3.0]


def test_each_guard_ends_its_own_block() -> None:
    one, other = (Bench("sync", bulkhead=Bulkhead(limit=1)) for _ in range(2))
    one.guard.__enter__()
    other.guard.__enter__()
    one.guard.__exit__(*LEFT)
    assert [b.count("bulkhead_in_flight") for b in (one, other)] == [0, 1]
    other.guard.__exit__(*LEFT)
    assert [b.count("bulkhead_in_flight") for b in (one, other)] == [0, 0]


def test_a_block_inside_another_ends_alone(bench: Make) -> None:
    b = bench(bulkhead=Bulkhead(limit=2))
    seen: list[float] = []

    async def ablocks() -> None:
        async with b.guard:
            async with b.guard:
                seen.append(b.count("bulkhead_in_flight"))
            seen.append(b.count("bulkhead_in_flight"))

    if b.how == "async":
        b.clock.run(ablocks())
    else:
        with b.guard:
            with b.guard:
                seen.append(b.count("bulkhead_in_flight"))
            seen.append(b.count("bulkhead_in_flight"))
    assert [*seen, b.count("bulkhead_in_flight")] == [2, 1, 0]


def test_an_interrupt_before_it_is_known_which_block_ends(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(bulkhead=Bulkhead(limit=1))
    innermost, interrupts = Blocks._innermost, [KeyboardInterrupt()]

    def interrupted(self: Blocks) -> Block:
        if interrupts:
            raise interrupts.pop()
        return innermost(self)

    def block() -> None:
        with b.guard:
            pass

    async def ablock() -> None:
        async with b.guard:
            pass

    monkeypatch.setattr(Blocks, "_innermost", interrupted)
    with pytest.raises(KeyboardInterrupt):
        b.clock.run(ablock()) if b.how == "async" else block()
    assert b.count("bulkhead_in_flight") == 0
    assert not b.guard._blocks.any


def test_a_generator_has_the_limit_that_its_arguments_by_name_ask_for() -> None:
    b = Bench("async", timeout=Timeout(attempt=5.0, attempt_for=lambda *, limit: limit))

    async def numbers(*, limit: float) -> AsyncIterator[float | None]:
        yield remaining()

    async def first() -> list[float | None]:
        return [number async for number in b.guard(numbers)(limit=0.5)]

    assert b.clock.run(first()) == [0.5]


# -- the async driver, off the lane


def off_the_lane(**policies: Any) -> Bench:
    b = Bench("async", **policies)
    b.guard.fail_by(lambda operation: None)
    return b


def test_off_the_lane_too_a_block_inside_has_its_own_time_out() -> None:
    b = off_the_lane(timeout=Timeout(attempt=5.0))

    async def body() -> None:
        async with asyncio.timeout(0.5):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError) as caught:
        b.clock.run(b.guard.acall(body))
    assert (type(caught.value), b.clock()) == (TimeoutError, 1000.5)


def test_off_the_lane_too_of_two_equal_limits_it_is_that_of_the_attempt() -> None:
    b = off_the_lane(timeout=Timeout(attempt=1.0, total=1.0))
    with pytest.raises(TimedOut) as caught:
        b.clock.run(b.guard.acall(asyncio.sleep, 60))
    assert (caught.value.scope, caught.value.limit) == ("attempt", 1.0)


def test_an_alternative_is_given_what_the_call_was() -> None:
    async def other(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    async def body(one: int, *, two: int) -> Any:
        raise KeyError

    b = Bench("async", fallback=Fallback(alternative=other))
    assert b.clock.run(b.guard.acall(body, 1, two=2)) == ((1,), {"two": 2})


# -- the bulkhead, the window


class Waiter:
    placed = False

    def __init__(self, there: bool = True) -> None:
        self.there = there

    def wake(self) -> bool:
        return self.there


def test_a_place_that_nobody_is_left_to_take_stays_free() -> None:
    bulkhead, gone = BulkheadState(Bulkhead(limit=1, max_queue=1, max_wait=1.0)), Waiter(there=False)
    assert bulkhead.enter([])
    assert bulkhead.join(gone, 1) == ""
    bulkhead.leave()
    assert (gone.placed, list(bulkhead.waiters), bulkhead.in_flight) == (False, [], 0)


def test_a_mark_is_made_every_tenth_unless_the_lane_will_not_wait_so_long() -> None:
    made = Window(9, 5.0)
    made.pass_time(0.0, 0)
    made.pass_time(0.25, 3)
    assert list(made._marks) == [(0.0, 0)]
    made.clear(0)
    made.pass_time(1000.0, 7)
    made.pass_time(1000.25, 8, 1000.5)
    assert list(made._marks) == [(1000.0, 7)]
    made.pass_time(1000.25, 8, 1000.75)
    assert list(made._marks) == [(1000.0, 7), (1000.25, 8)]


def test_housekeeping_marks_what_the_lane_will_count_until_the_next_time() -> None:
    b = Bench("sync", breaker=Breaker(window_seconds=10.0))
    assert b.guard.breaker is not None
    window = b.guard.breaker.window
    for now in (1000.0, 1000.5):
        b.guard.housekeep(now)
    assert [at for at, _ in window._marks] == [1000.0, 1000.5]


# -- what is read and told


def test_the_state_that_is_read_is_that_of_now_whatever_was_counted() -> None:
    b = Bench("sync", breaker=Breaker())
    states = ("closed", "forced_open")
    assert [b.count("breaker_state", state) for state in states] == [1, 0]
    assert b.guard.breaker is not None
    b.guard.breaker.state = "forced_open"
    assert [b.count("breaker_state", state) for state in states] == [0, 1]
    # What a reader that was interrupted between two of its writes left behind.
    b.guard.read_versioned()[0][b.guard.ledger.layout.at("breaker_state", "closed")] = 1
    assert [b.count("breaker_state", state) for state in states] == [0, 1]


def test_a_transition_that_nobody_called_for_is_of_no_operation() -> None:
    b = Bench("sync", breaker=Breaker(minimum_calls=1, window_calls=1, open_for=30.0))
    b(fails(KeyError()))
    b.clock.advance(30)
    assert b.count("breaker_state", "half_open") == 1
    assert [(event.to_state, event.operation) for event in b.events.of(Transition)] == [
        ("open", "default"), ("half_open", ""),
    ]  # fmt: skip


def test_transitions_out_of_a_listener_come_after_the_one_it_was_told_of() -> None:
    b = Bench("sync", breaker=Breaker())
    heard: list[str] = []

    def first(event: Any) -> None:
        if event.to_state == "forced_open":
            b.guard.force("closed")

    def second(event: Any) -> None:
        heard.append(event.to_state)

    for listener in (first, second):
        b.registry.subscribe(listener, events=[Transition], name=listener.__name__)
    b.guard.force("forced_open")
    assert heard == ["forced_open", "closed"]


def test_what_a_breaker_records_and_ignores_is_asked_of_its_own_functions(bench: Make) -> None:
    breaker = Breaker(
        minimum_calls=9, record_if=lambda error: error.args == ("bad",),
        ignore_if=lambda error: error.args == ("answer",),
    )  # fmt: skip
    b = bench(breaker=breaker)
    for word in ("bad", "other", "answer"):
        b(fails(KeyError(word)))
    assert [b.count("attempts", "default", outcome) for outcome in ("failure", "ignored")] == [1, 2]
    assert [b.count("calls", "default", outcome) for outcome in ("failure", "success")] == [2, 1]


def test_what_the_shadow_is_told_is_what_was_admitted(bench: Make) -> None:
    b, told = built(bench, breaker=Breaker(mode="metrics_only", minimum_calls=1, window_calls=1))
    pay(b, fails(KeyError()))
    shadow = b.guard.breaker and b.guard.breaker.shadow
    assert shadow is not None
    assert shadow.why_opened is not None
    assert shadow.why_opened.errors == (("KeyError", 1),)
    assert [entry[0] for entry in told.log].count("Transition") == 0


def test_a_limit_of_another_kind_keeps_all_off_the_lane(bench: Make) -> None:
    b = bench(rate_limit=RateLimit(rate=9, burst=9, kind="sliding_window"))
    operation = b.guard.operation("default")
    assert (operation.lane, operation.limiter) == (0, None)


def test_a_guard_that_nobody_observes_asks_nobody() -> None:
    guard = Guard("bank", registry=Registry("t"))
    assert (guard.watching, guard.operation("default").watching()) == (None, False)


def test_a_guard_whose_calls_are_not_shared_says_nothing_of_whose_they_are(bench: Make) -> None:
    alone, shared = bench().guard.operation("default"), bench(coalesce=Coalesce()).guard.operation("default")
    assert (alone.counts, alone.suspect) == (None, None)
    assert (shared.counts, shared.suspect) == (counts, uncounted)
