"""Members of a family that go: who, and when."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.resilience.families import World

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    ConfigurationError,
    Family,
    RateLimit,
    Registry,
    Timeout,
)


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


def test_other_settings_keep_nobody_who_is_as_a_breaker_began() -> None:
    w = World(breaker=Breaker(minimum_calls=1), most=1)
    w.family["a"].call(str)
    w.family.reconfigure(breaker=Breaker(minimum_calls=1, mode="disabled"))
    w.clock.advance(61)
    assert w.family["b"].name == "partner/b"
    assert w.family["b"].state == "disabled"
    w.family.reconfigure(breaker=Breaker(minimum_calls=1))
    w.clock.advance(61)
    assert w.family["c"].name == "partner/c"


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
        placed = False

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


def test_what_was_left_behind_is_looked_through_when_it_has_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seawall.resilience.family.MANY_GONE", 2)
    looked: list[int] = []
    carry = Family._carry

    def noted(family: Family) -> None:
        looked.append(family.evicted)
        carry(family)

    monkeypatch.setattr(Family, "_carry", noted)
    w = World(most=1)
    held = [w.family["0"]]
    for turn in range(1, 16):
        w.clock.advance(61)
        held.append(w.family[str(turn)])
    assert w.family.evicted == 15
    assert looked == [3, 7, 15]


def test_a_family_on_the_clock_of_the_system() -> None:
    family = Registry("t").family("partner", most=1)
    assert family["a"].name == "partner/a"
    assert family["b"] is family["other"]
    assert family.overflowed == {"full": 1}


def test_there_is_no_half_of_a_member() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Registry("t").family("partner", most=2.5)
    assert refused.value.problems == (
        "Family 'partner'.most is 2.5; allowed: a whole number >= 1 and <= 10000",
    )
