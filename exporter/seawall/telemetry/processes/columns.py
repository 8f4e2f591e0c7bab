"""Sums over processes, column by column: of all segments with the same directory at once.

A page must never show less than the page before, whoever makes it and in whichever order it adds. Whole
numbers add up exactly in any order; sums of seconds are rounded once, at the end (``shares.exact``).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from math import isfinite

from seawall.telemetry.processes.reader import Content, Directory
from seawall.telemetry.processes.shapes import fractions, gauges, live_slots
from seawall.telemetry.processes.shares import Share, exact, merged

#: Doubles that are compared, and added anew, together.
_STRETCH = 16
_BYTES = 8 * _STRETCH


def possible(content: Content) -> bool:
    """Whether its counters can have been counted."""
    return _sound(array("d", content.slots)) and _sound(array("d", content.live))


def _sound(numbers: Sequence[float]) -> bool:
    return isfinite(sum(numbers)) and min(numbers, default=0) >= 0


def own_of(directory: Directory, slots: Sequence[float]) -> dict[tuple[str, ...], float]:
    """Telemetry's own counters among these."""
    end = directory.own + len(directory.keys)
    return dict(zip(directory.keys, slots[directory.own : end], strict=True))


class Columns:
    """Column sums of rows of doubles. What is as it was in every row is not added again."""

    __slots__ = ("_rows", "sums")

    def __init__(self) -> None:
        self._rows: list[bytes] = []
        self.sums = array("d")

    def add(self, rows: list[bytes]) -> bool:
        """Sum these: at least one, all of one length. Whether that is news."""
        before, self._rows = self._rows, rows
        if rows == before:
            return False
        whole = len(rows) != len(before) or len(rows[0]) != len(before[0])
        if whole:
            self.sums = array("d", bytes(len(rows[0])))
            stale = set(range(0, len(rows[0]), _BYTES))
        else:
            stale = _changed(before, rows)
        for begin in stale:
            parts = [row[begin : begin + _BYTES] for row in rows]
            zeros = bytes(len(parts[0]))
            counted = [array("d", part) for part in parts if part != zeros]
            added = array("d", map(sum, zip(*counted, strict=True))) if counted else array("d", zeros)
            self.sums[begin // 8 : begin // 8 + len(added)] = added
        return True

    def exactly(self, slots: Iterable[int]) -> dict[int, list[float]]:
        """The exact sums of these columns, where they are not 0."""
        wanted = [slot for slot in slots if self.sums[slot]]
        rows = [memoryview(row).cast("d") for row in self._rows] if wanted else []
        return {slot: exact([row[slot] for row in rows]) for slot in wanted}


def _changed(before: list[bytes], rows: list[bytes]) -> set[int]:
    """Where stretches begin that are not as they were in every row."""
    same = list(range(0, len(rows[0]), _BYTES))
    stale: set[int] = set()
    for old, new in zip(before, rows, strict=True):
        if old != new:
            moved = [at for at in same if old[at : at + _BYTES] != new[at : at + _BYTES]]
            if moved:
                stale.update(moved)
                same = [at for at in same if at not in stale]
    return stale


class Group:
    """Living processes whose segments have the same directory."""

    __slots__ = ("_columns", "_directory", "_kept", "_seconds", "sound")

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._columns = Columns()
        self._kept: list[Share] = []
        self.sound = True
        self._seconds = [p.slots + slot for p in directory.places for slot in fractions(p.layout)]

    def shares(self, contents: Sequence[Content]) -> list[Share]:
        """What these count, by guard; none when such numbers can't have been counted."""
        news = self._columns.add([content.slots for content in contents])
        live = list(zip(*(array("d", content.live) for content in contents), strict=True))
        self.sound = _sound(self._columns.sums) and _sound([sum(values) for values in live])
        if not self.sound:
            self._kept = []
            return []
        if news or not self._kept:
            self._kept = self._added(self._kept)
        start = max(content.start for content in contents)
        for place, share in zip(self._directory.places, self._kept, strict=True):
            share.start, share.processes = start, len(contents)
            of_guard = gauges(place.layout)
            for i, slot in enumerate(live_slots(place.layout), start=place.live):
                if slot in of_guard:
                    share.gauges[slot] = live[i]
                else:
                    share.seconds[slot] = exact(live[i])
        return self._kept

    def own(self) -> dict[tuple[str, ...], float]:
        """Telemetry's own counters."""
        return own_of(self._directory, self._columns.sums)

    def _added(self, before: list[Share]) -> list[Share]:
        sums = self._columns.sums
        seconds = self._columns.exactly(self._seconds)
        shares: list[Share] = []
        for i, place in enumerate(self._directory.places):
            raw = sums[place.slots : place.slots + place.layout.width]
            if before and before[i].raw == raw:
                shares.append(before[i])
                continue
            found = {slot: seconds.get(place.slots + slot, []) for slot in fractions(place.layout)}
            numbers, parts = merged(place.layout, raw, found)
            shares.append(
                Share(place.layout, place.entry, place.family, place.names, numbers, parts, raw=raw)
            )
        return shares
