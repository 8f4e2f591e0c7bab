"""Gathers what a scrape reports: one view per guard, and the rows beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seawall.resilience import Guard, Registry
from seawall.resilience.fields import FIELDS
from seawall.resilience.ledger import Exemplar, Layout
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.rows import Row, identity_rows, own_rows, policy_rows
from seawall.telemetry.service import Service

#: Fields that time alone moves: they are computed anew for every reading.
LIVE = frozenset(f.name for f in FIELDS if f.kind == "gauge" or f.name == "breaker_state_seconds")


@dataclass(slots=True)
class View:
    """One guard at one moment. ``error_names`` belongs to the reading: names seen later are in the next.

    ``version``: the guard's counters are those of an earlier view with the same number; see :data:`LIVE`.
    """

    guard: Guard | None
    name: str
    layout: Layout
    reading: Sequence[float]
    version: int
    error_names: tuple[str | None, ...]
    exemplars: Mapping[int, Exemplar]
    rows: tuple[Row, ...]


class Source:
    """Reads a registry's guards. A guard that can't be read is left out and counted, the rest is reported."""

    def __init__(
        self, registry: Registry, *, service: Service | None = None, dropped: Dropped | None = None
    ) -> None:
        self.registry = registry
        self.dropped = dropped if dropped is not None else Dropped()
        self.identity = identity_rows(service)
        self._rows: dict[str, tuple[tuple[object, ...], tuple[Row, ...]]] = {}
        #: By name: the view made last. It is handed out again while nothing but time has moved.
        self._last: dict[str, View] = {}

    def views(self) -> list[View]:
        """The guards, by name, as they are now."""
        views = []
        for guard in sorted(self.registry, key=lambda g: g.name):
            try:
                views.append(self._view(guard))
            except Exception:  # noqa: BLE001 - one bad guard must not empty the page
                self.dropped.add("series", "guard_failed")
        if len(self._rows) > len(views):
            present = {view.name for view in views}
            self._rows = {name: kept for name, kept in self._rows.items() if name in present}
            self._last = {name: kept for name, kept in self._last.items() if name in present}
        return views

    def own(self) -> tuple[Row, ...]:
        """Telemetry's own counters; read them last, so that losses of this very scrape are in it."""
        return own_rows(self.dropped.counts(), dict(self.registry.listener_errors))

    def _view(self, guard: Guard) -> View:
        ledger = guard.ledger
        names = tuple(ledger.error_names)
        reading, version = guard.read_versioned()
        rows, kept = self._policy_rows(guard), self._last.get(guard.name)
        same = kept is not None and kept.reading is reading and kept.rows is rows
        if kept is not None and same and (kept.error_names, kept.exemplars) == (names, ledger.exemplars):
            return kept
        view = self._last[guard.name] = View(
            guard=guard,
            name=guard.name,
            layout=ledger.layout,
            reading=reading,
            version=version,
            error_names=names,
            exemplars=dict(ledger.exemplars),
            rows=rows,
        )
        return view

    def _policy_rows(self, guard: Guard) -> tuple[Row, ...]:
        """Rows of the settings, described anew only when a policy was replaced."""
        settings: tuple[object, ...] = (guard, *guard.policies.values())
        kept = self._rows.get(guard.name)
        if kept is not None and kept[0] == settings:
            return kept[1]
        rows = policy_rows(guard.describe())
        self._rows[guard.name] = (settings, rows)
        return rows
