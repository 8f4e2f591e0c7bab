"""Traces out by OTLP, over gRPC or HTTP."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from seawall.resilience.checks import Checks
from seawall.telemetry.batch import BatchProcessor
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.service import Service

_HTTP_PATH = "/v1/traces"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpSettings:
    """Where traces go.

    ``endpoint`` is the collector's base URL, as in ``http://127.0.0.1:4317`` (gRPC) or ``...:4318`` (HTTP).
    ``sample_ratio`` of traces that begin here is kept; a caller's own decision is followed. Times in seconds:
    ``timeout`` of one export, ``interval`` between exports, ``shutdown_deadline`` for all at the end.
    """

    endpoint: str
    protocol: Literal["grpc", "http"] = "grpc"
    sample_ratio: float = 1.0
    queue: int = 2048
    batch: int = 256
    interval: float = 1.0
    timeout: float = 5.0
    shutdown_deadline: float = 3.0

    def __post_init__(self) -> None:
        checks = Checks("OtlpSettings")
        checks.one_of("protocol", self.protocol, ("grpc", "http"))
        if not _is_url(self.endpoint):
            checks.fail("endpoint", "(hidden)", "an http or https URL with a host, without user or password")
        checks.number("sample_ratio", self.sample_ratio, at_least=0, at_most=1)
        batch_good = checks.number("batch", self.batch, at_least=1, whole=True)
        checks.number("queue", self.queue, at_least=self.batch if batch_good else 1, whole=True)
        for setting in ("interval", "timeout", "shutdown_deadline"):
            checks.number(setting, getattr(self, setting), above=0)
        checks.done()


def provider(settings: OtlpSettings, service: Service, dropped: Dropped) -> TracerProvider:
    """A tracer provider that exports to the endpoint. Its ``shutdown`` returns by the deadline."""
    made = TracerProvider(
        resource=service.resource(),
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        shutdown_on_exit=False,
    )
    made.add_span_processor(
        BatchProcessor(
            exporter(settings),
            dropped,
            capacity=settings.queue,
            batch=settings.batch,
            interval=settings.interval,
            deadline=settings.shutdown_deadline,
        )
    )
    return made


def exporter(settings: OtlpSettings) -> SpanExporter:
    """The SDK's exporter for the protocol; imported only here, since each brings its own transport."""
    _quiet()
    if settings.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter(endpoint=settings.endpoint, timeout=settings.timeout)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    base = settings.endpoint.rstrip("/")
    return HttpExporter(
        endpoint=base if base.endswith(_HTTP_PATH) else base + _HTTP_PATH, timeout=settings.timeout
    )


def _quiet() -> None:
    # An outage would be logged with the endpoint and every retry; here it is counted instead.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)


def _is_url(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False
