"""The ledger's layout, slot by slot, and what a reader makes of the raw block."""

from __future__ import annotations

import pytest

from seawall.resilience import ledger
from seawall.resilience.fields import (
    BREAKER_STATES,
    DEFAULT_BUCKETS,
    FIELDS,
    FIELDS_BY_NAME,
    OVERHEAD_BUCKETS,
    RECOVERY_BUCKETS,
    TRANSITIONS,
    WAIT_BUCKETS,
    bounds_of,
    label_values,
)
from seawall.resilience.ledger import Layout, Ledger, fold, layout_of, merge

EVERYTHING = (
    "breaker", "retry", "retry_budget", "timeout", "timeout_threads", "fallback", "stale", "bulkhead",
    "rate_limit", "hedge", "coalesce",
)  # fmt: skip
BOUNDS = (1.0, 2.0)


def small(*policies: str, modes: tuple[str, ...] = ()) -> Layout:
    return Layout(operations=("get", "put"), policies=policies, modes=modes, bounds=BOUNDS)


def test_labels_take_these_values_in_this_order() -> None:
    values = label_values(("get", "put"), {"", "breaker", "timeout_threads"}, ("default", "stale"))
    assert values.keys() == FIELDS_BY_NAME.keys()
    for name in ("call_duration", "attempt_duration", "retries", "retry_delay_seconds", "coalesced_calls"):
        assert values[name] == [("get",), ("put",)]
    calls = ["success", "degraded", "failure", "timeout", "rejected", "cancelled"]
    assert values["calls"] == [(o, x) for o in ("get", "put") for x in calls]
    attempts = ["success", "slow", "failure", "timeout", "ignored", "cancelled"]
    assert values["attempts"] == [(o, x) for o in ("get", "put") for x in attempts]
    results = ["first_try", "recovered", "exhausted", "not_retryable", "budget_exhausted"]
    assert values["retry_calls"] == [(o, x) for o in ("get", "put") for x in results]
    assert values["timeouts"] == [("get", "attempt"), ("get", "total"), ("put", "attempt"), ("put", "total")]
    assert values["degradations"] == [
        (o, m, x) for o in ("get", "put") for m in ("default", "stale") for x in ("served", "failed")
    ]
    assert values["hedges"][:4] == [("get", x) for x in ("won", "lost", "failed", "refused")]
    assert len(values["hedges"]) == 8
    assert values["rejections"] == [
        ("breaker", "open"),
        ("breaker", "half_open"),
        ("breaker", "forced_open"),
        ("timeout", "threads_busy"),
    ]
    assert values["errors"] == [(str(i),) for i in range(21)]
    states = [("closed",), ("open",), ("half_open",), ("forced_open",), ("disabled",), ("metrics_only",)]
    assert values["breaker_state"] == values["breaker_state_seconds"] == states
    assert values["breaker_transitions"] == list(TRANSITIONS)
    for f in FIELDS:
        if not f.labels:
            assert values[f.name] == [()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("calls", ()),
        ("breaker_failure_ratio", ()),
        ("call_duration", BOUNDS),
        ("attempt_duration", BOUNDS),
        ("breaker_recovery", RECOVERY_BUCKETS),
        ("overhead", OVERHEAD_BUCKETS),
        ("bulkhead_wait", WAIT_BUCKETS),
        ("rate_limiter_wait", WAIT_BUCKETS),
        ("stale_age", (1.0, 5.0, 15.0)),
    ],
)
def test_bounds(name: str, expected: tuple[float, ...]) -> None:
    assert bounds_of(FIELDS_BY_NAME[name], BOUNDS, 15.0) == expected
    if name == "stale_age":
        assert bounds_of(FIELDS_BY_NAME[name], BOUNDS, 14.0) == (1.0, 5.0, 14.0)
        assert bounds_of(FIELDS_BY_NAME[name], BOUNDS, None) == BOUNDS
    else:
        assert bounds_of(FIELDS_BY_NAME[name], BOUNDS, None) == expected


def test_the_slots_of_a_layout_follow_each_other() -> None:
    modes = ("stale", "default")
    layout = Layout(
        operations=["get", "put"], policies=iter(EVERYTHING), modes=[*modes], bounds=BOUNDS, stale_for=15.0
    )
    assert layout.spec == (("get", "put"), EVERYTHING, modes, BOUNDS, 15.0)
    assert layout_of(*layout.spec).spec == layout.spec
    assert layout_of(*layout.spec) is layout_of(*layout.spec)
    assert layout.bounds == BOUNDS
    offset = 0
    for entry in layout.entries:
        assert (entry.offset, layout.entry(entry.field.name, *entry.labels)) == (offset, entry)
        assert layout.at(entry.field.name, *entry.labels) == offset
        assert layout.has(entry.field.name, *entry.labels)
        offset += len(entry.bounds) + 2 if entry.field.kind == "histogram" else 1
    assert layout.size == offset
    assert [*dict.fromkeys(e.field.name for e in layout.entries)] == [f.name for f in FIELDS]
    assert layout.entry("stale_age").bounds == (1.0, 5.0, 15.0)
    assert layout.first["calls"] == 0
    assert layout.first == {f.name: min(e.offset for e in layout.entries if e.field is f) for f in FIELDS}
    assert [layout.first["breaker_state"] + i for i in range(6)] == [
        layout.at("breaker_state", state) for state in BREAKER_STATES
    ]
    assert (layout.has("calls", "drop", "success"), layout.has("nothing")) == (False, False)
    assert layout.attempts == tuple(
        layout.at("attempts", o, x)
        for o in ("get", "put")
        for x in ("success", "slow", "failure", "timeout", "ignored", "cancelled")
    )
    assert layout.retries == (layout.at("retries", "get"), layout.at("retries", "put"))
    assert layout.width == offset + 2 * (len(BOUNDS) + 3)


def test_what_it_has_by_default() -> None:
    layout = Layout(operations=("get",), policies=iter(()))
    assert layout.spec == (("get",), (), (), DEFAULT_BUCKETS, None)
    assert {e.field.policy for e in layout.entries} == {""}
    assert (layout.retries, layout.has("retries", "get")) == ((), False)
    assert layout_of(("get",), (), (), BOUNDS).spec == (("get",), (), (), BOUNDS, None)


def test_lanes_know_what_their_calls_are() -> None:
    plain = small()
    at = plain.at
    lane = plain.lanes["put"]
    assert list(plain.lanes) == ["get", "put"]
    assert (plain.lanes["get"].offset, lane.offset) == (plain.size, plain.size + 5)
    assert (lane.size, lane.refused) == (4, plain.size + 9)
    assert (lane.call_duration, lane.attempt_duration) == (
        at("call_duration", "put"),
        at("attempt_duration", "put"),
    )
    assert lane.ones == (at("calls", "put", "success"), at("attempts", "put", "success"))
    assert lane.refused_ones == (at("call_duration", "put"),)

    full = small("breaker", "retry")
    at, lane = full.at, full.lanes["get"]
    assert lane.ones[2:] == (at("retry_calls", "get", "first_try"),)
    assert lane.refused_ones == (
        at("call_duration", "get"),
        at("rejections", "breaker", "open"),
        at("calls", "get", "rejected"),
    )

    answered = small("breaker", "fallback", modes=("default",))
    at = answered.at
    assert answered.lanes["get"].refused_ones[2:] == (
        at("calls", "get", "degraded"),
        at("degradations", "get", "default", "served"),
    )
    both = small("breaker", "fallback", "stale", modes=("default", "stale"))
    assert both.lanes["get"].refused_ones[2:] == (
        both.at("calls", "get", "degraded"),
        both.at("degradations", "get", "default", "served"),
    )
    stale = small("breaker", "fallback", "stale", modes=("stale", "default"))
    assert stale.lanes["get"].refused_ones[2:] == (stale.at("calls", "get", "rejected"),)
    unbroken = small("fallback", modes=("default",))
    at = unbroken.at
    assert unbroken.lanes["get"].refused_ones == (
        at("call_duration", "get"),
        at("degradations", "get", "default", "served"),
    )


def test_lanes_are_added_to_what_their_calls_are_and_buckets_made_cumulative() -> None:
    layout = small("breaker", "retry")
    lane = layout.lanes["get"]
    raw: list[float] = [0] * layout.width
    raw[layout.at("calls", "get", "success")] = 5
    raw[lane.call_duration : lane.call_duration + 4] = [1, 0, 2, 9.5]
    raw[lane.attempt_duration : lane.attempt_duration + 4] = [0, 4, 0, 6.0]
    raw[lane.offset : lane.offset + 4] = [3, 2, 1, 4.5]
    raw[lane.refused] = 7
    before = list(raw)
    out = merge(layout, raw)
    assert raw == before
    assert len(out) == layout.size
    assert out[lane.call_duration : lane.call_duration + 4] == [11, 2, 3, 14.0]
    assert out[lane.attempt_duration : lane.attempt_duration + 4] == [3, 6, 1, 10.5]
    assert [out[slot] for slot in lane.ones] == [11, 6, 6]
    assert [out[slot] for slot in lane.refused_ones] == [11, 7, 7]
    folded = fold(layout, raw)
    assert folded[lane.call_duration : lane.call_duration + 4] == [11, 13, 16, 14.0]
    assert folded[lane.attempt_duration : lane.attempt_duration + 4] == [3, 9, 10, 10.5]
    assert folded[layout.at("calls", "get", "success")] == 11
    assert out[layout.at("calls", "put", "success")] == 0


def test_numbers_are_added_where_they_belong() -> None:
    book = Ledger(small("breaker"))
    assert book.slots == [0] * book.layout.width
    first = book.layout.at("call_duration", "put")
    seen = [book.observe("call_duration", seconds, "put") - first for seconds in (0.5, 1.0, 1.5, 2.0, 2.5)]
    assert seen == [0, 0, 1, 1, 2]
    assert book.slots[first : first + 4] == [2, 2, 1, 7.5]
    book.add(0)
    book.add(0, 2.5)
    assert book.slots[0] == 3.5
    kept = [7.0] * book.layout.width
    assert Ledger(book.layout, kept).slots is kept


def test_without_a_gil_numbers_are_added_under_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "GIL", False)
    book = Ledger(small())
    book.add(0)
    book.add(0, 2.5)
    assert book.slots[0] == 3.5


def test_errors_have_a_slot_each_until_there_are_too_many() -> None:
    book = Ledger(small())
    base = book.layout.at("errors", "0")
    assert [book.error_slot(name) - base for name in ("A", "B", "A", "other", "C")] == [0, 1, 0, 20, 2]
    assert book.error_names[:4] == ["A", "B", "C", None]
    for i in range(17):
        assert book.error_slot(f"E{i}") == base + 3 + i
    assert (book.error_slot("late"), book.error_slot("E16")) == (base + 20, base + 19)
    assert (len(book.error_names), book.error_names[-1]) == (21, "other")
    names, slots = book.error_names, book.slots
    book.clear()
    assert (book.error_names, book.error_names is names) == (names, False)
    assert (book.slots, book.slots is slots, book.exemplars) == ([0] * book.layout.width, False, {})
