"""What one guard counted in some processes, and the sum of such: counters added up, gauges each by its own
meaning.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import fsum
from operator import add
from typing import Any

from seawall.resilience.fields import BREAKER_STATES, ERROR_NAMES, OVERFLOW_ERROR
from seawall.resilience.ledger import Layout, merge
from seawall.telemetry.processes.shapes import fractions, gauges, onto

#: From what is best to what is worst for callers: one process that rejects is what an alert must see.
WORST = ("closed", "disabled", "metrics_only", "half_open", "open", "forced_open")

#: Of gauges that are no sums over processes.
EXTREMES: dict[str, Callable[[Sequence[float]], float]] = {"max": max, "min": min}

Names = tuple[str | None, ...]
Seconds = dict[int, list[float]]


@dataclass(slots=True)
class Share:
    """One guard in processes of one layout. ``numbers``: by slot of a reading, buckets not cumulative yet.

    seconds: by slot, parts whose sum takes the number's place. gauges: by slot, the value over living
    processes. processes: how many live; start: when the youngest of them did, ns since the epoch;
    ended: when the last of those did that have, seconds since the epoch.
    """

    layout: Layout
    entry: dict[str, Any]
    family: str
    names: Names
    numbers: list[float]
    seconds: Seconds
    gauges: dict[int, float] = field(default_factory=dict)
    processes: int = 0
    start: int = 0
    ended: float = 0.0
    raw: array[float] | None = None  # what it was merged from

    @property
    def name(self) -> str:
        return str(self.entry["name"])


def exact(numbers: Sequence[float]) -> list[float]:
    """A few numbers whose sum is that of all these, without any rounding. Empty when it is 0."""
    parts: list[float] = []
    while rest := fsum([*numbers, *(-part for part in parts)]):
        parts.append(rest)
    return parts


def merged(
    layout: Layout, raw: Sequence[float], seconds: Mapping[int, list[float]]
) -> tuple[list[float], Seconds]:
    """Numbers and seconds of a share from raw slots, and from the exact sums of those that count seconds."""
    parts: Seconds = {}
    for slot, targets in fractions(layout).items():
        for target in targets:
            parts.setdefault(target, []).extend(seconds[slot])
    return merge(layout, raw), parts


class Total:
    """One guard of a layout: shares of that layout, or of others of which it has all series, added up."""

    __slots__ = ("_gauges", "_numbers", "_seconds", "layout", "names", "states")

    def __init__(self, layout: Layout, shares: Iterable[Share]) -> None:
        self.layout = layout
        self.names: Names = (None,) * ERROR_NAMES
        self.states: dict[str, int] = {}
        self._numbers: list[float] = []
        self._seconds: Seconds = {}
        self._gauges: dict[int, list[float]] = {}
        for share in shares:
            self._add(share)

    def share(self, of: Share, ended: float) -> Share:
        """The counters as a share of ended processes, settings and all else as of another."""
        seconds = {slot: exact(parts) for slot, parts in self._seconds.items()}
        return Share(self.layout, of.entry, of.family, self.names, self._numbers, seconds, ended=ended)

    def reading(self) -> list[float]:
        """Every number, as ``Guard.read`` gives it for one process."""
        layout = self.layout
        out = list(self._numbers)
        for slot, parts in self._seconds.items():
            out[slot] = fsum(parts)
        for entry in layout.entries:
            if entry.bounds:
                end = entry.offset + len(entry.bounds) + 1
                out[entry.offset : end] = accumulate(out[entry.offset : end])
        for slot, entry in gauges(layout).items():
            out[slot] = EXTREMES.get(entry.field.across, sum)(self._gauges.get(slot) or [0.0])
        if "breaker_state" in layout.first:
            at = layout.first["breaker_state"]
            self.states = {s: int(n) for s, n in zip(BREAKER_STATES, out[at:], strict=False)}
            worst = max((s for s, n in self.states.items() if n), key=WORST.index, default="closed")
            out[at : at + len(BREAKER_STATES)] = [int(s == worst) for s in BREAKER_STATES]
        return out

    def error_names(self) -> Names:
        return (*self.names, OVERFLOW_ERROR)

    def _add(self, share: Share) -> None:
        numbers, slots = share.numbers, None
        if share.layout is not self.layout:
            slots = onto(share.layout, self.layout)
            numbers = [0.0] * self.layout.size
            for slot, number in zip(slots, share.numbers, strict=True):
                numbers[slot] += number
        if share.names != self.names:
            numbers = self._renamed(numbers, share.names)
        self._numbers = list(map(add, self._numbers, numbers)) if self._numbers else numbers
        for slot, parts in share.seconds.items():
            self._seconds.setdefault(slots[slot] if slots else slot, []).extend(parts)
        for slot, number in share.gauges.items():
            self._gauges.setdefault(slots[slot] if slots else slot, []).append(number)

    def _renamed(self, numbers: list[float], names: Names) -> list[float]:
        """The same, with failures where this total has their error type."""
        base = self.layout.first["errors"]
        counts, out = numbers[base : base + ERROR_NAMES], list(numbers)
        out[base : base + ERROR_NAMES] = [0.0] * ERROR_NAMES
        for name, count in zip(names, counts, strict=True):
            if count or name is not None:
                out[base + self._index(name)] += count
        return out

    def _index(self, name: str | None) -> int:
        if name is None or (name not in self.names and None not in self.names):
            return ERROR_NAMES
        if name not in self.names:
            free = self.names.index(None)
            self.names = (*self.names[:free], name, *self.names[free + 1 :])
        return self.names.index(name)
