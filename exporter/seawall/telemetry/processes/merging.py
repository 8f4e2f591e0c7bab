"""The sum of one guard over processes: counters added up, gauges each by its own meaning."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from seawall.resilience.fields import ERROR_NAMES, FIELDS_BY_NAME, OVERFLOW_ERROR
from seawall.resilience.ledger import Layout, fold
from seawall.telemetry.processes.segment import Block, live_slots

#: From what is best to what is worst for callers: one process that rejects is what an alert must see.
WORST = ("closed", "disabled", "metrics_only", "half_open", "open", "forced_open")


class Sum:
    """One guard of one layout. ``states``: how many living processes have their breaker in which state."""

    __slots__ = ("_gauges", "entry", "layout", "live", "names", "slots", "states")

    def __init__(self, layout: Layout, entry: dict[str, Any]) -> None:
        self.layout = layout
        self.entry = entry
        self.slots: list[float] = [0] * layout.width
        self.live: list[float] = [0] * len(live_slots(layout))
        self.names: list[str | None] = [None] * ERROR_NAMES
        self.states: dict[str, int] = {}
        self._gauges: list[Sequence[float]] = []

    def add(self, block: Block, *, alive: bool) -> None:
        self.add_all([block], alive=alive)

    def add_all(self, blocks: Sequence[Block], *, alive: bool) -> None:
        """Add blocks of this layout; the gauges of processes that have ended stay out."""
        columns = [self.slots, *(self._renamed(block) for block in blocks)]
        self.slots = list(map(sum, zip(*columns, strict=True)))
        spent = _spent(self.layout)
        for block in blocks:
            for i in spent:
                self.live[i] += block.live[i]
            if alive:
                self._gauges.append(block.live)

    def reading(self) -> list[float]:
        """Every number, as ``Guard.read`` gives it for one process."""
        out = fold(self.layout, self.slots)
        for i, slot in enumerate(live_slots(self.layout)):
            out[slot] = self.live[i]
        for field, (indices, how) in _gauges(self.layout).items():
            columns = [[live[i] for i in indices] for live in self._gauges]
            if field == "breaker_state":
                counts = [sum(column) for column in zip(*columns, strict=True)] if columns else []
                labels = [e.labels[0] for e in self.layout.entries if e.field.name == field]
                self.states = {s: int(n) for s, n in zip(labels, counts, strict=False)}
                worst = max((s for s, n in self.states.items() if n), key=WORST.index, default="closed")
                merged = [float(label == worst) for label in labels]
            else:
                merged = [how(column) for column in zip(*columns, strict=True)] or [0.0] * len(indices)
            for i, value in zip(indices, merged, strict=True):
                out[live_slots(self.layout)[i]] = value
        return out

    def error_names(self) -> tuple[str | None, ...]:
        return (*self.names, OVERFLOW_ERROR)

    def _renamed(self, block: Block) -> Sequence[float]:
        """The block's slots, with failures where this sum has their error type."""
        if list(block.names) == self.names:
            return block.slots
        base = self.layout.first["errors"]
        slots = list(block.slots)
        counts = slots[base : base + ERROR_NAMES]
        slots[base : base + ERROR_NAMES] = [0] * ERROR_NAMES
        for name, count in zip(block.names, counts, strict=True):
            if count or name is not None:
                slots[base + self._index(name)] += count
        return slots

    def _index(self, name: str | None) -> int:
        if name is None:
            return ERROR_NAMES
        if name not in self.names:
            if None not in self.names:
                return ERROR_NAMES
            self.names[self.names.index(None)] = name
        return self.names.index(name)


@lru_cache(maxsize=1024)
def _spent(layout: Layout) -> tuple[int, ...]:
    """Of the live values those that are counters: they add up, and stay when their process has ended."""
    fields = [e.field for slot in live_slots(layout) for e in layout.entries if e.offset == slot]
    return tuple(i for i, f in enumerate(fields) if f.kind == "counter")


@lru_cache(maxsize=1024)
def _gauges(layout: Layout) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Of the live values the gauges: their indices by field, and how several processes make one."""
    found: dict[str, list[int]] = {}
    for i, slot in enumerate(live_slots(layout)):
        name = next(e.field.name for e in layout.entries if e.offset == slot)
        if FIELDS_BY_NAME[name].kind == "gauge":
            found.setdefault(name, []).append(i)
    ways = {"sum": sum, "max": max, "min": min, "worst": max}
    return {name: (tuple(indices), ways[FIELDS_BY_NAME[name].across]) for name, indices in found.items()}
