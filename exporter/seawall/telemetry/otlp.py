"""Traces, metrics and logs out by OTLP, over gRPC or HTTP."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from seawall.resilience import Registry
from seawall.resilience.checks import Checks
from seawall.telemetry import exporters
from seawall.telemetry.batch import BatchProcessor
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.exporters import PerProcess
from seawall.telemetry.otlp_logs import LogExport
from seawall.telemetry.otlp_metrics import MetricsPush
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source

Signal = Literal["traces", "metrics", "logs"]
SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpSettings:
    """What is pushed, and where to. Times in seconds.

    ``endpoint``: the collector's base URL, as in ``http://127.0.0.1:4317`` (gRPC) or ``...:4318`` (HTTP).
    ``signals``: by default traces alone: metrics are scraped and lines are written already, and who pushes
    them too has them twice.
    ``sample_ratio``: of traces that begin here this share is kept; a caller's own decision is followed.
    ``queue``: spans, and log records, that wait at most; ``batch``: those that are sent at once.
    ``interval``: between exports of spans and log records. ``metrics_interval``: between pushes of metrics;
    a minute, as in OpenTelemetry's own SDKs, for which receivers are made.
    ``timeout``: of one export. ``shutdown_deadline``: for all that is queued at the end.
    """

    endpoint: str
    protocol: Literal["grpc", "http"] = "grpc"
    signals: Sequence[Signal] = ("traces",)
    sample_ratio: float = 1.0
    queue: int = 2048
    batch: int = 256
    interval: float = 1.0
    metrics_interval: float = 60.0
    timeout: float = 5.0
    shutdown_deadline: float = 3.0

    def __post_init__(self) -> None:
        checks = Checks("OtlpSettings")
        checks.one_of("protocol", self.protocol, ("grpc", "http"))
        if isinstance(self.signals, str) or not 0 < len(self.signals) == len({*self.signals} & {*SIGNALS}):
            checks.fail("signals", self.signals, "some of traces, metrics, logs, each once")
        if not _is_url(self.endpoint):
            checks.fail("endpoint", "(hidden)", "an http or https URL with a host, without user or password")
        checks.number("sample_ratio", self.sample_ratio, at_least=0, at_most=1)
        batch_good = checks.number("batch", self.batch, at_least=1, whole=True)
        checks.number("queue", self.queue, at_least=self.batch if batch_good else 1, whole=True)
        for setting in ("interval", "metrics_interval", "timeout", "shutdown_deadline"):
            checks.number(setting, getattr(self, setting), above=0)
        checks.done()


class Push:
    """Everything that leaves by OTLP for one registry. No connection is made before the first export.

    ``provider``: where spans go, ``None`` when traces are no signal of the settings; ``logs`` as well.
    """

    def __init__(
        self, settings: OtlpSettings, registry: Registry, service: Service, dropped: Dropped
    ) -> None:
        self._settings = settings
        self.provider: TracerProvider | None = None
        self.logs: LogExport | None = None
        self._spans: BatchProcessor | None = None
        self._metrics: MetricsPush | None = None
        to = (settings.protocol, settings.endpoint, settings.timeout)
        queue = {"capacity": settings.queue, "batch": settings.batch}
        if "metrics" in settings.signals:
            self._metrics = MetricsPush(
                PerProcess(lambda: exporters.metrics(*to)),
                Source(registry, service=service, dropped=dropped),
                service,
                dropped,
                interval=settings.metrics_interval,
            )
        if "logs" in settings.signals:
            way_out = PerProcess(lambda: exporters.logs(*to))
            self.logs = LogExport(way_out, service, dropped, **queue, interval=settings.interval)
        if "traces" in settings.signals:
            self.provider = TracerProvider(
                resource=service.resource(),
                sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
                shutdown_on_exit=False,
            )
            # The last, since it begins at once.
            self._spans = BatchProcessor(
                PerProcess(lambda: exporters.spans(*to)),
                dropped,
                **queue,
                interval=settings.interval,
                deadline=settings.shutdown_deadline,
            )
            self.provider.add_span_processor(self._spans)

    def start(self) -> None:
        for part in (self._metrics, self.logs):
            if part is not None:
                part.start()

    def ask_to_end(self) -> float:
        """Send what there is, take nothing more. Returns at once, with the time for `end`."""
        for part in self._parts():
            part.ask_to_end()
        return time.monotonic() + self._settings.shutdown_deadline

    def end(self, until: float) -> None:
        """Return at that time of the monotonic clock at the latest: one deadline for all signals."""
        for part in self._parts():
            part.end(until)

    def stop(self) -> None:
        """Both, when there is nothing to do between them."""
        self.end(self.ask_to_end())

    def _parts(self) -> list[BatchProcessor | LogExport | MetricsPush]:
        return [part for part in (self._spans, self.logs, self._metrics) if part is not None]


def _is_url(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False
