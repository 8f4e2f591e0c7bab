"""The numbers of a scrape as OTLP data points.

Built from the ledgers, as a page is: instruments of the SDK would count everything a second time, and its
observable ones can't be histograms. Names and labels are the catalog's in full, so that dashboards and rules
fit whichever way the numbers came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from seawall.resilience.ledger import Entry
from seawall.resilience.ledger import Exemplar as Kept
from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.collector import label_values
from seawall.telemetry.one_line import plain
from seawall.telemetry.rows import Row
from seawall.telemetry.source import View
from seawall.telemetry.worker import InTurns

Point = NumberDataPoint | HistogramDataPoint

#: Data points of one request: some 600 KB. Receivers refuse messages of 4 MB as gRPC comes.
AT_ONCE: Final = 2000
#: In the code for units that OTLP prescribes, UCUM.
UNITS: Final = {"seconds": "s", "ratio": "1"}
SCOPE: Final = InstrumentationScope("seawall")
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_TRACE_IDS: Final = frozenset({"trace_id", "span_id"})


class Points:
    """The data points of one push; ``now`` and all starts are nanoseconds since the epoch.

    ``start``: since when a counter counts.
    """

    def __init__(self, now: int) -> None:
        self.now = now
        self._of: dict[Series, list[Point]] = {series: [] for series in catalog.SERIES}

    def add_view(self, view: View, start: int) -> None:
        """Everything of one guard."""
        for entry in view.layout.entries:
            labels = label_values(view, entry)
            if labels is not None:
                series = catalog.BY_FIELD[entry.field.name]
                attributes = _attributes(series, labels)
                self._of[series].append(
                    self._histogram(view, entry, attributes, start)
                    if series.type == "histogram"
                    else self._number(
                        series, attributes, view.reading[entry.offset], start, _exemplars(view, entry.offset)
                    )
                )
        self.add_rows(view.rows, start)

    def add_rows(self, rows: Iterable[Row], start: int) -> None:
        """Samples that come from no ledger. The resource says what the service is: no row has to."""
        for row in rows:
            if row.series is not catalog.TARGET_INFO:
                attributes = _attributes(row.series, row.labels)
                self._of[row.series].append(self._number(row.series, attributes, row.value, start, []))

    def requests(self, resource: Resource, most: int = AT_ONCE) -> Iterator[tuple[MetricsData, int]]:
        """What to send, at most so many points at once, and how many there are."""
        metrics: list[Metric] = []
        count = 0
        for series, points in self._of.items():
            done = 0
            while done < len(points):
                part = points[done : done + most - count]
                metrics.append(_metric(series, part))
                done += len(part)
                count += len(part)
                if count == most:
                    yield _request(resource, metrics), count
                    metrics, count = [], 0
        if metrics:
            yield _request(resource, metrics), count

    def _number(
        self,
        series: Series,
        attributes: Mapping[str, str],
        value: float,
        start: int,
        exemplars: Sequence[Exemplar],
    ) -> NumberDataPoint:
        counts = series.type == "counter" and not series.unit
        return NumberDataPoint(
            attributes, start, self.now, int(value) if counts else float(value), exemplars=exemplars
        )

    def _histogram(
        self, view: View, entry: Entry, attributes: Mapping[str, str], start: int
    ) -> HistogramDataPoint:
        end = entry.offset + len(entry.bounds) + 1
        cumulative = [0, *(int(n) for n in view.reading[entry.offset : end])]
        return HistogramDataPoint(
            attributes=attributes,
            start_time_unix_nano=start,
            time_unix_nano=self.now,
            count=cumulative[-1],
            sum=float(view.reading[end]),
            bucket_counts=[after - before for before, after in pairwise(cumulative)],
            explicit_bounds=entry.bounds,
            min=None,  # type: ignore[arg-type]  # not known; optional in the protocol
            max=None,  # type: ignore[arg-type]
            exemplars=_exemplars(view, *range(entry.offset, end)),
        )


def _metric(series: Series, points: Sequence[Point]) -> Metric:
    data: Sum | Gauge | Histogram
    if series.type == "counter":
        data = Sum(_numbers(points), _CUMULATIVE, is_monotonic=True)
    elif series.type == "histogram":
        data = Histogram(InTurns(p for p in points if isinstance(p, HistogramDataPoint)), _CUMULATIVE)
    else:
        data = Gauge(_numbers(points))
    return Metric(series.name, series.help, UNITS.get(series.unit, ""), data)


def _numbers(points: Sequence[Point]) -> list[NumberDataPoint]:
    return InTurns(p for p in points if isinstance(p, NumberDataPoint))


def _request(resource: Resource, metrics: Sequence[Metric]) -> MetricsData:
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(SCOPE, metrics, "")], "")])


def _attributes(series: Series, labels: Sequence[str]) -> dict[str, str]:
    # A lone surrogate in the name of an exception's type would make two series one: it can't be encoded.
    return {name: plain(value) for name, value in zip(series.labels, labels, strict=True)}


def _exemplars(view: View, *slots: int) -> list[Exemplar]:
    if not view.exemplars:
        return []
    return [_exemplar(view.exemplars[slot]) for slot in slots if slot in view.exemplars]


def _exemplar(kept: Kept) -> Exemplar:
    return Exemplar(
        {name: value for name, value in kept.labels.items() if name not in _TRACE_IDS},
        kept.value,
        int(kept.at * 1e9),
        span_id=int(kept.labels["span_id"], 16),
        trace_id=int(kept.labels["trace_id"], 16),
    )
