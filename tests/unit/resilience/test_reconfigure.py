"""Other settings at run time: functions that were guarded before, what is refused, what is told, threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    ConfigurationError,
    Guard,
    PolicyWarning,
    RateLimit,
    Registry,
    Retry,
    RetryBudget,
    Timeout,
)
from seawall.resilience.events import PolicyChanged
from seawall.testing import ManualClock

Make = Callable[..., Bench]


class Boom(Exception): ...


def test_a_decorated_function_sees_the_new_settings(bench: Make) -> None:
    b = bench(breaker=Breaker(minimum_calls=10), retry=CALM)
    asked = 0

    def body() -> None:
        nonlocal asked
        asked += 1
        raise Boom

    call = _decorated(b, body)
    with pytest.raises(Boom):
        call()
    assert asked == 3
    b.guard.reconfigure(retry=Retry(attempts=5, base_delay=1.0, jitter="none", budget=None))
    with pytest.raises(Boom):
        call()
    assert asked == 8
    b.guard.reconfigure(breaker=Breaker(minimum_calls=9), retry=Retry(attempts=1, budget=None))
    with pytest.raises(Boom):
        call()
    assert asked == 9
    with pytest.raises(BreakerOpen):
        call()


def _decorated(b: Bench, body: Callable[[], Any]) -> Callable[[], Any]:
    if b.how == "sync":
        return b.guard(body)

    @b.guard
    async def task() -> Any:
        await asyncio.sleep(0)
        return body()

    return lambda: b.clock.run(task())


def test_every_success_is_counted_once_before_and_after(bench: Make) -> None:
    b = bench(breaker=Breaker(), rate_limit=RateLimit(rate=1000, burst=1000), bulkhead=Bulkhead(limit=2))
    call = _decorated(b, lambda: "answer")
    for limit in (2, 3, 1, 2):
        b.guard.reconfigure(bulkhead=Bulkhead(limit=limit))
        assert [call() for _ in range(5)] == ["answer"] * 5
    assert b.count("calls", "default", "success") == b.count("attempts", "default", "success") == 20
    assert b.count("bulkhead_in_flight") == 0


def test_the_successor_takes_the_fast_lane(bench: Make) -> None:
    b = bench(timeout=Timeout(attempt=5.0))
    call = _decorated(b, lambda: "answer")
    call()
    old = b.guard.operation("default")
    b.guard.reconfigure(timeout=Timeout(attempt=2.0))
    new = b.guard.operation("default")
    assert new is not old
    before = new.slots[new.base]
    # The first is looked at anew, the second is the sampled one, which takes the lane too.
    for _ in range(5):
        call()
    assert new.slots[new.base] - before >= 3
    assert old.lane == old.open_lane == 0
    assert new.lane == 1
    assert old._operation() is new
    assert new._operation() is new
    kept = old.handover._lanes  # type: ignore[union-attr]
    assert len(kept) == 1
    b.guard.reconfigure(timeout=Timeout(attempt=3.0))
    for _ in range(3):
        call()
    assert len(kept) == 1
    assert next(iter(kept.values()))[0] is b.guard.operation("default")


def test_each_function_goes_on_with_its_own_arguments_and_so_does_a_sampled_call(bench: Make) -> None:
    b = bench(timeout=Timeout(attempt=5.0))

    def call(function: Callable[..., Any], *args: int, **kwargs: int) -> Any:
        result = function(*args, **kwargs)
        return result if b.how == "sync" else b.clock.run(result)

    def of(body: Callable[..., int]) -> Callable[..., Any]:
        async def task(*args: int, **kwargs: int) -> int:
            return body(*args, **kwargs)

        return b.guard(body if b.how == "sync" else task)

    less, more = of(lambda x, y: x - y), of(lambda x, y: x + y)
    for sampling in (True, False):
        assert call(less, 5, y=3) == 2
        assert b.guard.operation("default").sampling is sampling
    b.guard.reconfigure(timeout=Timeout(attempt=2.0))
    for _ in range(2):
        assert (call(less, 5, y=3), call(more, 5, y=3)) == (2, 8)


def test_a_held_operation_and_what_is_decorated_with_it_later(bench: Make) -> None:
    b = bench(breaker=Breaker(record_result=lambda x: x == "bad"))
    held = b.guard.operation("default")
    b.guard.reconfigure(breaker=Breaker(record_result=lambda x: x == "worse"))
    for answer in ("bad", "worse"):
        assert held.call(lambda answer=answer: answer) == answer
    assert b.count("attempts", "default", "failure") == 1

    @held
    def later() -> str:
        return "worse"

    later()
    assert b.count("attempts", "default", "failure") == 2
    assert b.count("errors", "0") == 2


def test_generators_and_blocks_that_were_guarded_before() -> None:
    clock = ManualClock()
    guard = Guard("bank", breaker=Breaker(slow_after=1.0), registry=Registry("t"), clock=clock)

    @guard
    def items() -> Generator[int]:
        clock.advance(2.0)
        yield 1

    @guard
    async def more() -> AsyncGenerator[int]:
        clock.advance(2.0)
        yield 1

    async def consume() -> list[int]:
        return [x async for x in more()]

    guard.reconfigure(breaker=Breaker(slow_after=3.0))
    assert list(items()) == [1]
    assert clock.run(consume()) == [1]
    with guard:
        clock.advance(2.0)
    layout, reading = guard.ledger.layout, guard.read()
    assert reading[layout.at("attempts", "default", "success")] == 3
    guard.reconfigure(breaker=Breaker(slow_after=1.5))
    assert list(items()) == [1]
    assert clock.run(consume()) == [1]
    with guard:
        clock.advance(2.0)
    assert guard.read()[layout.at("attempts", "default", "slow")] == 3


def test_a_call_in_flight_ends_well(bench: Make) -> None:
    b = bench(bulkhead=Bulkhead(limit=1), breaker=Breaker(), rate_limit=RateLimit(rate=10, burst=10))

    def body() -> str:
        b.guard.reconfigure(
            bulkhead=Bulkhead(limit=3),
            breaker=Breaker(window_calls=20),
            rate_limit=RateLimit(rate=5, burst=5),
        )
        assert b.count("bulkhead_in_flight") == 1
        return "answer"

    assert b(body, times=3) == "answer"
    assert b.count("bulkhead_in_flight") == 0
    assert b.count("calls", "default", "success") == 3
    assert b.guard.bulkhead is not None
    assert len(b.guard.bulkhead.permits) == 3


def test_the_function_is_still_looked_at_when_it_first_answers() -> None:
    guard = Guard("bank", timeout=Timeout(attempt=1.0), registry=Registry("t"))

    @guard
    def later() -> Any:
        return (x for x in [_generator()]) if False else _generator()

    guard.reconfigure(timeout=Timeout(attempt=2.0))
    with pytest.raises(ConfigurationError, match="handed back a generator"):
        later()


def _generator() -> Generator[int]:
    yield 1


def test_a_lane_that_was_retired_while_its_sample_was_taken_stays_shut() -> None:
    guard = Guard("bank", timeout=Timeout(attempt=1.0), registry=Registry("t"))
    old = guard.operation("default")
    guard.reconfigure(timeout=Timeout(attempt=2.0))
    old.sample_taken()
    assert old.sampling is True
    assert old.open_lane == 0


# -- what is refused, and what is told


@pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
def test_all_that_is_wrong_in_one_error_and_nothing_done() -> None:
    guard = Guard(
        "bank",
        registry=Registry("t"),
        breaker=Breaker(),
        rate_limit=RateLimit(rate=5),
        retry=Retry(),
        operations=("read",),
    )
    before = guard.describe(), guard.operation("read"), guard.retry
    with pytest.raises(ConfigurationError) as refused:
        guard.reconfigure(
            breaker=Breaker(failure_ratio=0.1),
            bulkhead=Bulkhead(limit=3),
            rate_limit=RateLimit(rate=5, kind="sliding_window"),
            retry=Retry(budget=None),
            timeout=Timeout(total=1.0),
        )
    assert sorted(refused.value.problems) == [
        f"Guard 'bank'.bulkhead is {Bulkhead(limit=3)!r}; allowed: None: "
        "a policy that the guard was not built with can't be added",
        "Guard 'bank'.rate_limit.kind is 'sliding_window'; allowed: token_bucket",
        f"Guard 'bank'.retry.budget is None; allowed: {RetryBudget()!r}, "
        "or one of its kind if neither is shared by name",
        f"Guard 'bank'.timeout is {Timeout(total=1.0)!r}; allowed: None: "
        "a policy that the guard was not built with can't be added",
    ]
    with pytest.raises(ConfigurationError) as refused:
        guard.reconfigure(breaker="on", retry=Retry(idempotent=("write",)), bulkhead=Bulkhead(limit=1))  # type: ignore[arg-type]
    assert len(refused.value.problems) == 3
    assert (guard.describe(), guard.operation("read"), guard.retry) == before


def test_nothing_given_changes_nothing_but_is_told(bench: Make) -> None:
    b = bench(breaker=Breaker())
    told = b.guard.describe()["hash"]
    b.guard.reconfigure()
    assert b.guard.describe()["hash"] == told


def test_an_event_and_a_new_hash(bench: Make) -> None:
    b = bench(breaker=Breaker(), retry=CALM)
    before = b.guard.describe()["hash"]
    b.guard.reconfigure(retry=Retry(attempts=2, budget=None), breaker=Breaker(open_for=5))
    now = b.guard.describe()
    assert now["hash"] != before
    assert now["policies"]["breaker"]["open_for"] == 5
    assert list(now["policies"]) == ["breaker", "retry"]
    (event,) = b.events.of(PolicyChanged)
    assert (event.dependency, event.operation, event.number) == ("bank", "", 1)
    assert (event.policies, event.policy_hash) == (("breaker", "retry"), now["hash"])


def test_settings_that_do_not_go_together_are_warned_of_in_the_name_of_the_guard() -> None:
    guard = Guard("bank", timeout=Timeout(total=6.0), retry=Retry(attempts=1), registry=Registry("t"))
    with pytest.warns(PolicyWarning, match=r"^bank: retry\.attempts is 3 and timeout\.attempt is None"):
        guard.reconfigure(retry=Retry())
