"""The page of /metrics, in text 0.0.4 or OpenMetrics 1.0, from ledgers.

Labels never change while the set of guards stays, so a page is made of ``%`` templates rendered once, one
per guard and family: all names and labels in place, one ``%s`` per number. A scrape reads the ledgers, fills
the templates whose numbers have changed and joins the pieces.
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
from seawall.telemetry.source import LIVE, Source, View

#: Series whose numbers stand in ledgers; the others are rows.
_COUNTED = tuple(series for series in catalog.SERIES if series.field)
_OWN = (catalog.TELEMETRY_DROPPED, catalog.LISTENER_ERRORS)
_CONSTANT = tuple(series for series in catalog.SERIES if not series.field and series not in _OWN)


@dataclass(frozen=True, slots=True)
class _Lines:
    """One guard's lines of one series, and the numbers of the guard that fill them.

    ``template`` takes texts too; ``numeric`` takes numbers only, and is filled in two thirds of the time.
    """

    template: str
    numeric: bytes
    slots: tuple[int, ...]
    pick: Callable[[Sequence[object]], Sequence[object]]
    live: bool
    clockwork: bool


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


@dataclass(slots=True)
class _Piece:
    """One guard's lines of one series on a page, and the numbers last written there."""

    place: int
    lines: _Lines
    written: object = None


@dataclass(slots=True)
class _Share:
    """What stands on the page of one guard."""

    chunk: _Chunk
    pieces: tuple[_Piece, ...]
    live: tuple[_Piece, ...]
    clockwork: tuple[_Piece, ...]
    pick_calm: Callable[[Sequence[object]], Sequence[object]]
    seen: object = None
    calm: object = None

    def write(self, view: View, page: list[bytes], openmetrics: bool) -> None:
        """Write anew what has changed; while no counter has, only what time moves can have."""
        seen = (view.version, view.exemplars) if openmetrics else view.version
        numbers: Sequence[object] = view.reading
        texts = openmetrics and bool(view.exemplars)
        calm = self.pick_calm(numbers)
        pieces = self.clockwork if calm == self.calm else self.live
        if seen != self.seen:
            pieces = self.pieces
            numbers = _numbers(view, _finite(view.reading), self.chunk, openmetrics)
        for piece in pieces:
            lines = piece.lines
            values = lines.pick(numbers)
            if values != piece.written:
                page[piece.place] = (
                    _encoded(lines.template % tuple(values)) if texts else lines.numeric % tuple(values)
                )
                piece.written = values
        # What was written is noted after it: a signal handler that renders in between has written newer
        # lines, some of which were undone just now.
        self.seen, self.calm = seen, calm


def _share(chunk: _Chunk, pieces: Sequence[_Piece]) -> _Share:
    """``clockwork``: what every second moves; ``calm``: what else is live, and stays while nobody calls."""
    live = [piece for piece in pieces if piece.lines.live]
    clockwork = [piece for piece in live if piece.lines.clockwork]
    calm = [slot for piece in live if not piece.lines.clockwork for slot in piece.lines.slots]
    return _Share(chunk, tuple(pieces), tuple(live), tuple(clockwork), _picker(calm))


@dataclass(frozen=True, slots=True)
class _Page:
    """``pieces`` in their order are the page; those of the guards' shares change, headers and rows don't."""

    chunks: tuple[_Chunk, ...]
    rows: tuple[tuple[Row, ...], ...]
    pieces: list[bytes]
    shares: tuple[_Share, ...]


class Renderer:
    """Renders one registry. Thread-safe: scrapes take turns."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._lock = CallLock()
        self._chunks: dict[str, _Chunk] = {}
        self._pages: dict[bool, _Page] = {}

    def pieces(self, *, openmetrics: bool) -> list[bytes]:
        """The page, to be joined: text format 0.0.4, or OpenMetrics 1.0 with exemplars but without its
        closing ``# EOF``: other families may follow.
        """
        with self._lock:
            views = self.source.views()
            page = self._page(views, openmetrics)
            for view, share in zip(views, page.shares, strict=True):
                share.write(view, page.pieces, openmetrics)
            return [*page.pieces, _rows(_OWN, self.source.own(), openmetrics)]

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
    lines = {
        series.name: _Lines(
            "".join(texts[series.name]) % (("%s",) * len(slots[series.name])),
            _encoded("".join(texts[series.name]) % (("%a",) * len(slots[series.name]))),
            tuple(slots[series.name]),
            _picker(slots[series.name]),
            series.field in LIVE,
            series is catalog.BREAKER_STATE_SECONDS,
        )
        for series in _COUNTED
        if series.name in texts
    }
    return _Chunk(key, lines, tuple(counts), frozenset(exemplar_slots))


def _line(name: str, labels: Sequence[str], values: Sequence[str]) -> str:
    # Filled twice: with the place of a number, which may have text beside it or not, and with the number.
    return labelled(name, labels, values).replace("%", "%%%%") + " %s\n"


def _build(
    chunks: tuple[_Chunk, ...],
    rows: tuple[tuple[Row, ...], ...],
    identity: tuple[Row, ...],
    openmetrics: bool,
) -> _Page:
    pieces: list[bytes] = []
    shares: list[list[_Piece]] = [[] for _ in chunks]
    for series in _COUNTED:
        begun = False
        for chunk, share in zip(chunks, shares, strict=True):
            lines = chunk.lines.get(series.name)
            if lines is None:
                continue
            if not begun:
                pieces.append(family_header(series, openmetrics=openmetrics).encode())
                begun = True
            share.append(_Piece(len(pieces), lines))
            pieces.append(b"")
    constant = [row for of_guard in rows for row in of_guard]
    pieces.append(_rows(_CONSTANT, (*constant, *identity), openmetrics))
    return _Page(
        chunks,
        rows,
        pieces,
        tuple(_share(chunk, share) for chunk, share in zip(chunks, shares, strict=True)),
    )


def _picker(indices: Sequence[int]) -> Callable[[Sequence[object]], Sequence[object]]:
    if not indices:
        return itemgetter(slice(0, 0))
    first, last = indices[0], indices[-1]
    if list(indices) == list(range(first, last + 1)):
        return itemgetter(slice(first, last + 1))
    return itemgetter(*indices)


def _finite(reading: Sequence[float]) -> Sequence[float]:
    if math.isfinite(sum(reading)):
        return reading
    return [value if math.isfinite(value) else 0.0 for value in reading]


def _numbers(view: View, reading: Sequence[float], chunk: _Chunk, openmetrics: bool) -> Sequence[object]:
    """The reading, exemplars where they go, and ``counts``."""
    numbers: list[object] = [*reading, *(reading[slot] for slot in chunk.counts)]
    if openmetrics:
        for slot, exemplar in view.exemplars.items():
            if slot in chunk.exemplar_slots:
                numbers[slot] = with_exemplar(reading[slot], exemplar)
    return numbers


def _rows(order: Iterable[Series], rows: Iterable[Row], openmetrics: bool) -> bytes:
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
    return _encoded("".join(parts))


def _encoded(text: str) -> bytes:
    # A lone surrogate, which only a name of an exception type could hold, must not cost the page.
    return text.encode("utf-8", "replace")
