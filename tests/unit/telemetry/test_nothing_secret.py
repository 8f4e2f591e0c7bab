"""Exceptions that hold secrets, or raise when looked at: what leaves is the name of their type."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from reference.otlp_plain import records_of
from seawall.resilience import Breaker, BreakerOpen, Fallback, Guard, Registry, Retry
from seawall.telemetry import logs
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.event_log import EventLog
from seawall.telemetry.otlp_logs import LogExport, Tap
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source
from seawall.telemetry.tracing import Tracing

SECRET = "hunter2"


class Telling(Exception):
    """Has it everywhere that one could look."""

    def __init__(self) -> None:
        super().__init__(SECRET, {"password": SECRET})
        self.password = SECRET
        self.add_note(SECRET)

    def __str__(self) -> str:
        return SECRET

    __repr__ = __str__


class Raising(Telling):
    """Can't be looked at."""

    def __str__(self) -> str:
        raise Telling

    __repr__ = __str__


class Chained(Telling):
    def __init__(self) -> None:
        super().__init__()
        self.__cause__ = Telling()
        self.__context__ = Raising()


class Keeping:
    def __init__(self) -> None:
        self.records: list[ReadableLogRecord] = []

    def export(self, records: Sequence[ReadableLogRecord], /) -> LogRecordExportResult:
        self.records.extend(records)
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


@pytest.fixture(params=[Telling, Raising, Chained])
def error(request: pytest.FixtureRequest) -> type[Exception]:
    made: type[Exception] = request.param
    return made


@pytest.mark.parametrize("style", logs.STYLES)
def test_of_a_call_nothing_leaves_but_the_type_of_its_error(
    error: type[Exception],
    style: logs.Style,
    registry: Registry,
    provider: TracerProvider,
    spans: InMemorySpanExporter,
) -> None:
    stream, exporter, dropped, tap = io.StringIO(), Keeping(), Dropped(), Tap()
    service = Service(name="shop")
    export = LogExport(exporter, service, dropped, capacity=1000, batch=100, interval=3600)
    export.start()
    tap.to = export
    log = EventLog(logs.logger(style, stream=stream, tap=tap), dropped, burst=1000)
    registry.subscribe(log.on_event, name="logs")
    tracing = Tracing(registry, provider)
    tracing.start()

    def alternative(*_: object, **__: object) -> None:
        raise error

    guards = [
        Guard("plain", registry=registry),
        Guard("retried", retry=Retry(attempts=2, base_delay=0), registry=registry),
        Guard("broken", breaker=Breaker(minimum_calls=1, window_calls=1), registry=registry),
        Guard("degraded", fallback=Fallback(alternative=alternative, default=SECRET), registry=registry),
    ]

    def fail(password: str, *, dsn: str) -> None:
        local = SECRET  # noqa: F841 - that it is not looked at is what is asked
        raise error

    for guard in guards:
        for _ in range(2):
            with suppress(error, BreakerOpen):
                guard.call(fail, SECRET, dsn=f"postgresql://user:{SECRET}@db.internal/x")
    tracing.stop()
    export.ask_to_end()
    export.end(time.monotonic() + 10)
    told = [
        stream.getvalue(),
        repr(list(records_of(encode_logs(exporter.records)))),
        "".join(span.to_json() for span in spans.get_finished_spans()),
        MetricsPage(Source(registry, service=service)).openmetrics().decode(),
    ]
    for text in told:
        assert error.__name__ in text
        assert SECRET not in text
        assert "db.internal" not in text
    assert len(stream.getvalue().splitlines()) == len(exporter.records) >= 10
    assert registry.listener_errors == {"logs": 0, "observer": 0, "tracing": 0}
    assert dropped.counts()["logs", "write_failed"] == 0
