"""Sums over processes, column by column: of all segments with the same directory at once.

A page must never show less than the page before, whoever makes it and in whichever order it adds. Whole
numbers add up exactly in any order; sums of seconds are rounded once, at the end (``shares.exact``).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from math import isfinite
from operator import itemgetter

from seawall.telemetry.processes.reader import Content, Directory
from seawall.telemetry.processes.shapes import fractions, gauges, live_slots
from seawall.telemetry.processes.shares import EXTREMES, Share, exact, merged


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
    """Column sums of rows of doubles. A column that is as it was in every row is not added again."""

    __slots__ = ("_bits", "_rows", "sums")

    def __init__(self) -> None:
        self._rows: list[bytes] = []
        self._bits: list[int] = []
        self.sums = array("d")

    def add(self, rows: list[bytes]) -> bool:
        """Sum these: at least one, all of one length. Whether that is news."""
        before, self._rows = self._rows, rows
        if rows == before:
            return False
        if len(rows) != len(before) or len(rows[0]) != len(before[0]):
            self._bits = [int.from_bytes(row, "little") for row in rows]
            self._add_all()
            return True
        columns = self._moved(before)
        if len(columns) > len(self.sums) // 4:
            self._add_all()
        else:
            for column, numbers in zip(columns, self._picked(columns), strict=True):
                self.sums[column] = sum(numbers)
        return True

    def values(self, columns: Iterable[int]) -> dict[int, tuple[float, ...]]:
        """All numbers of these columns, but for those whose sum is 0."""
        wanted = [column for column in columns if self.sums[column]]
        return dict(zip(wanted, self._picked(wanted), strict=True)) if wanted else {}

    def _picked(self, columns: Sequence[int]) -> Iterable[tuple[float, ...]]:
        pick = itemgetter(*columns, columns[0])  # of one alone it would make no tuple
        return list(zip(*(pick(memoryview(row).cast("d")) for row in self._rows), strict=True))[:-1]

    def _add_all(self) -> None:
        self.sums = array("d", map(sum, zip(*(array("d", row) for row in self._rows), strict=True)))

    def _moved(self, before: list[bytes]) -> list[int]:
        """The columns that are not as they were. Whole rows are compared at once, as very long integers."""
        moved = 0
        for i, (old, new) in enumerate(zip(before, self._rows, strict=True)):
            if old != new:
                bits = int.from_bytes(new, "little")
                moved |= bits ^ self._bits[i]
                self._bits[i] = bits
        changed = memoryview(moved.to_bytes(len(before[0]), "little")).cast("Q")
        return [column for column, bits in enumerate(changed) if bits]


class Group:
    """Living processes whose segments have the same directory."""

    __slots__ = ("_across", "_directory", "_kept", "_live", "_seconds", "_slots", "sound")

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._slots = Columns()
        self._live = Columns()
        self._kept: list[Share] = []
        self.sound = True
        self._seconds = [p.slots + slot for p in directory.places for slot in fractions(p.layout)]
        #: Columns of live values that are no mere sums.
        self._across = [
            column
            for place in directory.places
            for column, slot in enumerate(live_slots(place.layout), start=place.live)
            if slot not in gauges(place.layout) or gauges(place.layout)[slot].field.across in EXTREMES
        ]

    def shares(self, contents: Sequence[Content]) -> list[Share]:
        """What these count, by guard; none when such numbers can't have been counted."""
        news = self._slots.add([content.slots for content in contents])
        self._live.add([content.live for content in contents])
        self.sound = _sound(self._slots.sums) and _sound(self._live.sums)
        if not self.sound:
            self._kept = []
            return []
        if news or not self._kept:
            self._kept = self._added(self._kept)
        values = self._live.values(self._across)
        start = max(content.start for content in contents)
        for place, share in zip(self._directory.places, self._kept, strict=True):
            share.start, share.processes = start, len(contents)
            of_guard = gauges(place.layout)
            for column, slot in enumerate(live_slots(place.layout), start=place.live):
                if slot not in of_guard:
                    share.seconds[slot] = exact(values.get(column, ()))
                elif column in values:
                    share.gauges[slot] = EXTREMES[of_guard[slot].field.across](values[column])
                else:
                    share.gauges[slot] = self._live.sums[column]
        return self._kept

    def own(self) -> dict[tuple[str, ...], float]:
        """Telemetry's own counters."""
        return own_of(self._directory, self._slots.sums)

    def _added(self, before: list[Share]) -> list[Share]:
        sums = self._slots.sums
        values = self._slots.values(self._seconds)
        shares: list[Share] = []
        for i, place in enumerate(self._directory.places):
            raw = sums[place.slots : place.slots + place.layout.width]
            if before and before[i].raw == raw:
                shares.append(before[i])
                continue
            seconds = {slot: exact(values.get(place.slots + slot, ())) for slot in fractions(place.layout)}
            numbers, parts = merged(place.layout, raw, seconds)
            shares.append(
                Share(place.layout, place.entry, place.family, place.names, numbers, parts, raw=raw)
            )
        return shares
