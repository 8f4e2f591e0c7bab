"""Members of a family that have gone: what they leave behind, and who still holds on to them."""

from __future__ import annotations

import gc

import pytest
from tests.unit.resilience.families import World, count

from seawall.resilience import (
    Breaker,
    Bulkhead,
    ConfigurationError,
    Guard,
    RateLimit,
    Retry,
    RetryBudget,
    Timeout,
)
from seawall.resilience.operation import Operation
from seawall.testing import ManualClock


def test_what_a_member_had_counted_goes_with_it_and_is_no_step_in_the_other() -> None:
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
    before = w.sums("other")
    for key in "abcd":
        w.family[key].call(str)
        w.family[key].operation("pay").call(str)
        w.fail(key)
        assert w.sums(key)["errors", "Boom", "0"] == 2
        w.clock.advance(61)
        assert w.family[key + "x"].name == f"partner/{key}x"
        w.clock.advance(61)
    after = w.sums("other")
    assert {key[0] for key in after if after[key] != before.get(key, 0)} == {"breaker_state_seconds"}
    assert after["breaker_state_seconds", "closed", "0"] == w.clock() - w.family["other"].began


def _slow(clock: ManualClock, error: Exception | None = None) -> None:
    clock.advance(1.0)
    if error is not None:
        raise error


def test_what_outlives_its_member_earns_the_other_no_retries_and_teaches_it_nothing() -> None:
    budget = RetryBudget(ratio=1.0, floor_per_second=0.0, ttl=1000)
    w = World(retry=Retry(attempts=2, base_delay=0.1, jitter="none", budget=budget), most=1)
    w.family["other"].call(_slow, w.clock)
    w.family["a"].call(_outliving, w, "b")
    other = w.registry.get("partner/other")
    assert other is not None
    assert count(other, "calls", "default", "success") == 2
    assert other.accounts.mean_attempt == pytest.approx(1.0)
    for _ in range(2):
        w.fail("other")
    # Its own three calls earned three retries; two are spent.
    assert count(other, "retries", "default") == 2
    assert count(other, "retry_budget_remaining") == pytest.approx(1 / 3)


def _outliving(w: World, key: str) -> str:
    """Takes so long that another key gets its member's place meanwhile."""
    w.clock.advance(61)
    assert w.family[key].name == f"partner/{key}"
    return "answer"


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


def test_a_held_guard_that_goes_while_it_is_asked_for_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    w = World(most=1)
    held = w.family["a"]
    look_up = Guard.operation

    def after_a_switch_of_threads(self: Guard, name: str) -> Operation:
        if self is held and "b" not in w.family:
            w.clock.advance(61)
            assert w.family["b"].name == "partner/b"
        return look_up(self, name)

    monkeypatch.setattr(Guard, "operation", after_a_switch_of_threads)
    assert held.call(str, 7) == "7"
    with pytest.raises(ConfigurationError, match="allowed: default"):
        held.operation("none")
    assert "b" in w.family
    with pytest.raises(ConfigurationError, match=r"Guard partner/other\.operation is 'none'"):
        held.operation("none")


def test_a_call_that_outlives_its_member_is_counted_in_the_other() -> None:
    w = World(most=1, breaker=Breaker(minimum_calls=100))
    held = w.family["a"]
    for _ in range(3):
        held.call(str)
    w.fail("a")
    assert held.call(_outliving, w, "b") == "answer"
    assert count(held, "calls", "default", "success") == 4
    for _ in range(2):
        assert w.sums("other")["calls", "default", "success", "0"] == 1
        assert w.sums("other")["calls", "default", "failure", "0"] == 0
    del held
    gc.collect()
    assert w.sums("other")["calls", "default", "success", "0"] == 1
    assert w.family._gone == []


def test_a_failure_that_outlives_its_member_has_its_name_in_the_other() -> None:
    w = World(most=1, breaker=Breaker(minimum_calls=100))

    def late() -> None:
        _outliving(w, "b")
        raise KeyError

    w.fail("other", ValueError())
    with pytest.raises(KeyError):
        w.family["a"].call(late)
    sums = w.sums("other")
    assert (sums["errors", "ValueError", "0"], sums["errors", "KeyError", "0"]) == (1, 1)


@pytest.mark.parametrize("gone", [False, True])
def test_who_was_half_way_in_or_out_when_an_interrupt_came(gone: bool) -> None:
    w = World(most=1)
    half = w.family["a"]
    half.call(str)
    del w.family._members["a"]
    if gone:
        half.leave()  # type: ignore[attr-defined]
    assert w.family["a"] is not half
    assert w.registry.get("partner/a") is w.family["a"]
    assert half.call(str, 7) == "7"
    assert count(w.family["a"], "calls", "default", "success") == 1
    assert w.family.overflowed == {}


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
    assert count(other, "calls", "default", "success") == 0
    assert len(w.family._gone) == 1
    assert held[0].name == "partner/a"
