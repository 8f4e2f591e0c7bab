"""The SDK's own OTLP exporters, for each signal and protocol."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, Generic, Literal, Protocol, TypeVar

from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

Transport = Literal["grpc", "http"]
D_contra = TypeVar("D_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
D = TypeVar("D")
R = TypeVar("R")


class Exporter(Protocol[D_contra, R_co]):
    """What an exporter of the SDK does, whatever its signal."""

    def export(self, data: D_contra, /) -> R_co: ...

    def shutdown(self) -> None: ...


class PerProcess(Generic[D, R]):
    """An exporter made now, and anew in a forked child: a connection can't be shared with the parent."""

    def __init__(self, make: Callable[[], Exporter[D, R]]) -> None:
        self._make = make
        self._process = os.getpid()
        self._exporter = make()
        # The parent's are kept: to collect one would close what it holds, in a process that never used it.
        self._inherited: list[Exporter[D, R]] = []

    def export(self, data: D, /) -> R:
        return self._here().export(data)

    def shutdown(self) -> None:
        self._here().shutdown()

    def _here(self) -> Exporter[D, R]:
        if self._process != os.getpid():
            self._inherited.append(self._exporter)
            self._exporter, self._process = self._make(), os.getpid()
        return self._exporter


def spans(protocol: Transport, endpoint: str, timeout: float) -> SpanExporter:
    """Imported only here and below, since each brings its own transport."""
    quiet()
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc(endpoint=endpoint, timeout=timeout)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(endpoint=_at(endpoint, "traces"), timeout=timeout)


def metrics(protocol: Transport, endpoint: str, timeout: float) -> MetricExporter:
    quiet()
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Grpc

        return Grpc(endpoint=endpoint, timeout=timeout)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Http

    return Http(endpoint=_at(endpoint, "metrics"), timeout=timeout)


def logs(protocol: Transport, endpoint: str, timeout: float) -> LogRecordExporter:
    quiet()
    made: Any
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as Grpc

        made = Grpc(endpoint=endpoint, timeout=timeout)
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as Http

        made = Http(endpoint=_at(endpoint, "logs"), timeout=timeout)
    exporter: LogRecordExporter = made
    return exporter


def quiet() -> None:
    """An outage would be logged with the endpoint and every retry; here it is counted instead."""
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)


def _at(endpoint: str, signal: str) -> str:
    """The URL of a signal, from the collector's base URL or from that of any of its signals."""
    base = endpoint.rstrip("/")
    for each in ("traces", "metrics", "logs"):
        base = base.removesuffix(f"/v1/{each}")
    return f"{base}/v1/{signal}"
