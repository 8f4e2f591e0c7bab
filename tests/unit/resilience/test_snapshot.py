"""What a health page is told of a guard, key by key, and the gauges that are computed when it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Breaker, Bulkhead, Guard, RateLimit, Registry, Retry, RetryThrottle, Timeout
from seawall.resilience.events import Transition

SEVEN = Breaker(
    failure_ratio=0.2, window_calls=7, minimum_calls=7, slow_after=1.0, open_for=30, half_open_permits=3
)


def test_a_guard_without_policies_has_a_condition_too() -> None:
    assert Guard("bank", registry=Registry("t")).snapshot() == {
        "state": "", "failure_ratio": 0.0, "slow_ratio": 0.0, "window_calls": 0, "in_flight": None,
        "queued": None, "opened_for_seconds": None, "last_transition": None, "why_opened": None,
    }  # fmt: skip


def test_the_condition_of_a_breaker_that_opened_and_asks_again(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SEVEN, bulkhead=Bulkhead(limit=3, max_queue=2, max_wait=1))
    b(lambda: b.clock.advance(1.5))
    b(lambda: 1, times=3)
    b(fails(ConnectionError()), times=2)
    before = b.guard.snapshot()
    assert (before["state"], before["window_calls"], before["last_transition"]) == ("closed", 6, None)
    assert (before["failure_ratio"], before["slow_ratio"], before["why_opened"]) == (2 / 6, 1 / 6, None)
    b(lambda: 1)
    b.clock.advance(2.23456)
    opened = {
        "from_state": "closed", "to_state": "open", "reason": "failure_ratio reached", "seconds_ago": 2.235,
        "failure_ratio": 0.285714, "slow_ratio": 0.142857, "window_calls": 7, "failures": 2,
        "errors": {"ConnectionError": 2},
    }  # fmt: skip
    assert b.guard.snapshot() == {
        "state": "open", "failure_ratio": 2 / 7, "slow_ratio": 1 / 7, "window_calls": 7, "in_flight": 0,
        "queued": 0, "opened_for_seconds": 2.235, "last_transition": opened, "why_opened": opened,
    }  # fmt: skip
    b.clock.advance(28.76544)
    condition = b.guard.snapshot()
    assert (condition["state"], condition["opened_for_seconds"]) == ("half_open", 0.0)
    assert condition["why_opened"] == opened | {"seconds_ago": 31.0}
    last = condition["last_transition"]
    assert (last["from_state"], last["to_state"], last["seconds_ago"]) == ("open", "half_open", 0.0)
    b.guard.force("forced_open")
    b.clock.advance(5)
    assert b.guard.snapshot()["opened_for_seconds"] == 5.0
    b.guard.force("closed")
    assert b.guard.snapshot()["opened_for_seconds"] is None


def test_the_share_of_slow_calls_is_rounded_to_a_millionth() -> None:
    b = Bench("sync", breaker=Breaker(window_calls=7, minimum_calls=7, slow_after=1.0, slow_ratio=0.4))
    b(lambda: 1, times=4)
    b(lambda: b.clock.advance(1.5), times=3)
    opened = b.guard.snapshot()["why_opened"]
    assert (opened["reason"], opened["failure_ratio"]) == ("slow_ratio reached", 0.0)
    assert (opened["slow_ratio"], opened["failures"]) == (0.428571, 0)


def test_calls_that_are_in_and_those_that_queue_are_gauges() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=2, max_wait=9))

    async def main() -> None:
        left = asyncio.Event()
        calls = [asyncio.ensure_future(b.guard.acall(left.wait)) for _ in range(3)]
        for _ in range(3):
            await asyncio.sleep(0)
        condition = b.guard.snapshot()
        assert (condition["in_flight"], condition["queued"]) == (1, 2)
        assert (b.count("bulkhead_in_flight"), b.count("bulkhead_queued")) == (1, 2)
        left.set()
        assert await asyncio.gather(*calls) == [True, True, True]

    b.clock.run(main())
    assert (b.count("bulkhead_in_flight"), b.count("bulkhead_queued")) == (0, 0)


def test_gauges_are_of_the_moment(bench: Callable[..., Bench]) -> None:
    throttle = RetryThrottle(max_tokens=4, token_ratio=0.5)
    b = bench(breaker=SEVEN, rate_limit=RateLimit(rate=1, burst=9), retry=Retry(attempts=1, budget=throttle))
    b(lambda: b.clock.advance(1.5))
    b(lambda: 1, times=4)
    b(fails(ConnectionError()))
    assert b.count("breaker_failure_ratio") == 1 / 6
    assert b.count("breaker_slow_ratio") == 1 / 6
    assert b.count("breaker_window_calls") == 6
    assert b.count("retry_budget_remaining") == 0.5
    assert b.count("rate_limiter_available") == 4
    assert [b.count("breaker_state", state) for state in ("closed", "open", "half_open")] == [1, 0, 0]
    b(fails(ConnectionError()))
    b.clock.advance(10)
    assert b.count("rate_limiter_available") == 9
    assert [b.count("breaker_state", state) for state in ("closed", "open", "half_open")] == [0, 1, 0]
    assert [b.count("breaker_state_seconds", state) for state in ("closed", "open")] == [1.5, 10.0]
    b.clock.advance(25)
    assert [b.count("breaker_state", state) for state in ("closed", "open", "half_open")] == [0, 0, 1]
    assert [b.count("breaker_state_seconds", s) for s in ("closed", "open", "half_open")] == [1.5, 35.0, 0.0]


def test_the_version_stays_while_no_counter_changes(bench: Callable[..., Bench]) -> None:
    b = bench()
    b(lambda: 1)
    numbers, version = b.guard.read_versioned()
    b.clock.advance(1)
    again, same = b.guard.read_versioned()
    assert (again is numbers, same) == (True, version)
    own = b.guard.read()
    assert own == numbers
    own[0] = -1
    assert b.guard.read() == numbers
    before = numbers.copy()
    b(lambda: 1)
    assert b.guard.read_versioned()[1] == version + 1
    assert numbers == before


def test_what_was_earned_since_is_in_the_rest_of_the_budget() -> None:
    throttle = RetryThrottle(max_tokens=4, token_ratio=0.5)
    b = Bench("sync", retry=Retry(attempts=1, budget=throttle))
    b(lambda: 1, times=2)
    b(fails(ConnectionError()), times=2)
    assert b.count("retry_budget_remaining") == 0.0
    b(lambda: 1, times=2)
    assert b.count("retry_budget_remaining") == 0.5
    assert b.count("retry_budget_remaining") == 0.5


def test_a_window_of_seconds_is_that_of_the_moment() -> None:
    b = Bench("sync", breaker=Breaker(window_seconds=10.0))
    b(lambda: 1, times=3)
    b(fails(ConnectionError()))
    assert (b.count("breaker_window_calls"), b.count("breaker_failure_ratio")) == (4, 0.25)
    b.clock.advance(11)
    assert (b.count("breaker_window_calls"), b.count("breaker_failure_ratio")) == (0, 0.0)
    assert b.guard.snapshot()["window_calls"] == 0


def test_threads_that_were_abandoned_are_a_gauge() -> None:
    b = Bench("sync", timeout=Timeout(attempt=30.0, threads=1))
    assert b.guard.workers is not None
    assert b.count("timeout_abandoned") == 0
    b.guard.workers.abandoned.add("a job")  # type: ignore[arg-type]
    assert b.count("timeout_abandoned") == 1


def test_who_looks_moves_it_and_no_operation_did(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=replace(SEVEN, minimum_calls=1))
    b(fails(ConnectionError()))
    b.clock.advance(30)
    b.guard.read()
    assert [(t.operation, t.to_state) for t in b.events.of(Transition)] == [
        ("default", "open"), ("", "half_open"),
    ]  # fmt: skip


class Fleeting(list[float]):
    """Numbers of which one changes when they are compared, and has changed back when they are copied."""

    def __ne__(self, other: object) -> bool:
        return True


def test_what_changed_back_meanwhile_is_no_new_version() -> None:
    guard = Guard("bank", registry=Registry("t"))
    guard.call(int)
    folded, version = guard.counted.read(guard.ledger, guard.accounts)
    guard.ledger.slots = Fleeting(guard.ledger.slots)
    again, same = guard.counted.read(guard.ledger, guard.accounts)
    assert (again is folded, same) == (True, version)
    guard.ledger.slots[0] += 1
    again, later = guard.counted.read(guard.ledger, guard.accounts)
    assert (again is folded, later) == (False, version + 1)
