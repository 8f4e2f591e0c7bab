"""Members of a family that go: who, when, and what they leave behind."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from tests.unit.resilience.families import World, count

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    RateLimit,
    Retry,
    RetryBudget,
    Timeout,
)
from seawall.testing import ManualClock

# -- who goes, and who stays


def test_who_was_unused_longest_makes_room() -> None:
    w = World()
    w.family["a"].call(str)
    w.clock.advance(10)
    w.family["b"].call(str)
    w.clock.advance(65)
    w.family["a"].call(str)
    w.clock.advance(50)
    assert w.family["c"].name == "partner/c"
    assert list(w.family) == ["a", "c"]
    assert w.names == ["partner/a", "partner/c", "partner/other"]
    assert w.family.evicted == 1


def test_nobody_goes_before_the_time_and_the_key_is_served_by_the_other() -> None:
    w = World()
    for key in "ab":
        w.family[key].call(str)
    w.clock.advance(59)
    assert w.family["c"].name == "partner/other"
    assert w.family.overflowed == {"full": 1}
    # Looked at again a second later, not at every call.
    w.clock.advance(0.9)
    assert w.family["c"].name == "partner/other"
    w.clock.advance(1.2)
    assert w.family["c"].name == "partner/c"
    assert w.family.overflowed == {"full": 2}
    assert w.family.evicted == 1


def test_a_member_that_was_never_called_goes_by_when_it_was_built() -> None:
    w = World()
    w.family["a"]
    w.clock.advance(59)
    assert w.family["b"].name == "partner/b"
    assert w.family["c"].name == "partner/other"
    w.clock.advance(1)
    assert w.family["c"].name == "partner/c"
    assert list(w.family) == ["b", "c"]


def test_an_open_breaker_stays() -> None:
    w = World(breaker=Breaker(minimum_calls=1, open_for=1000))
    w.fail("a")
    w.family["b"].call(str)
    w.clock.advance(61)
    assert w.family["c"].name == "partner/c"
    w.clock.advance(61)
    assert w.family["d"].name == "partner/d"
    w.clock.advance(2)
    assert list(w.family) == ["a", "d"]
    with pytest.raises(BreakerOpen):
        w.family["a"].call(str)


@pytest.mark.parametrize("mode", ["disabled", "metrics_only"])
def test_a_breaker_that_is_not_on_is_no_reason_to_stay(mode: Any) -> None:
    w = World(breaker=Breaker(minimum_calls=1, mode=mode), most=1)
    w.family["a"].call(str)
    w.clock.advance(61)
    assert w.family["b"].name == "partner/b"
    w.family["b"].force("forced_open")
    w.clock.advance(61)
    assert w.family["c"].name == "partner/other"


def test_what_metrics_only_would_reject_stays() -> None:
    w = World(breaker=Breaker(minimum_calls=1, mode="metrics_only", open_for=1000), most=1)
    w.fail("a")
    w.clock.advance(61)
    assert w.family["b"].name == "partner/other"


def test_calls_inside_or_queued_stay() -> None:
    w = World(bulkhead=Bulkhead(limit=1), most=1)
    with w.family["a"]:
        w.clock.advance(61)
        assert w.family["b"].name == "partner/other"
    w.clock.advance(61)
    assert w.family["b"].name == "partner/b"


def test_who_queues_stays() -> None:
    w = World(bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=5), most=1)
    bulkhead = w.family["a"].bulkhead
    assert bulkhead is not None

    class Waiter:
        displaced = False

        def wake(self) -> bool:
            return True

    waiter = Waiter()
    bulkhead.waiters[waiter] = 0
    w.clock.advance(61)
    assert w.family["b"].name == "partner/other"
    del bulkhead.waiters[waiter]
    w.clock.advance(1)
    assert w.family["b"].name == "partner/b"


def test_an_open_block_stays() -> None:
    w = World(most=1)
    with w.family["a"]:
        w.clock.advance(61)
        assert w.family["b"].name == "partner/other"
    w.clock.advance(61)
    assert w.family["b"].name == "partner/b"


def test_a_call_that_was_left_to_a_worker_thread_stays() -> None:
    w = World(timeout=Timeout(attempt=5.0, threads=1), most=1)
    workers = w.family["a"].workers
    assert workers is not None
    workers.places.pop()
    w.clock.advance(61)
    assert w.family["b"].name == "partner/other"
    workers.places.append(None)
    w.clock.advance(1)
    assert w.family["b"].name == "partner/b"


@pytest.mark.parametrize("kind", ["token_bucket", "sliding_window"])
def test_nobody_gets_a_fresh_burst_by_going(kind: str) -> None:
    w = World(rate_limit=RateLimit(rate=0.01, burst=2, kind=kind), most=1)
    w.family["a"].call(str)
    w.clock.advance(99)
    assert w.family["b"].name == "partner/other"
    w.clock.advance(102)
    assert w.family["b"].name == "partner/b"


# -- what they leave behind


def test_sums_over_the_family_never_fall() -> None:
    w = World(
        breaker=Breaker(minimum_calls=10),
        retry=Retry(attempts=2, base_delay=0.5, jitter="none"),
        timeout=Timeout(attempt=5.0),
        bulkhead=Bulkhead(limit=2),
        rate_limit=RateLimit(rate=100, burst=10),
        operations=("default", "pay"),
        most=1,
    )
    w.family["other"].call(_slow, w.clock)
    with pytest.raises(ValueError, match="slow"):
        w.family["other"].call(_slow, w.clock, ValueError("slow"))
    for turn, key in enumerate("abcd"):
        w.family[key].call(str)
        w.family[key].operation("pay").call(str)
        w.fail(key)
        w.fail(key, (KeyError, ValueError)[turn % 2]())
        before = w.sums()
        w.clock.advance(61)
        assert w.family[key + "x"].name == f"partner/{key}x"
        after = w.sums()
        grown = {k for k in after if after[k] != before.get(k, 0)}
        assert {k[0] for k in grown} == {"breaker_state_seconds"}
        assert all(after[k] >= before.get(k, 0) - 1e-9 for k in before)
        w.clock.advance(61)
    other = w.registry.get("partner/other")
    assert other is not None
    # The retry budgets and mean times of others are none of its own.
    assert other.accounts.mean_attempt == pytest.approx(1.0)
    assert w.sums()["errors", "Boom", "0"] == 8
    assert w.sums()["errors", "ValueError", "0"] == 6
    assert w.sums()["calls", "pay", "success", "0"] == 4
    assert count(other, "breaker_window_calls") == 3


def _slow(clock: ManualClock, error: Exception | None = None) -> None:
    clock.advance(1.0)
    if error is not None:
        raise error


def test_what_has_gone_earns_the_other_no_retries() -> None:
    budget = RetryBudget(ratio=1.0, floor_per_second=0.0, ttl=1000)
    w = World(retry=Retry(attempts=2, base_delay=0.1, jitter="none", budget=budget), most=1)
    for _ in range(20):
        w.family["a"].call(str)
    w.clock.advance(61)
    w.family["b"]
    w.fail("other")
    assert w.sums()["calls", "default", "success", "0"] == 20
    other = w.registry.get("partner/other")
    assert other is not None
    # Its own failed call earned one retry; that is spent.
    assert count(other, "retries", "default") == 1
    assert count(other, "retry_budget_remaining") == 0


def test_time_spent_in_a_state_is_passed_on() -> None:
    w = World(breaker=Breaker(), most=1)
    w.family["a"]
    w.clock.advance(61)
    w.family["b"]
    other = w.registry.get("partner/other")
    assert other is not None
    assert count(other, "breaker_state_seconds", "closed") == 122


def _text(number: int) -> str:
    return str(number)


def test_a_held_guard_is_served_by_whatever_serves_its_key_now() -> None:
    w = World(most=1, timeout=Timeout(attempt=5.0))
    held = w.family["a"]
    decorated = held(_text)
    operation = held.operation("default")
    w.clock.advance(61)
    w.family["b"]
    for _ in range(3):
        assert decorated(7) == "7"
    assert held.call(str, 7) == operation.call(str, 7) == "7"
    with held:
        pass
    # No room for a: the other has served all these.
    other = w.registry.get("partner/other")
    assert other is not None
    assert count(other, "calls", "default", "success") == 6
    w.clock.advance(61)
    assert decorated(8) == "8"
    assert list(w.family) == ["a"]
    assert count(w.family["a"], "calls", "default", "success") == 1


def test_a_call_that_outlives_its_member_is_counted_in_the_other() -> None:
    w = World(most=1)

    def body() -> str:
        w.clock.advance(61)
        assert w.family["b"].name == "partner/b"
        return "answer"

    held = w.family["a"]
    assert held.call(body) == "answer"
    assert count(held, "calls", "default", "success") == 1
    other = w.registry.get("partner/other")
    assert other is not None
    assert count(other, "calls", "default", "success") == 1
    assert count(other, "calls", "default", "success") == 1
    del held
    gc.collect()
    assert count(other, "calls", "default", "success") == 1
    assert w.family._gone == []


def test_ledgers_of_those_who_have_gone_do_not_pile_up() -> None:
    w = World(most=1)
    held = [w.family["a"]]
    for turn in range(200):
        w.clock.advance(61)
        w.family[f"k{turn}"].call(str)
        if turn % 50 == 0:
            gc.collect()
    gc.collect()
    assert len(w.family._gone) <= 128
    other = w.registry.get("partner/other")
    assert other is not None
    assert count(other, "calls", "default", "success") == 199
    assert len(w.family._gone) == 1
    assert held[0].name == "partner/a"
