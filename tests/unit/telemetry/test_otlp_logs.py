"""Log lines as OTLP records: what is in them, what never is, and what becomes of too many."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.trace import TracerProvider

from reference.otlp_plain import records_of
from seawall.resilience import Guard, Registry
from seawall.telemetry import catalog, correlation, logs
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.event_log import EventLog
from seawall.telemetry.otlp_logs import LogExport, Tap
from seawall.telemetry.service import Service
from seawall.telemetry.stdlib_logs import StructuredHandler

LONG = 3600.0
SERVICE = Service(name="shop")


class Keeping:
    def __init__(self, result: LogRecordExportResult = LogRecordExportResult.SUCCESS) -> None:
        self.records: list[ReadableLogRecord] = []
        self.result = result
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.let_go.set()
        self.logs_itself: logging.Logger | None = None

    def export(self, records: Sequence[ReadableLogRecord], /) -> LogRecordExportResult:
        self.entered.set()
        self.let_go.wait()
        self.records.extend(records)
        if self.logs_itself is not None:
            self.logs_itself.warning("could not connect to 10.0.0.1")
        return self.result

    def shutdown(self) -> None:
        pass

    def items(self) -> list[dict[str, Any]]:
        """As the protocol's own stubs read them."""
        return list(records_of(encode_logs(self.records)))


class Place:
    """A logger whose entries go to an exporter, and to a stream when there is a style."""

    def __init__(
        self, exporter: Keeping, *, capacity: int = 100, batch: int = 10, style: logs.Style | None = None
    ) -> None:
        self.dropped, self.stream, self.tap = Dropped(), io.StringIO(), Tap()
        self.export = LogExport(
            exporter, SERVICE, self.dropped, capacity=capacity, batch=batch, interval=LONG
        )
        self.export.start()
        self.tap.to = self.export
        self.log = logs.logger(style, stream=self.stream, tap=self.tap)

    def end(self, seconds: float = 10.0) -> None:
        self.export.ask_to_end()
        self.export.end(time.monotonic() + seconds)

    def lost(self) -> dict[str, int]:
        return {r: n for (signal, r), n in self.dropped.counts().items() if signal == "logs" and n}


def test_a_line_is_a_record_with_its_trace(provider: TracerProvider) -> None:
    exporter = Keeping()
    place = Place(exporter, style="json")
    with correlation.using("abc"), provider.get_tracer("test").start_as_current_span("s") as span:
        place.log.warning(catalog.LOG_EVENTS["Transition"], errors={"Boom": 5}, window_calls=10)
    before = time.time()
    place.log.info("something else", text="x")
    place.end()
    first, second = exporter.items()
    context = span.get_span_context()
    assert first["trace_id"] == format(context.trace_id, "032x")
    assert first["span_id"] == format(context.span_id, "016x")
    assert int(first["flags"]) & 1 == 1
    assert (first["body"], first["event_name"]) == ("breaker.transition", "breaker.transition")
    assert (first["severity"], first["severity_text"]) == (SeverityNumber.WARN.value, "WARNING")
    assert first["attributes"] == {"errors": {"Boom": 5}, "window_calls": 10, "correlation_id": "abc"}
    assert first["service"] == "shop"
    assert abs(first["time"] - before) < 10
    assert (second["trace_id"], second["span_id"], second["event_name"]) == ("", "", "")
    assert (second["body"], second["attributes"]) == ("something else", {"text": "x"})
    line = json.loads(place.stream.getvalue().splitlines()[0])
    assert line["event"] == "breaker.transition"
    assert place.lost() == {}


@pytest.mark.parametrize(("level", "number"), [("info", 9), ("warning", 13), ("error", 17), ("critical", 21)])
def test_levels_are_severities(level: str, number: int) -> None:
    exporter = Keeping()
    place = Place(exporter)
    getattr(place.log, level)("x")
    place.end()
    assert [item["severity"] for item in exporter.items()] == [number]
    assert place.stream.getvalue() == ""


class Secret:
    def __repr__(self) -> str:
        return "password=hunter2"

    __str__ = __repr__


def test_of_objects_and_exceptions_only_the_type() -> None:
    exporter = Keeping()
    place = Place(exporter)
    place.log.info("object", value=Secret(), values=[Secret()], odd="\ud800", big=2**80)
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        place.log.exception("caught", stack_info=True)
    place.end()
    items = exporter.items()
    assert "hunter2" not in repr(items)
    assert items[0]["attributes"]["odd"] == "\\ud800"
    assert items[1]["attributes"] == {"error": "ValueError"}


def test_events_of_a_registry_arrive(registry: Registry, full: Guard) -> None:
    exporter = Keeping()
    place = Place(exporter)
    registry.subscribe(EventLog(place.log, place.dropped).on_event, name="logs")

    def fail() -> None:
        raise ConnectionError("postgresql://user:hunter2@db.internal/x")

    full.operation("statements").call(fail)
    place.end()
    names = ["retry.scheduled", "retry.exhausted", "call.degraded", "call.degraded"]
    assert [item["event_name"] for item in exporter.items()] == names
    assert {item["attributes"]["dependency"] for item in exporter.items()} == {"bank-api"}
    assert "hunter2" not in repr(exporter.items())


def test_what_is_too_much_is_dropped_and_counted() -> None:
    exporter = Keeping()
    exporter.let_go.clear()
    place = Place(exporter, capacity=5, batch=1)
    place.log.info("0")
    assert exporter.entered.wait(10)
    for number in range(8):
        place.log.info(str(number))
    assert place.lost() == {"queue_full": 3}
    began = time.monotonic()
    place.end(0.2)
    assert time.monotonic() - began < 0.2 + 0.5
    place.log.info("late")
    assert place.lost() == {"queue_full": 3, "shutdown": 6 + 1}
    exporter.let_go.set()


def test_what_the_collector_refuses_is_counted() -> None:
    place = Place(Keeping(LogRecordExportResult.FAILURE))
    for number in range(3):
        place.log.info(str(number))
    place.end()
    assert place.lost() == {"export_failed": 3}


def test_what_the_way_out_itself_logs_does_not_go_round_in_circles() -> None:
    exporter = Keeping()
    place = Place(exporter, style="json", batch=1)
    exporter.logs_itself = logging.getLogger("test.transport")
    exporter.logs_itself.propagate = False
    handler = StructuredHandler(place.log)
    exporter.logs_itself.addHandler(handler)
    place.log.info("one")
    place.end()
    exporter.logs_itself.removeHandler(handler)
    assert [item["body"] for item in exporter.items()] == ["one"]
    lines = [json.loads(line)["event"] for line in place.stream.getvalue().splitlines()]
    assert lines == ["one", "could not connect to 10.0.0.1"]


def test_a_tap_that_leads_nowhere_changes_nothing() -> None:
    stream = io.StringIO()
    logs.logger("json", stream=stream, tap=Tap()).info("one")
    assert json.loads(stream.getvalue())["event"] == "one"
