"""Starts and stops everything a process reports with: exporter, traces, metrics, logs."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Mapping
from typing import TextIO

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import ProxyTracerProvider
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from structlog.typing import FilteringBoundLogger

from seawall.exporter import ExporterServer, ExporterSettings, create_app
from seawall.exporter.readiness import Check
from seawall.resilience import Registry
from seawall.resilience.checks import Checks
from seawall.telemetry import logs as log_lines
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.event_log import EventLog
from seawall.telemetry.lines import LineWriter
from seawall.telemetry.logs import Style
from seawall.telemetry.otlp import OtlpSettings, Push
from seawall.telemetry.otlp_logs import Tap
from seawall.telemetry.processes import ProcessSource, Sharing, shared_folder
from seawall.telemetry.service import Service
from seawall.telemetry.stdlib_logs import StructuredHandler, give_back, take_over
from seawall.telemetry.tracing import Tracing

#: Seconds that lines have at the end to get into a stream that does not take them.
LINES_DEADLINE = 1.0


class ResilienceManager:
    """Everything around one registry, started and stopped together. Both are idempotent.

    ``exporter``: settings of the HTTP exporter, ``None`` for none. ``otlp``: what is pushed, and where to;
    unless it has traces, spans go to the tracer provider that the service has set up, if any. ``logs``:
    ``json`` or ``console``; ``None`` writes nothing and leaves structlog as it is. ``metrics``: a
    prometheus_client registry to come out on the same page. ``checks``: the service's own questions for
    readiness. ``processes``: a folder that the processes of one service share; the page is their sum.
    ``None``: what the environment variable SEAWALL_PROCESSES_DIR names; ``""``: none, whatever it says.

    `ConfigurationError` names every setting that can't be; `FolderError` says why a folder can't be shared.
    A `start` that fails leaves nothing running.
    """

    def __init__(
        self,
        registry: Registry,
        service_name: str,
        *,
        service_version: str = "",
        exporter: ExporterSettings | None = None,
        otlp: OtlpSettings | None = None,
        logs: Style | None = "json",
        log_stream: TextIO | None = None,
        metrics: CollectorRegistry | None = None,
        checks: Mapping[str, Check] | None = None,
        processes: str | os.PathLike[str] | None = None,
    ) -> None:
        _check(registry, service_name, exporter, otlp, logs, processes)
        self.registry = registry
        self.service = Service(name=service_name, version=service_version)
        self.dropped = Dropped()
        self.logger: FilteringBoundLogger | None = None
        self._lines = LineWriter(log_stream, self.dropped)
        self._tap = Tap()
        if logs is not None or (otlp is not None and "logs" in otlp.signals):
            self.logger = log_lines.logger(logs, writer=self._lines, tap=self._tap)
        self._style = logs
        self._push: Push | None = None
        self.provider: TracerProvider | None = None
        self._otlp = otlp
        self._sharing: Sharing | None = None
        source: ProcessSource | None = None
        if folder := shared_folder(processes):
            self._sharing = Sharing(registry, folder, dropped=self.dropped)
            source = ProcessSource(
                folder, registry, sharing=self._sharing, service=self.service, dropped=self.dropped
            )
        self.app: Starlette = create_app(
            registry,
            service=self.service,
            metrics=metrics,
            checks=checks,
            dropped=self.dropped,
            source=source,
        )
        self.server = ExporterServer(self.app, exporter) if exporter is not None else None
        self._logging: EventLog | None = None
        self._handler: StructuredHandler | None = None
        self._tracing: Tracing | None = None
        self._lock = threading.Lock()
        self._running = False

    def start(self) -> None:
        """Start what is configured. `ServerError` when the exporter can't listen, `FolderError` when
        there is no room to share.
        """
        with self._lock:
            if self._running:
                return
            try:
                if self._sharing is not None:
                    self._sharing.start()
                if self.server is not None:
                    self.server.start()
                self._start_push()
                self._start_traces()
                self._start_logs()
            except BaseException:
                self._stop()
                raise
            self._running = True
            atexit.register(self.stop)

    def stop(self) -> None:
        """Stop it all and send what is queued; returns within the deadlines of the settings."""
        with self._lock:
            if not self._running:
                return
            self._running = False
            atexit.unregister(self.stop)
            self._stop()

    def _stop(self) -> None:
        """Undo what was started. Caller holds the lock."""
        if self._sharing is not None:
            self._sharing.stop()
        if self._tracing is not None:
            self._tracing.stop()
            self._tracing = None
        if self._logging is not None:
            self.registry.unsubscribe(self._logging.on_event)
            self._logging = None
        give_back(self._handler)
        self._handler = None
        if self.server is not None:
            self.server.stop()
        self._tap.to = None
        until = self._push.ask_to_end() if self._push is not None else time.monotonic() + LINES_DEADLINE
        self._lines.stop(min(LINES_DEADLINE, until - time.monotonic()))
        if self._push is not None:
            self._push.end(until)
            self._push = self.provider = None

    def __enter__(self) -> ResilienceManager:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_push(self) -> None:
        if self._otlp is not None:
            self._push = Push(self._otlp, self.registry, self.service, self.dropped)
            self._push.start()
            self._tap.to = self._push.logs
            self.provider = self._push.provider

    def _start_traces(self) -> None:
        if self.provider is not None:
            # The first one set stays: a service that has its own keeps it for its own spans.
            if isinstance(trace.get_tracer_provider(), ProxyTracerProvider):
                trace.set_tracer_provider(self.provider)
        elif isinstance(trace.get_tracer_provider(), ProxyTracerProvider):
            return
        self._tracing = Tracing(self.registry, self.provider)
        self._tracing.start()

    def _start_logs(self) -> None:
        if self.logger is None:
            return
        if self._style is not None:
            self._lines.start()
            log_lines.configure(self._style, writer=self._lines, tap=self._tap)
            self._handler = take_over(self.logger)
        self._logging = EventLog(self.logger, self.dropped, registry=self.registry)
        self.registry.subscribe(self._logging.on_event, name="logs")


def _check(
    registry: object, service_name: object, exporter: object, otlp: object, logs: object, processes: object
) -> None:
    checks = Checks("ResilienceManager")
    if not isinstance(registry, Registry):
        checks.fail("registry", type(registry).__name__, "a Registry")
    if not isinstance(service_name, str) or not service_name.strip():
        checks.fail("service_name", service_name, "a name")
    if exporter is not None and not isinstance(exporter, ExporterSettings):
        checks.fail("exporter", type(exporter).__name__, "ExporterSettings, or None")
    if otlp is not None and not isinstance(otlp, OtlpSettings):
        checks.fail("otlp", type(otlp).__name__, "OtlpSettings, or None")
    if logs is not None:
        checks.one_of("logs", logs, log_lines.STYLES)
    if processes is not None and not isinstance(processes, str | os.PathLike):
        checks.fail("processes", type(processes).__name__, "the path of a folder, or None")
    checks.done()
