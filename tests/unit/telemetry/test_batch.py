"""Spans on their way out: bounded, counted, and over by the deadline."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, StaticSampler

from seawall.telemetry.batch import BatchProcessor
from seawall.telemetry.dropped import Dropped

LONG = 3600.0


class Stuck(SpanExporter):
    """Hangs in every export, and at the end too, until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.let_go.wait()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.let_go.wait()


class Refusing(SpanExporter):
    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.error is not None:
            raise self.error
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        raise RuntimeError("no")


def record(processor: BatchProcessor, count: int) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    for _ in range(count):
        tracer.start_span("one").end()


def lost(dropped: Dropped) -> dict[str, int]:
    return {reason: n for (signal, reason), n in dropped.counts().items() if signal == "spans" and n}


def test_everything_arrives() -> None:
    exporter, dropped = InMemorySpanExporter(), Dropped()
    processor = BatchProcessor(exporter, dropped, interval=LONG, batch=10)
    record(processor, 105)
    assert processor.force_flush(10_000)
    assert len(exporter.get_finished_spans()) == 105
    processor.stop(10)
    assert lost(dropped) == {}


def test_a_full_batch_does_not_wait_for_the_interval() -> None:
    arrived = threading.Event()

    class Telling(InMemorySpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            arrived.set()
            return super().export(spans)

    processor = BatchProcessor(Telling(), Dropped(), interval=LONG, batch=10)
    record(processor, 10)
    assert arrived.wait(10)
    processor.stop(10)


def test_what_is_queued_goes_out_at_the_end() -> None:
    exporter, dropped = InMemorySpanExporter(), Dropped()
    processor = BatchProcessor(exporter, dropped, interval=LONG)
    record(processor, 3)
    processor.stop(10)
    assert len(exporter.get_finished_spans()) == 3
    record(processor, 2)
    assert lost(dropped) == {"shutdown": 2}
    processor.stop(10)


def test_a_full_queue_drops_and_counts() -> None:
    exporter, dropped = Stuck(), Dropped()
    processor = BatchProcessor(exporter, dropped, capacity=5, batch=1, interval=LONG)
    record(processor, 1)
    assert exporter.entered.wait(10)
    record(processor, 8)
    assert lost(dropped) == {"queue_full": 3}
    exporter.let_go.set()
    processor.stop(10)
    assert lost(dropped) == {"queue_full": 3}


@pytest.mark.parametrize("error", [None, RuntimeError("connection to 10.0.0.1 refused")])
def test_a_failed_export_is_counted(error: Exception | None) -> None:
    dropped = Dropped()
    processor = BatchProcessor(Refusing(error), dropped, interval=LONG)
    record(processor, 4)
    processor.stop(10)
    assert lost(dropped) == {"export_failed": 4}


def test_the_end_keeps_its_deadline_whatever_the_exporter_does() -> None:
    exporter, dropped = Stuck(), Dropped()
    processor = BatchProcessor(exporter, dropped, batch=1, interval=LONG)
    record(processor, 1)
    assert exporter.entered.wait(10)
    record(processor, 4)
    assert not processor.force_flush(1)
    began = time.monotonic()
    processor.stop(0.2)
    assert time.monotonic() - began < 0.2 + 0.5
    assert lost(dropped) == {"shutdown": 5}
    exporter.let_go.set()


class RecordOnly(StaticSampler):
    """Spans that are recorded for whoever looks, and not exported."""

    def __init__(self) -> None:
        super().__init__(Decision.RECORD_ONLY)


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, RecordOnly()])
def test_what_is_not_sampled_is_not_kept(sampler: Sampler) -> None:
    exporter = InMemorySpanExporter()
    processor = BatchProcessor(exporter, Dropped(), interval=LONG)
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.get_tracer("test").start_span("one").end()
    processor.stop(10)
    assert exporter.get_finished_spans() == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_exports_its_own_spans_only() -> None:
    exporter = InMemorySpanExporter()
    processor = BatchProcessor(exporter, Dropped(), interval=LONG)
    record(processor, 3)
    child = os.fork()
    if child == 0:  # nothing but its exit code leaves the child
        record(processor, 2)
        processor.stop(10)
        os._exit(len(exporter.get_finished_spans()))
    _, status = os.waitpid(child, 0)
    processor.stop(10)
    assert os.waitstatus_to_exitcode(status) == 2
    assert len(exporter.get_finished_spans()) == 3
