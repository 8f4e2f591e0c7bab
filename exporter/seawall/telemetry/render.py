"""The page of /metrics, in text 0.0.4 or OpenMetrics 1.0, from ledgers at one format operation a page.

Labels never change while the set of guards stays, so a page is a ``%`` template made once: all names and
labels in place, one ``%s`` per number. A scrape reads the ledgers into one flat list, picks the numbers in
the page's order and fills the template.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.collector import label_values
from seawall.telemetry.exposition import family_header, labelled, number, with_exemplar
from seawall.telemetry.locks import CallLock
from seawall.telemetry.rows import Row
from seawall.telemetry.source import Source, View

#: Series whose numbers stand in ledgers; the others are rows.
_COUNTED = tuple(series for series in catalog.SERIES if series.field)
_OWN = (catalog.TELEMETRY_DROPPED, catalog.LISTENER_ERRORS)
_CONSTANT = tuple(series for series in catalog.SERIES if not series.field and series not in _OWN)


@dataclass(frozen=True, slots=True)
class _Lines:
    """One guard's lines of one series, and which of the guard's numbers fill them."""

    template: str
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One guard's share of a page. Its numbers are the reading, then ``counts``: copies of some of its slots.

    A histogram's +Inf bucket and its count are one slot, but only the bucket may carry an exemplar: hence
    the copies.
    """

    key: object
    lines: dict[str, _Lines]
    counts: tuple[int, ...]
    exemplar_slots: frozenset[int]
    size: int


@dataclass(frozen=True, slots=True)
class _Page:
    chunks: tuple[_Chunk, ...]
    rows: tuple[tuple[Row, ...], ...]
    template: str
    pick: Callable[[Sequence[object]], tuple[object, ...]]


class Renderer:
    """Renders one registry. Thread-safe: scrapes take turns."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._lock = CallLock()
        self._chunks: dict[str, _Chunk] = {}
        self._pages: dict[bool, _Page] = {}

    def text(self) -> str:
        """Prometheus text format 0.0.4: no exemplars, no ``_created`` series."""
        return self._render(openmetrics=False)

    def openmetrics(self) -> str:
        """OpenMetrics 1.0 with exemplars, without the closing ``# EOF``: other families may follow."""
        return self._render(openmetrics=True)

    def _render(self, *, openmetrics: bool) -> str:
        with self._lock:
            views = self.source.views()
            page = self._page(views, openmetrics)
            numbers: list[object] = []
            for view, chunk in zip(views, page.chunks, strict=True):
                numbers += _numbers(view, chunk, openmetrics)
            body = page.template % page.pick(numbers) if numbers else page.template % ()
        return body + _rows(_OWN, self.source.own(), openmetrics)

    def _page(self, views: Sequence[View], openmetrics: bool) -> _Page:
        chunks = tuple(self._chunk(view) for view in views)
        rows = tuple(view.rows for view in views)
        kept = self._pages.get(openmetrics)
        if kept is not None and kept.chunks == chunks and kept.rows == rows:
            return kept
        if len(self._chunks) > len(views):
            self._chunks = {view.name: chunk for view, chunk in zip(views, chunks, strict=True)}
        page = self._pages[openmetrics] = _build(chunks, rows, self.source.identity, openmetrics)
        return page

    def _chunk(self, view: View) -> _Chunk:
        key = (view.guard, view.layout, view.error_names)
        kept = self._chunks.get(view.name)
        if kept is None or kept.key != key:
            kept = self._chunks[view.name] = _cut(view, key)
        return kept


def _cut(view: View, key: object) -> _Chunk:
    texts: dict[str, list[str]] = {}
    slots: dict[str, list[int]] = {}
    counts: list[int] = []
    exemplar_slots: set[int] = set()
    for entry in view.layout.entries:
        series = catalog.BY_FIELD[entry.field.name]
        values = label_values(view, entry)
        if values is None:
            continue
        text, used = texts.setdefault(series.name, []), slots.setdefault(series.name, [])
        if series.type != "histogram":
            text.append(_line(series.name, series.labels, values))
            used.append(entry.offset)
            if series.type == "counter":
                exemplar_slots.add(entry.offset)
            continue
        end = entry.offset + len(entry.bounds)
        for slot, bound in enumerate((*entry.bounds, math.inf), start=entry.offset):
            text.append(_line(series.bucket, (*series.labels, "le"), (*values, number(bound))))
            used.append(slot)
            exemplar_slots.add(slot)
        text += [_line(series.count, series.labels, values), _line(series.sum, series.labels, values)]
        used += [view.layout.size + len(counts), end + 1]
        counts.append(end)
    lines = {name: _Lines("".join(texts[name]), tuple(slots[name])) for name in texts}
    return _Chunk(key, lines, tuple(counts), frozenset(exemplar_slots), view.layout.size + len(counts))


def _line(name: str, labels: Sequence[str], values: Sequence[str]) -> str:
    return labelled(name, labels, values).replace("%", "%%") + " %s\n"


def _build(
    chunks: tuple[_Chunk, ...],
    rows: tuple[tuple[Row, ...], ...],
    identity: tuple[Row, ...],
    openmetrics: bool,
) -> _Page:
    parts: list[str] = []
    indices: list[int] = []
    for series in _COUNTED:
        header: str = family_header(series, openmetrics=openmetrics).replace("%", "%%")
        start = 0
        for chunk in chunks:
            lines = chunk.lines.get(series.name)
            if lines is not None:
                parts += (header, lines.template)
                header = ""
                indices += [start + slot for slot in lines.slots]
            start += chunk.size
    constant = [row for of_guard in rows for row in of_guard]
    parts.append(_rows(_CONSTANT, (*constant, *identity), openmetrics).replace("%", "%%"))
    return _Page(chunks, rows, "".join(parts), _picker(indices))


def _picker(indices: Sequence[int]) -> Callable[[Sequence[object]], tuple[object, ...]]:
    if len(indices) < 2:  # itemgetter of one index gives no tuple
        return lambda numbers: tuple(numbers[i] for i in indices)
    return itemgetter(*indices)


def _numbers(view: View, chunk: _Chunk, openmetrics: bool) -> list[object]:
    reading = view.reading
    if not math.isfinite(sum(reading)):
        reading = [value if math.isfinite(value) else 0.0 for value in reading]
    numbers: list[object] = [*reading, *(reading[slot] for slot in chunk.counts)]
    if openmetrics and view.exemplars:
        for slot, exemplar in view.exemplars.items():
            if slot in chunk.exemplar_slots:
                numbers[slot] = with_exemplar(reading[slot], exemplar)
    return numbers


def _rows(order: Iterable[Series], rows: Iterable[Row], openmetrics: bool) -> str:
    by_series: dict[str, list[Row]] = {}
    for row in rows:
        by_series.setdefault(row.series.name, []).append(row)
    parts: list[str] = []
    for series in order:
        of_series = by_series.get(series.name)
        if of_series:
            parts.append(family_header(series, openmetrics=openmetrics))
            parts += (
                f"{labelled(series.name, series.labels, row.labels)} {number(row.value)}\n"
                for row in of_series
            )
    return "".join(parts)
