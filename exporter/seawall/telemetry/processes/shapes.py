"""Layouts of guards as they were in other processes: told apart, put together, mapped onto each other."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from seawall.resilience.ledger import Entry, Layout, layout_of
from seawall.telemetry.source import LIVE


@lru_cache(maxsize=1024)
def live_slots(layout: Layout) -> tuple[int, ...]:
    """Slots of a reading whose values time moves: they are no sums of what was counted."""
    return tuple(e.offset for e in layout.entries if e.field.name in LIVE)


@lru_cache(maxsize=1024)
def gauges(layout: Layout) -> dict[int, Entry]:
    """By slot: the live values that are gauges. The others are counters."""
    return {e.offset: e for e in layout.entries if e.field.kind == "gauge"}


@lru_cache(maxsize=1024)
def signature(layout: Layout) -> str:
    """Differs whenever two layouts do: another set of fields, labels or buckets."""
    shape = [[e.field.name, e.field.kind, *e.labels, e.offset, *e.bounds] for e in layout.entries]
    return hashlib.sha256(json.dumps([layout.width, shape]).encode()).hexdigest()[:16]


@lru_cache(maxsize=1024)
def fractions(layout: Layout) -> dict[int, tuple[int, ...]]:
    """By raw slot that counts seconds: where its value belongs when lanes are added in. All others count
    whole things, whose sums are exact in any order.
    """
    found: dict[int, tuple[int, ...]] = {}
    for e in layout.entries:
        if e.bounds:
            found[e.offset + e.size - 1] = (e.offset + e.size - 1,)
        elif e.field.name in ("avoided_seconds", "retry_delay_seconds"):
            found[e.offset] = (e.offset,)
    for lane in layout.lanes.values():
        last = lane.size - 1
        found[lane.offset + last] = (lane.call_duration + last, lane.attempt_duration + last)
    return found


@lru_cache(maxsize=1024)
def fractional(layout: Layout) -> tuple[int, ...]:
    """Slots of a reading that count seconds."""
    targets = {target for into in fractions(layout).values() for target in into}
    live = {e.offset for e in layout.entries if e.field.name in LIVE and e.field.kind != "gauge"}
    return tuple(sorted(targets | live))


def layout_from(spec: Sequence[Any]) -> Layout:
    """The layout whose ``spec`` went through JSON."""
    operations, policies, modes, bounds, stale_for = spec
    return layout_of(tuple(operations), tuple(policies), tuple(modes), tuple(bounds), stale_for)


@lru_cache(maxsize=256)
def union(layouts: tuple[Layout, ...]) -> Layout:
    """All series that any of these has, with the buckets of the first."""
    specs: list[tuple[Any, ...]] = [layout.spec for layout in layouts]
    operations, policies, modes = (tuple(dict.fromkeys(n for s in specs for n in s[i])) for i in range(3))
    ages = [spec[4] for spec in specs if spec[4] is not None]
    return layout_of(operations, policies, modes, layouts[0].bounds, ages[0] if ages else None)


@lru_cache(maxsize=1024)
def onto(source: Layout, target: Layout) -> tuple[int, ...]:
    """By slot of ``source``: the slot of ``target``, which has all its series.

    A bucket that is not there goes on in the next larger one, so that no count is lost.
    """
    slots: list[int] = []
    for e in source.entries:
        into = target.entry(e.field.name, *e.labels)
        slots += [into.offset + bisect_left(into.bounds, bound) for bound in e.bounds]
        if e.bounds:
            slots += [into.offset + len(into.bounds), into.offset + into.size - 1]
        else:
            slots.append(into.offset)
    return tuple(slots)
