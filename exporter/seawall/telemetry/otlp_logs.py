"""Log lines out by OTLP, besides the stream or instead of it: the same entries, with their trace context."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span
from structlog.typing import EventDict, WrappedLogger

from seawall.telemetry import catalog
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.exporters import Exporter
from seawall.telemetry.outbox import Outbox, Reasons
from seawall.telemetry.service import Service
from seawall.telemetry.worker import InTurns, at_work

SCOPE = InstrumentationScope("seawall")
#: By structlog's name of the level.
SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_NAMED = frozenset({catalog.LOG_REQUEST, *catalog.LOG_EVENTS.values()})
#: They have their own places in a record.
_ELSEWHERE = frozenset({"timestamp", "level", "event", "trace_id", "span_id"})


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was logged, when (nanoseconds since the epoch), and under which span."""

    at: int
    context: SpanContext
    entry: dict[str, Any]


class Tap:
    """A structlog processor, behind those that make an entry safe. What passes it goes ``to`` the export,
    while there is one, and on unchanged."""

    def __init__(self) -> None:
        self.to: LogExport | None = None

    def __call__(self, _: WrappedLogger, __: str, entry: EventDict) -> EventDict:
        # What the way out itself gives rise to would go round in circles.
        if self.to is not None and not at_work():
            self.to.take(entry)
        return entry


class LogExport:
    """Sends entries as records. It holds up nobody who logs, and loses what is too much, counted."""

    def __init__(
        self,
        exporter: Exporter[Sequence[ReadableLogRecord], LogRecordExportResult],
        service: Service,
        dropped: Dropped,
        *,
        capacity: int,
        batch: int,
        interval: float,
    ) -> None:
        self._exporter = exporter
        self._service = service
        self._outbox: Outbox[_Entry] = Outbox(
            Reasons(signal="logs"),
            self._send,
            exporter.shutdown,
            dropped,
            capacity=capacity,
            batch=batch,
            interval=interval,
            name="log-records",
        )

    def take(self, entry: EventDict) -> None:
        self._outbox.put(_Entry(time.time_ns(), get_current_span().get_span_context(), dict(entry)))

    def start(self) -> None:
        self._outbox.start()

    def ask_to_end(self) -> None:
        """Take nothing more. Returns at once; `end` is to follow."""
        self._outbox.ask_to_end()

    def end(self, until: float) -> None:
        """Return at that time of the monotonic clock at the latest."""
        self._outbox.end(until)

    def _send(self, entries: list[_Entry]) -> int:
        resource = self._service.resource()
        records = InTurns(ReadableLogRecord(record(each), resource, SCOPE) for each in entries)
        return 0 if self._exporter.export(records) is LogRecordExportResult.SUCCESS else len(records)


def record(logged: _Entry) -> LogRecord:
    """The record of an entry: the event's name as its body, what else is in it as attributes."""
    entry = logged.entry
    level = str(entry.get("level", "info"))
    name = str(entry.get("event", ""))
    return LogRecord(
        timestamp=logged.at,
        observed_timestamp=logged.at,
        # Of the entry alone: the thread that sends has no span.
        context=trace.set_span_in_context(NonRecordingSpan(logged.context), Context()),
        severity_text=level.upper(),
        severity_number=SEVERITIES.get(level, SeverityNumber.INFO),
        body=name,
        attributes={key: value for key, value in entry.items() if key not in _ELSEWHERE},
        event_name=name if name in _NAMED else None,
    )
