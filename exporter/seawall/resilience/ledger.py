"""The ledger: one fixed block of numbers per guard, and the names of its slots.

A guard's calls add to slots; nothing is built, looked up or locked for that. A reader copies the block,
and :func:`fold` turns the raw slots into the numbers that a scrape reports.

A call that succeeds at once, without waiting, touches only its operation's *lane*: one histogram of
durations. Since such a call is also one attempt, one success and one first try, the lane is added to the
slots of all those series when read, instead of when written.
"""

from __future__ import annotations

import sys
import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate

from seawall.resilience.fields import (
    ATTEMPT_OUTCOMES,
    DEFAULT_BUCKETS,
    ERROR_NAMES,
    FIELDS,
    OVERFLOW_ERROR,
    Field,
    bounds_of,
    label_values,
)

GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()


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
    """The slots of one guard, fixed when the guard is built. ``width`` counts slots with the lanes behind.

    ``first``: the first slot of each field. A field's slots follow each other, its label values in order.
    ``histograms``: the buckets of each, without its sum. ``spec``: the arguments that :func:`layout_of` makes
    it of.
    """

    __slots__ = (
        "_by_key",
        "attempts",
        "bounds",
        "entries",
        "first",
        "histograms",
        "lanes",
        "retries",
        "size",
        "spec",
        "width",
    )

    def __init__(
        self,
        *,
        operations: Sequence[str],
        policies: Iterable[str],
        modes: Sequence[str] = (),
        bounds: tuple[float, ...] = DEFAULT_BUCKETS,
        stale_for: float | None = None,
    ) -> None:
        policies = tuple(policies)
        present = {"", *policies}
        values = label_values(operations, present, modes)
        entries: list[Entry] = []
        offset = 0
        for f in FIELDS:
            if f.policy not in present:
                continue
            for labels in values[f.name]:
                entry = Entry(f, labels, offset, bounds_of(f, bounds, stale_for))
                entries.append(entry)
                offset += entry.size
        self.spec = (tuple(operations), tuple(policies), tuple(modes), bounds, stale_for)
        self.bounds = bounds
        self.entries = tuple(entries)
        self.size = offset
        self._by_key = {(e.field.name, *e.labels): e for e in entries}
        self.first = {e.field.name: e.offset for e in reversed(entries)}
        self.histograms = tuple([slice(e.offset, e.offset + len(e.bounds) + 1) for e in entries if e.bounds])
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
        self.attempts = tuple(self.at("attempts", o, x) for o in operations for x in ATTEMPT_OUTCOMES)
        self.retries = tuple(self.at("retries", o) for o in operations if self.has("retries", o))

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
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        if not self.slots:
            self.slots = [0] * self.layout.width

    def add(self, slot: int, amount: float = 1) -> None:
        """Add to a slot, from any thread: one statement under a GIL, under a lock without one."""
        if GIL:
            self.slots[slot] += amount
        else:
            with self._lock:
                self.slots[slot] += amount

    def observe(self, name: str, seconds: float, *labels: str) -> int:
        """Add to a histogram; the slot of the bucket that it fell in."""
        entry = self.layout.entry(name, *labels)
        slot = entry.offset + bisect_left(entry.bounds, seconds)
        self.add(slot)
        self.add(entry.offset + entry.size - 1, seconds)
        return slot

    def clear(self) -> None:
        """All numbers back to 0, in storage of its own: the old may be shared with other processes."""
        self.slots = [0] * self.layout.width
        self.error_names = list(self.error_names)
        self._lock = threading.RLock()
        self.exemplars = {}

    def error_slot(self, name: str) -> int:
        """The slot that counts failures of this type. Caller holds the guard's lock: it may claim a name."""
        base = self.layout.at("errors", "0")
        if name == OVERFLOW_ERROR:
            return base + ERROR_NAMES
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
    operations: tuple[str, ...],
    policies: tuple[str, ...],
    modes: tuple[str, ...],
    bounds: tuple[float, ...],
    stale_for: float | None = None,
) -> Layout:
    """The layout of guards of this shape: a fleet of equal guards shares one."""
    return Layout(operations=operations, policies=policies, modes=modes, bounds=bounds, stale_for=stale_for)


def merge(layout: Layout, raw: Sequence[float]) -> list[float]:
    """A copy of the raw block with the lanes added in, to the slots that their calls belong to."""
    out = list(raw[: layout.size])
    for lane in layout.lanes.values():
        counts = raw[lane.offset : lane.offset + lane.size]
        total = sum(counts[:-1])
        if total:
            for i, n in enumerate(counts):
                if n:
                    out[lane.call_duration + i] += n
                    out[lane.attempt_duration + i] += n
            for slot in lane.ones:
                out[slot] += total
        for slot in lane.refused_ones:
            out[slot] += raw[lane.refused]
    return out


def fold(layout: Layout, raw: Sequence[float]) -> list[float]:
    """What a scrape reports, from a copy of the raw block: lanes added in, buckets made cumulative."""
    out = merge(layout, raw)
    for buckets in layout.histograms:
        counts = out[buckets]
        if any(counts):
            out[buckets] = accumulate(counts)
    return out
