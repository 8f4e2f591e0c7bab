"""Traces whose collector is gone, and the end of the interpreter: the reports of OpenTelemetry's SDK."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from seawall.telemetry.batch import BatchProcessor
from seawall.telemetry.dropped import Dropped

#: Seconds that a busy machine may add. Who waits for this collector waits for ever.
BUSY = 5.0


class Stuck(SpanExporter):
    """The collector is gone: every export, and the closing, take for ever."""

    def __init__(self) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        self.entered.set()
        self.let_go.wait()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.let_go.wait()


def exporting_to(exporter: SpanExporter, spans: int) -> tuple[BatchProcessor, Dropped]:
    dropped = Dropped()
    processor = BatchProcessor(exporter, dropped, batch=1, interval=3600)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    for _ in range(spans):
        provider.get_tracer("test").start_span("one").end()
    return processor, dropped


def seconds(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_opentelemetry_python_4043_an_outage_of_the_collector_does_not_hang_the_end() -> None:
    exporter = Stuck()
    processor, _ = exporting_to(exporter, 1)
    assert exporter.entered.wait(10)
    assert seconds(lambda: processor.stop(0.2)) < 0.2 + BUSY
    exporter.let_go.set()


def test_opentelemetry_python_4568_a_flush_keeps_its_time_limit() -> None:
    exporter = Stuck()
    processor, _ = exporting_to(exporter, 3)
    assert exporter.entered.wait(10)
    assert 0.2 <= seconds(lambda: processor.force_flush(200)) < 0.2 + BUSY
    assert not processor.force_flush(1)
    exporter.let_go.set()
    assert processor.force_flush(10_000)
    processor.stop(10)


def test_opentelemetry_python_4752_no_thread_can_be_begun_at_the_interpreters_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CPython 3.12 refuses it: what is queued goes out all the same, and nothing is raised."""
    exporter = InMemorySpanExporter()
    processor, dropped = exporting_to(exporter, 5)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    processor.stop(10)
    assert len(exporter.get_finished_spans()) == 5
    assert sum(dropped.counts().values()) == 0
