"""Pushes the numbers of a registry by OTLP, at intervals and once at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from weakref import ref

from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

from seawall.resilience import Guard
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.exporters import Exporter
from seawall.telemetry.otlp_points import Points
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source, View
from seawall.telemetry.worker import Worker, done_by, let_others_run

#: Since when this process counts: guards are built while it starts.
_BEGAN = time.time_ns()


class Starts:
    """Since when the counters of each guard count, so that a guard replaced by another is seen to begin at 0.

    One that was not in the push before was built after it.
    """

    def __init__(self, began: int) -> None:
        self.began = began
        self._last = began
        self._known: dict[str, tuple[ref[Guard] | None, int]] = {}

    def of(self, views: Sequence[View], now: int) -> list[int]:
        """For each view, nanoseconds since the epoch."""
        starts = [self._start(view) for view in views]
        self._known = {
            view.name: (ref(view.guard) if view.guard is not None else None, start)
            for view, start in zip(views, starts, strict=True)
        }
        self._last = now
        return starts

    def _start(self, view: View) -> int:
        guard, start = self._known.get(view.name, (None, self._last))
        return start if guard is None or guard() is view.guard else self._last


class MetricsPush:
    """Sends all data points every ``interval`` seconds, with totals since the start: a push that fails loses
    a moment and no counts. A forked child pushes its own numbers.
    """

    def __init__(
        self,
        exporter: Exporter[MetricsData, MetricExportResult],
        source: Source,
        service: Service,
        dropped: Dropped,
        *,
        interval: float,
    ) -> None:
        self._exporter = exporter
        self._source = source
        self._service = service
        self._dropped = dropped
        self._starts = Starts(_BEGAN)
        self._pushing = 0
        self._worker = Worker("seawall-metrics", self._push, interval=interval, forked=self._begin_anew)

    def start(self) -> None:
        self._worker.start()

    def ask_to_end(self) -> None:
        """Push a last time. Returns at once; `end` is to follow."""
        self._worker.ask_to_end()

    def end(self, until: float) -> bool:
        """Return at that time of the monotonic clock at the latest. Whether the last push was over then."""
        in_time = self._worker.ended(until)
        if not in_time:
            self._dropped.add("metrics", "shutdown", self._pushing)
        done_by(until, self._exporter.shutdown, "seawall-metrics-close")
        return in_time

    def _push(self) -> None:
        sent = 0
        try:
            points = self._points()
            requests = list(points.requests(self._service.resource()))
            self._pushing = sum(count for _, count in requests)
            for data, count in requests:
                # Whoever did not take one part will not take the next: it would wait in vain for each.
                if self._exporter.export(data) is not MetricExportResult.SUCCESS:
                    break
                sent += count
        except Exception:  # noqa: BLE001 - whatever the exporter does, it is a loss of points and no more
            self._pushing = max(self._pushing, 1)
        if sent < self._pushing:
            self._dropped.add("metrics", "export_failed", self._pushing - sent)
        self._pushing = 0

    def _points(self) -> Points:
        now = time.time_ns()
        points = Points(now)
        views = self._source.views()
        for view, start in zip(views, self._starts.of(views, now), strict=True):
            points.add_view(view, start)
            let_others_run()
        points.add_rows(self._source.identity, self._starts.began)
        points.add_rows(self._source.own(), self._starts.began)
        return points

    def _begin_anew(self) -> None:
        self._pushing = 0
        self._starts = Starts(time.time_ns())
