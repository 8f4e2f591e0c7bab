"""Members that can go, at the bounds; and calls in flight then, error by error."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from tests.unit.resilience.families import Boom, World, count

from seawall.resilience import Bulkhead
from seawall.resilience.fields import ERROR_NAMES
from seawall.resilience.member import HAIR, Member


@pytest.mark.parametrize(
    ("available", "can"), [(5.0, True), (5 - HAIR, True), (5 - 2 * HAIR, False), (0.0, False)]
)
def test_a_limit_may_miss_a_hair_of_its_burst(available: float, can: bool) -> None:
    w = World()
    member = cast("Member", w.family["a"])
    limiter = SimpleNamespace(settings=SimpleNamespace(burst=5), available=lambda now: available)
    member.limiter = limiter  # type: ignore[assignment]
    assert member.can_go() is can


def test_a_call_inside_a_bulkhead_stays() -> None:
    w = World(bulkhead=Bulkhead(limit=2), most=1)
    seen: list[str] = []

    def body() -> None:
        w.clock.advance(61)
        seen.append(w.family["b"].name)

    w.family["a"].call(body)
    assert seen == ["partner/other"]
    assert list(w.family) == ["a"]


def test_failures_of_calls_in_flight_keep_their_names() -> None:
    w = World(most=1)
    w.fail("other", KeyError())

    def leaving(error: Exception) -> Callable[[], None]:
        def body() -> None:
            w.clock.advance(61)
            w.family[f"after {error!r}"]
            raise error

        return body

    errors = [Boom(), KeyError(), OSError()]
    held = []
    for error in errors:
        guard = w.family[next(iter(w.family), "a")]
        held.append(guard)
        with pytest.raises(type(error)):
            guard.call(leaving(error))
    other = w.registry.get("partner/other")
    assert other is not None
    assert count(other, "calls", "default", "failure") == 4
    names = dict(zip(other.ledger.error_names, range(9), strict=False))
    at = {name: other.ledger.slots[other.ledger.layout.at("errors", str(i))] for name, i in names.items()}
    assert {name: n for name, n in at.items() if n} == {"KeyError": 2, "Boom": 1, "OSError": 1}
    assert [count(other, "calls", "default", "failure") for _ in range(2)] == [4, 4]


def test_who_finds_a_member_that_another_thread_has_just_made_takes_that() -> None:
    w = World()
    made = w.family["a"]
    assert w.family._admit("a") is made
    assert list(w.family) == ["a"]
    assert w.family.overflowed == {}


def test_calls_in_flight_within_each_other_are_as_many_in_the_other() -> None:
    w = World(most=1)
    held = w.family["a"]

    def leaving() -> None:
        w.clock.advance(61)
        assert w.family["b"].name == "partner/b"

    held.call(held.call, leaving)
    other = w.registry.get("partner/other")
    assert other is not None
    assert count(other, "calls", "default", "success") == 2


def test_what_is_counted_next_to_the_errors_is_none() -> None:
    w = World(most=1)
    held = w.family["a"]
    w.clock.advance(61)
    assert w.family["b"].name == "partner/b"
    slot = held.ledger.layout.at("errors", str(ERROR_NAMES)) + 1
    assert slot == held.ledger.layout.at("overhead")
    held.ledger.add(slot)
    other = w.registry.get("partner/other")
    assert other is not None
    assert count(other, "overhead") == 1


def test_a_forked_child_has_members_that_come_and_go() -> None:
    w = World(most=1)
    w.registry.restart()
    assert w.family["a"].name == "partner/a"
    w.clock.advance(61)
    assert w.family["b"].name == "partner/b"
    assert list(w.family) == ["b"]
