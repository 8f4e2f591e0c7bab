"""What executors ask of a guard, number by number; storage elsewhere; errors that tests put in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    Coalesce,
    Guard,
    Pipeline,
    RateLimit,
    Registry,
    Retry,
    RetryThrottle,
    TimedOut,
)

ONE = Breaker(window_calls=1, minimum_calls=1, open_for=30, half_open_permits=1)


def test_counts_go_on_in_other_storage(bench: Callable[..., Bench]) -> None:
    b = bench(operations=("default", "pay"))
    b(lambda: "answer", times=2)
    b(fails(ConnectionError()))
    before = b.guard.read()
    slots = [7.0] * b.guard.ledger.layout.width
    with b.guard.lock:
        b.guard.keep_in(slots)
    assert b.guard.read() == before
    assert b.guard.ledger.slots is slots
    assert [op.slots is slots for op in b.guard.declared()] == [True, True]
    b(lambda: "answer")
    assert b.count("calls", "default", "success") == 3


def test_faults_are_asked_in_turn_which_error_an_attempt_comes_to(bench: Callable[..., Bench]) -> None:
    asked: list[str] = []
    error, later = ConnectionError("down"), OSError("later")
    b = bench()
    b.guard.fail_by(asked.append, lambda operation: error, lambda operation: later)
    assert b.guard.fault("pay") == (False, error)
    assert asked == ["pay"]
    assert b(lambda: "answer") is error
    assert asked == ["pay", "default"]
    b.guard.fail_by(asked.append)
    assert b.guard.fault("pay") is None
    assert b(lambda: "answer") == "answer"
    b.guard.fail_by()
    del asked[:]
    assert (b.guard.fault("pay"), b(lambda: "answer"), asked) == (None, "answer", [])


def test_what_the_breaker_says_is_an_epoch_or_why_not() -> None:
    assert Guard("bank", registry=Registry("t")).admit(5.0) == (1, "", None)
    b = Bench("sync", breaker=ONE)
    b.guard.accounts.mean_attempt = 2.0
    assert b.guard.admit(1000.0) == (1, "", None)
    b.guard.settle(1, "failure", "E", 1000.0)
    assert b.count("breaker_transitions", "closed", "open") == 1
    assert [b.guard.shut(at) for at in (1000.0, 1029.0, 1030.0)] == [True, True, False]
    assert b.guard.admit(1010.0) == (0, "open", 20.0)
    assert b.guard.admit(1029.5) == (0, "open", 0.5)
    assert b.count("avoided_seconds") == 4.0
    assert b.guard.admit(1030.0) == (3, "", None)
    assert b.count("breaker_transitions", "open", "half_open") == 1
    assert b.guard.admit(1031.0) == (0, "half_open", None)
    assert b.count("avoided_seconds") == 6.0
    b.clock.advance(40)
    b.guard.settle(3, "success", "", 1040.0)
    assert b.count("breaker_transitions", "half_open", "closed") == 1
    assert b.count("breaker_false_opens") == 1
    entry = b.guard.ledger.layout.entry("breaker_recovery")
    assert b.guard.read()[entry.offset + entry.size - 1] == 40.0
    b.guard.settle(4, "failure", "E", 1040.0)
    assert b.guard.admit(1070.0) == (6, "", None)
    b.guard.settle(6, "success", "", 1070.0)
    for edge in (("closed", "open"), ("open", "half_open"), ("half_open", "closed")):
        assert b.count("breaker_transitions", *edge) == 2
    assert b.count("breaker_false_opens") == 2
    b.guard.force("forced_open")
    assert b.guard.admit(1050.0) == (0, "forced_open", None)
    assert (b.guard.shut(1050.0), b.guard.would_be_shut(1050.0)) == (True, True)


def test_in_metrics_only_the_shadow_says_it() -> None:
    b = Bench("sync", breaker=Breaker(window_calls=1, minimum_calls=1, open_for=30, mode="metrics_only"))
    assert b.guard.admit(1000.0) == (1, "", None)
    assert b.guard.admit(1000.0, spared=True) == (0, "", None)
    b.guard.settle(1, "failure", "E", 1000.0)
    assert (b.guard.shut(1001.0), b.guard.would_be_shut(1001.0)) == (False, True)
    assert b.count("breaker_would_reject") == 0
    assert b.guard.admit(1001.0) == (0, "", None)
    assert b.guard.admit(1002.0) == (0, "", None)
    assert b.count("breaker_would_reject") == 2
    assert b.guard.admit(1003.0, spared=True) == (0, "", None)
    assert b.count("breaker_would_reject") == 2
    assert b.guard.admit(1030.0) == (3, "", None)
    assert not b.guard.would_be_shut(1030.0)


def test_without_a_breaker_nothing_is_shut() -> None:
    guard = Guard("bank", registry=Registry("t"))
    assert (guard.shut(5.0), guard.would_be_shut(5.0)) == (False, False)
    guard.settle(1, "failure", "E", 5.0)
    guard.pass_time()
    assert [op.lane for op in guard.declared()] == [1]


def test_only_rejections_of_layers_further_in_are_of_those() -> None:
    outer, inner = Pipeline("bank", [ONE, Retry(attempts=1)], registry=Registry("t")).layers
    assert outer.refused_below(BreakerOpen("bank/2", "breaker", "open"))
    assert not outer.refused_below(BreakerOpen("bank", "breaker", "open"))
    assert not outer.refused_below(TimedOut("bank/2", "total", 1.0))
    assert not inner.refused_below(BreakerOpen("bank/2", "breaker", "open"))


def test_once_a_slice_the_house_is_kept() -> None:
    b = Bench(
        "sync",
        breaker=Breaker(window_seconds=5.0, minimum_calls=9),
        retry=Retry(attempts=1, budget=RetryThrottle(max_tokens=4, token_ratio=0.5)),
        bulkhead=Bulkhead(limit=2),
        operations=("default", "pay"),
    )
    b(lambda: b.clock.advance(2.0))
    b.guard.housekeep(1010.0)
    for op in b.guard.declared():
        assert (op.tick, op.sampling, op.open_lane) == (1010.5, True, 0)
        assert op.lane == 1
    assert b.guard.breaker is not None
    assert b.guard.breaker.window._marks[-1] == (1010.0, 1)
    assert b.guard.accounts.mean_attempt == 2.0
    b(fails(ConnectionError()), times=2)
    b(lambda: 1, times=2)
    assert b.guard.budget is not None
    b.guard.housekeep(1020.0)
    assert b.guard.budget._pool.state.tokens == 3.0  # type: ignore[union-attr]


def test_the_lane_is_shut_while_there_are_faults() -> None:
    b = Bench("sync", breaker=ONE)
    (op,) = b.guard.declared()
    assert (op.lane, op.open_lane) == (1, 1)
    b.guard.fail_by(lambda operation: None)
    assert (op.lane, op.open_lane) == (0, 0)
    b.guard.fail_by()
    assert (op.lane, op.open_lane) == (1, 1)
    b(fails(ConnectionError()))
    assert op.lane == 0
    b.guard.force("closed")
    assert op.lane == b.guard.breaker.epoch  # type: ignore[union-attr]


def test_what_a_rejected_call_avoids_is_learnt_when_it_opens(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=ONE)

    def body() -> None:
        b.clock.advance(0.5)
        raise ConnectionError

    b(lambda: "answer", times=2)
    b(body)
    assert isinstance(b(lambda: "answer"), BreakerOpen)
    assert b.count("avoided_seconds") == 0.25


def test_the_lane_is_shut_under_a_window_of_calls_and_while_places_are_owed() -> None:
    sliding = RateLimit(rate=9, burst=9, kind="sliding_window")
    guard = Guard("bank", rate_limit=sliding, registry=Registry("t"))
    assert [(op.lane, op.open_lane) for op in guard.declared()] == [(0, 0)]
    b = Bench("sync", bulkhead=Bulkhead(limit=2))
    with b.guard, b.guard:
        b.guard.reconfigure(bulkhead=Bulkhead(limit=1))
        assert [(op.lane, op.open_lane) for op in b.guard.declared()] == [(0, 0)]


def test_functions_share_nothing_with_each_other() -> None:
    b = Bench("async", coalesce=Coalesce())

    async def one() -> int:
        await asyncio.sleep(0)
        return 1

    async def two() -> int:
        await asyncio.sleep(0)
        return 2

    async def main() -> list[int]:
        return await asyncio.gather(b.guard(one)(), b.guard(two)(), b.guard(one)())

    assert b.clock.run(main()) == [1, 2, 1]
    assert b.count("coalesced_calls", "default") == 1
