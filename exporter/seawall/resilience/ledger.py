"""The ledger: one fixed block of numbers per guard, and the names of its slots.

A guard's calls add to slots; nothing is built, looked up or locked for that. A reader copies the block,
and :func:`fold` turns the raw slots into the numbers that a scrape reports.

A call that succeeds at once, without waiting, touches only its operation's *lane*: one histogram of
durations. Since such a call is also one attempt, one success and one first try, the lane is added to the
slots of all those series when read, instead of when written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

CALL_OUTCOMES = ("success", "degraded", "failure", "timeout", "rejected", "cancelled")
ATTEMPT_OUTCOMES = ("success", "slow", "failure", "timeout", "ignored", "cancelled")
BREAKER_STATES = ("closed", "open", "half_open", "forced_open", "disabled", "metrics_only")
RETRY_RESULTS = ("first_try", "recovered", "exhausted", "not_retryable", "budget_exhausted")
TIMEOUT_SCOPES = ("attempt", "total")
DEGRADATION_OUTCOMES = ("served", "failed")
OVERFLOW_ERROR = "other"
ERROR_NAMES = 20

#: Every edge of the breaker's state machine, (from, to).
TRANSITIONS = (
    ("closed", "open"),
    ("open", "half_open"),
    ("half_open", "closed"),
    ("half_open", "open"),
    *((a, b) for a in BREAKER_STATES for b in ("forced_open", "disabled", "metrics_only") if a != b),
    *((a, "closed") for a in ("open", "forced_open", "disabled", "metrics_only")),
)

#: Seconds. From half a millisecond (a cache) to half a minute (a partner's batch API), about 2 to 2.5 apart.
DEFAULT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WAIT_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0)
RECOVERY_BUCKETS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
STALE_BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
OVERHEAD_BUCKETS = (0.0000005, 0.000001, 0.000002, 0.000005, 0.00001, 0.00005, 0.0001, 0.001)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a guard counts. ``policy`` names the policy that brings it; "" means every guard."""

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()
    policy: str = ""


FIELDS = (
    Field("calls", "counter", ("operation", "outcome")),
    Field("call_duration", "histogram", ("operation",)),
    Field("attempts", "counter", ("operation", "outcome")),
    Field("attempt_duration", "histogram", ("operation",)),
    Field("rejections", "counter", ("policy", "reason")),
    Field("errors", "counter", ("error",)),
    Field("overhead", "histogram"),
    Field("avoided_seconds", "counter"),
    Field("breaker_state", "gauge", ("state",), "breaker"),
    Field("breaker_transitions", "counter", ("from_state", "to_state"), "breaker"),
    Field("breaker_state_seconds", "counter", ("state",), "breaker"),
    Field("breaker_failure_ratio", "gauge", (), "breaker"),
    Field("breaker_slow_ratio", "gauge", (), "breaker"),
    Field("breaker_window_calls", "gauge", (), "breaker"),
    Field("breaker_recovery", "histogram", (), "breaker"),
    Field("breaker_false_opens", "counter", (), "breaker"),
    Field("retries", "counter", ("operation",), "retry"),
    Field("retry_calls", "counter", ("operation", "result"), "retry"),
    Field("retry_delay_seconds", "counter", ("operation",), "retry"),
    Field("retry_budget_remaining", "gauge", (), "retry_budget"),
    Field("timeouts", "counter", ("operation", "scope"), "timeout"),
    Field("degradations", "counter", ("operation", "mode", "outcome"), "fallback"),
    Field("stale_age", "histogram", (), "stale"),
    Field("bulkhead_in_flight", "gauge", (), "bulkhead"),
    Field("bulkhead_queued", "gauge", (), "bulkhead"),
    Field("bulkhead_wait", "histogram", (), "bulkhead"),
    Field("rate_limiter_wait", "histogram", (), "rate_limit"),
    Field("rate_limiter_available", "gauge", (), "rate_limit"),
)
FIELDS_BY_NAME = {f.name: f for f in FIELDS}

#: Which (policy, reason) pairs a guard can reject with, by the policy that it has.
REJECTIONS = {
    "breaker": (("breaker", "open"), ("breaker", "half_open"), ("breaker", "forced_open")),
    "bulkhead": (("bulkhead", "full"), ("bulkhead", "queue_full"), ("bulkhead", "wait_exceeded")),
    "rate_limit": (("rate_limit", "exceeded"),),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One series of one guard: where its numbers stand in the block.

    A counter or gauge has one slot. A histogram has ``len(bounds) + 2``: one per bucket, +Inf, the sum.
    """

    field: Field
    labels: tuple[str, ...]
    offset: int
    bounds: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        return len(self.bounds) + 2 if self.field.kind == "histogram" else 1


@dataclass(frozen=True, slots=True)
class Exemplar:
    """What one counted call was: ``value`` in the series' unit, ``at`` in seconds since the epoch."""

    value: float
    at: float
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Lane:
    """The fast lane of one operation and the slots that its calls belong to when read.

    ``refused`` counts the calls that an open breaker sent away the short way: at once, in the first bucket.
    """

    offset: int
    size: int
    call_duration: int
    attempt_duration: int
    ones: tuple[int, ...]
    refused: int
    refused_ones: tuple[int, ...]


class Layout:
    """The slots of one guard, fixed when the guard is built. ``width`` counts slots with the lanes behind."""

    __slots__ = ("_by_key", "bounds", "calls", "entries", "lanes", "size", "width")

    def __init__(
        self,
        *,
        operations: Sequence[str],
        policies: Iterable[str],
        modes: Sequence[str] = (),
        bounds: tuple[float, ...] = DEFAULT_BUCKETS,
    ) -> None:
        present = {"", *policies}
        values = _label_values(operations, present, modes)
        entries: list[Entry] = []
        offset = 0
        for f in FIELDS:
            if f.policy not in present:
                continue
            for labels in values[f.name]:
                entry = Entry(f, labels, offset, _bounds_of(f, bounds))
                entries.append(entry)
                offset += entry.size
        self.bounds = bounds
        self.entries = tuple(entries)
        self.size = offset
        self._by_key = {(e.field.name, *e.labels): e for e in entries}
        lanes: dict[str, Lane] = {}
        for operation in operations:
            ones = [self.at("calls", operation, "success"), self.at("attempts", operation, "success")]
            if "retry" in present:
                ones.append(self.at("retry_calls", operation, "first_try"))
            refused = [self.at("call_duration", operation)]
            if "breaker" in present:
                refused.append(self.at("rejections", "breaker", "open"))
                refused.append(
                    self.at("calls", operation, "degraded" if modes[:1] == ("default",) else "rejected")
                )
            if modes[:1] == ("default",):
                refused.append(self.at("degradations", operation, "default", "served"))
            lanes[operation] = Lane(
                offset,
                len(bounds) + 2,
                self.at("call_duration", operation),
                self.at("attempt_duration", operation),
                tuple(ones),
                offset + len(bounds) + 2,
                tuple(refused),
            )
            offset += len(bounds) + 3
        self.lanes = lanes
        self.width = offset
        self.calls = tuple(self.at("calls", o, x) for o in operations for x in CALL_OUTCOMES)

    def entry(self, name: str, *labels: str) -> Entry:
        """The entry of a series. ``KeyError`` when this guard has none of that name and labels."""
        return self._by_key[(name, *labels)]

    def at(self, name: str, *labels: str) -> int:
        return self._by_key[(name, *labels)].offset

    def has(self, name: str, *labels: str) -> bool:
        return (name, *labels) in self._by_key


@dataclass(slots=True)
class Ledger:
    """A layout and its storage. ``error_names[i]`` is the exception type counted under errors label ``i``."""

    layout: Layout
    slots: list[float] = field(default_factory=list)
    error_names: list[str | None] = field(default_factory=lambda: [None] * ERROR_NAMES + [OVERFLOW_ERROR])
    exemplars: dict[int, Exemplar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.slots:
            self.slots = [0] * self.layout.width

    def observe(self, name: str, seconds: float, *labels: str) -> int:
        """Add to a histogram; the slot of the bucket that it fell in."""
        entry = self.layout.entry(name, *labels)
        slot = entry.offset + bisect_left(entry.bounds, seconds)
        self.slots[slot] += 1
        self.slots[entry.offset + entry.size - 1] += seconds
        return slot

    def clear(self) -> None:
        """All numbers back to 0, in place: operations hold the block."""
        self.slots[:] = [0] * len(self.slots)
        self.exemplars.clear()

    def error_slot(self, name: str) -> int:
        """The slot that counts failures of this type. Caller holds the guard's lock: it may claim a name."""
        base = self.layout.at("errors", "0")
        names = self.error_names
        for i in range(ERROR_NAMES):
            if names[i] == name:
                return base + i
            if names[i] is None:
                names[i] = name
                return base + i
        return base + ERROR_NAMES


@lru_cache(maxsize=1024)
def layout_of(
    operations: tuple[str, ...], policies: tuple[str, ...], modes: tuple[str, ...], bounds: tuple[float, ...]
) -> Layout:
    """The layout of guards of this shape: a fleet of equal guards shares one."""
    return Layout(operations=operations, policies=policies, modes=modes, bounds=bounds)


def fold(layout: Layout, raw: Sequence[float]) -> list[float]:
    """What a scrape reports, from a copy of the raw block: lanes added in, buckets made cumulative."""
    out = list(raw[: layout.size])
    for lane in layout.lanes.values():
        counts = raw[lane.offset : lane.offset + lane.size]
        total = sum(counts[:-1])
        if total:
            for i, n in enumerate(counts):
                out[lane.call_duration + i] += n
                out[lane.attempt_duration + i] += n
            for slot in lane.ones:
                out[slot] += total
        for slot in lane.refused_ones:
            out[slot] += raw[lane.refused]
    for entry in layout.entries:
        if entry.bounds:
            end = entry.offset + len(entry.bounds) + 1
            out[entry.offset : end] = accumulate(out[entry.offset : end])
    return out


def _bounds_of(f: Field, bounds: tuple[float, ...]) -> tuple[float, ...]:
    if f.kind != "histogram":
        return ()
    special = {
        "breaker_recovery": RECOVERY_BUCKETS,
        "stale_age": STALE_BUCKETS,
        "overhead": OVERHEAD_BUCKETS,
        "bulkhead_wait": WAIT_BUCKETS,
        "rate_limiter_wait": WAIT_BUCKETS,
    }
    return special.get(f.name, bounds)


def _label_values(
    operations: Sequence[str], present: set[str], modes: Sequence[str]
) -> dict[str, list[tuple[str, ...]]]:
    values: dict[str, list[tuple[str, ...]]] = {f.name: [()] for f in FIELDS if not f.labels}
    by_operation: list[tuple[str, ...]] = [(o,) for o in operations]
    values |= dict.fromkeys(("call_duration", "attempt_duration", "retries"), by_operation)
    values["retry_delay_seconds"] = by_operation
    values["calls"] = [(o, x) for o in operations for x in CALL_OUTCOMES]
    values["attempts"] = [(o, x) for o in operations for x in ATTEMPT_OUTCOMES]
    values["retry_calls"] = [(o, x) for o in operations for x in RETRY_RESULTS]
    values["timeouts"] = [(o, x) for o in operations for x in TIMEOUT_SCOPES]
    values["degradations"] = [(o, m, x) for o in operations for m in modes for x in DEGRADATION_OUTCOMES]
    values["rejections"] = [
        pair for policy, pairs in REJECTIONS.items() if policy in present for pair in pairs
    ]
    values["errors"] = [(str(i),) for i in range(ERROR_NAMES + 1)]
    values["breaker_state"] = values["breaker_state_seconds"] = [(s,) for s in BREAKER_STATES]
    values["breaker_transitions"] = list(TRANSITIONS)
    return values
