"""The sum of one guard over processes: counters added up, gauges each by its own meaning."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from math import isfinite
from operator import add
from typing import Any

from seawall.resilience.fields import BREAKER_STATES, ERROR_NAMES, OVERFLOW_ERROR
from seawall.resilience.ledger import Entry, Layout, fold
from seawall.telemetry.processes.segment import Block, live_slots

#: From what is best to what is worst for callers: one process that rejects is what an alert must see.
WORST = ("closed", "disabled", "metrics_only", "half_open", "open", "forced_open")

#: Doubles that are compared with 0 before they are added.
_STRETCH = 16


class Columns:
    """Column sums of rows of doubles. Most are 0 in most processes: a stretch of zeros is compared, not
    added; and rows that are the same as before are not added again.
    """

    __slots__ = ("_rows", "_sums")

    def __init__(self) -> None:
        self._rows: list[bytes] = []
        self._sums = array("d")

    def sums(self, rows: list[bytes]) -> array[float]:
        """``rows``: at least one, all of one length."""
        if rows != self._rows:
            self._rows, self._sums = rows, array("d")
            for begin in range(0, len(rows[0]), 8 * _STRETCH):
                parts = [row[begin : begin + 8 * _STRETCH] for row in rows]
                zeros = bytes(len(parts[0]))
                counted = [array("d", part) for part in parts if part != zeros]
                self._sums.extend(map(sum, zip(*counted, strict=True)) if counted else array("d", zeros))
        return self._sums


class Sum:
    """One guard of one layout. ``states``: how many living processes have their breaker in which state.

    ``numbers``: sums of slots, then of live values; those of gauges are of living processes only.
    """

    __slots__ = ("_columns", "_gauges", "entry", "layout", "names", "numbers", "states")

    def __init__(self, layout: Layout, entry: dict[str, Any], columns: Columns | None = None) -> None:
        self.layout = layout
        self._columns = columns or Columns()
        self.entry = entry
        self.numbers = array("d", bytes(8 * (layout.width + len(live_slots(layout)))))
        self.names: tuple[str | None, ...] = (None,) * ERROR_NAMES
        self.states: dict[str, int] = {}
        self._gauges: dict[int, list[tuple[float, ...]]] = {}

    def add(self, blocks: Sequence[Block], *, alive: bool) -> int:
        """Add blocks of this layout; how many of them hold no numbers that could be, and stay out."""
        if not blocks:
            return 0
        rows = [self._renamed(block) for block in blocks]
        live = self.layout.width
        columns = list(zip(*(array("d", row[8 * live :]) for row in rows), strict=True))
        slots = self._columns.sums([row[: 8 * live] for row in rows])
        numbers = array("d", map(add, self.numbers, chain(slots, map(sum, columns))))
        if not isfinite(sum(numbers)) or min(numbers) < 0:
            good = [block for block in blocks if _possible(block)]
            return len(blocks) - len(good) + (self.add(good, alive=alive) if len(good) < len(blocks) else 0)
        for i in _gauges(self.layout):
            if alive:
                self._gauges.setdefault(i, []).append(columns[i - live])
            else:
                numbers[i] = self.numbers[i]
        self.numbers = numbers
        return 0

    def reading(self) -> list[float]:
        """Every number, as ``Guard.read`` gives it for one process."""
        layout = self.layout
        out = fold(layout, self.numbers.tolist())
        for i, slot in enumerate(live_slots(layout), start=layout.width):
            out[slot] = self.numbers[i]
        for i, entry in _gauges(layout).items():
            across = entry.field.across
            if across in ("max", "min"):
                values = [value for column in self._gauges.get(i, ()) for value in column]
                out[entry.offset] = (max if across == "max" else min)(values, default=0.0)
        if "breaker_state" in layout.first:
            at = layout.first["breaker_state"]
            self.states = {s: int(n) for s, n in zip(BREAKER_STATES, out[at:], strict=False)}
            worst = max((s for s, n in self.states.items() if n), key=WORST.index, default="closed")
            out[at : at + len(BREAKER_STATES)] = [int(s == worst) for s in BREAKER_STATES]
        return out

    def error_names(self) -> tuple[str | None, ...]:
        return (*self.names, OVERFLOW_ERROR)

    def _renamed(self, block: Block) -> bytes:
        """The block's numbers, with failures where this sum has their error type."""
        if block.names == self.names:
            return block.raw
        base = self.layout.first["errors"]
        numbers = array("d", block.raw)
        counts = numbers[base : base + ERROR_NAMES]
        numbers[base : base + ERROR_NAMES] = array("d", bytes(8 * ERROR_NAMES))
        for name, count in zip(block.names, counts, strict=True):
            if count or name is not None:
                numbers[base + self._index(name)] += count
        return numbers.tobytes()

    def _index(self, name: str | None) -> int:
        if name is None or (name not in self.names and None not in self.names):
            return ERROR_NAMES
        if name not in self.names:
            free = self.names.index(None)
            self.names = (*self.names[:free], name, *self.names[free + 1 :])
        return self.names.index(name)


def _possible(block: Block) -> bool:
    numbers = array("d", block.raw)
    return isfinite(sum(numbers)) and min(numbers) >= 0


@lru_cache(maxsize=1024)
def _gauges(layout: Layout) -> dict[int, Entry]:
    """By index into a block's numbers: the live values that are gauges; the others are counters."""
    entries = {e.offset: e for e in layout.entries}
    live = enumerate(live_slots(layout), start=layout.width)
    return {i: entries[slot] for i, slot in live if entries[slot].field.kind == "gauge"}
