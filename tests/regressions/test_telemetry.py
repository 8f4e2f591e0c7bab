"""Telemetry that is interrupted, held up, or ended from elsewhere: the reports of its libraries."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import signal
from collections.abc import AsyncGenerator, Generator
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from seawall.resilience import Breaker, Bulkhead, Fallback, Guard, Registry, Retry, Timeout
from seawall.telemetry import catalog
from seawall.telemetry.batch import BatchProcessor
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.lines import LineWriter
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.source import Source
from seawall.telemetry.tracing import Tracing
from seawall.testing import ManualClock


def full(registry: Registry) -> Guard:
    return Guard(
        "bank",
        breaker=Breaker(),
        retry=Retry(base_delay=0),
        timeout=Timeout(attempt=5.0),
        bulkhead=Bulkhead(limit=5),
        fallback=Fallback(default="none"),
        registry=registry,
    )


def samples(page: bytes) -> dict[tuple[str, ...], float]:
    return {
        (s.name, *sorted(s.labels.values())): s.value
        for family in text_string_to_metric_families(page.decode())
        for s in family.samples
    }


def fail() -> None:
    raise ConnectionError


# -- metrics


def test_client_python_363_a_callback_of_the_collector_of_garbage_may_use_what_it_interrupts() -> None:
    """It runs wherever an object is made, under whichever lock is held there."""
    registry = Registry("t")
    of, page = full(registry), MetricsPage(Source(registry))
    ask = of(fail)
    ran = turns = 0

    def callback(phase: str, info: dict[str, int]) -> None:
        nonlocal ran
        ran += 1
        ask()
        of.read()

    threshold = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(50)
    try:
        while ran < 50:
            ask()
            turns += 1
            page.text()
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(callback)
    assert samples(page.text())[catalog.CALLS.name, "bank", "default", "degraded"] == turns + ran


def test_client_python_1076_a_signal_handler_may_scrape_and_count_what_it_interrupts() -> None:
    registry = Registry("t")
    of, page = full(registry), MetricsPage(Source(registry))
    rung = 0

    def ring(*_: object) -> None:
        nonlocal rung
        rung += 1
        of.call(fail)
        page.text()

    before = signal.signal(signal.SIGALRM, ring)
    calls = 0
    try:
        while rung < 50:
            # Once a turn, at another place of it each time.
            signal.setitimer(signal.ITIMER_REAL, 0.00001 * (calls % 30 + 1))
            of.call(fail)
            page.text()
            calls += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert sum(v for k, v in samples(page.text()).items() if k[0] == catalog.CALLS.name) == calls + rung


def test_resilience4j_1020_a_guard_that_is_removed_or_replaced_leaves_no_series() -> None:
    registry = Registry("t")
    full(registry).call(fail)
    Guard("mail", registry=registry)
    page = MetricsPage(Source(registry))
    of_bank = {key for key in samples(page.text()) if "bank" in key}
    assert len(of_bank) > 100
    registry.remove("bank")
    assert not any("bank" in key for key in samples(page.text()))
    full(registry)
    again = samples(page.text())
    assert {key for key in again if "bank" in key} == {k for k in of_bank if "ConnectionError" not in k}
    assert again[catalog.CALLS.name, "bank", "default", "degraded"] == 0


def test_prometheus_1673_a_counter_is_there_at_0_before_its_first_increment() -> None:
    registry = Registry("t")
    of = full(registry)
    page = MetricsPage(Source(registry))
    before = samples(page.text())
    with pytest.raises(KeyboardInterrupt):
        of.call(_interrupted)
    for _ in range(20):
        of.call(fail)
    of.force("closed")
    of.call(int)
    after = samples(page.text())
    counters = ("_total", "_count", "_sum", "_bucket")
    came = {key for key in after if key not in before and key[0].endswith(counters)}
    # Which types of errors there are can't be known before: a rule asks for their sum, or for the attempts.
    assert came == {(catalog.ERRORS.name, "ConnectionError", "bank")}
    assert before[catalog.ERRORS.name, "bank", "other"] == 0
    zero = [key for key in before if key[0] in (catalog.CALLS.name, catalog.ATTEMPTS.name)]
    assert len(zero) == 12
    assert {before[key] for key in zero} == {0}


def _interrupted() -> None:
    raise KeyboardInterrupt


# -- traces


def test_client_python_1076_a_signal_handler_may_end_spans_and_log_in_what_it_interrupts() -> None:
    """The queues that spans and lines wait in have no lock that the thread could hold already."""
    dropped, exporter, stream = Dropped(), InMemorySpanExporter(), io.StringIO()
    processor = BatchProcessor(exporter, dropped, capacity=100_000, batch=1, interval=3600)
    # Made once: the SDK's own `get_tracer` has such a lock.
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("one")
    assert isinstance(span, ReadableSpan)
    lines = LineWriter(stream, dropped)
    lines.start()
    rung = 0

    def both() -> None:
        processor.on_end(span)
        lines.msg("one")

    def ring(*_: object) -> None:
        nonlocal rung
        rung += 1
        both()

    before = signal.signal(signal.SIGALRM, ring)
    turns = 0
    try:
        while rung < 50:
            signal.setitimer(signal.ITIMER_REAL, 0.00001 * (turns % 30 + 1))
            both()
            turns += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    lines.stop(20)
    processor.stop(20)
    assert len(exporter.get_finished_spans()) == turns + rung
    lost = dropped.counts()["logs", "stream_blocked"]
    assert stream.getvalue() == "one\n" * (turns + rung - lost)
    assert sum(dropped.counts().values()) == lost


async def _rows_async() -> AsyncGenerator[int]:
    yield 1
    yield 2


def _rows() -> Generator[int]:
    yield 1
    yield 2


class Elsewhere:
    """A call that begins in one context and is ended in another. Each has one call."""

    def __init__(self, of: Guard) -> None:
        self.of = of

    def generator_closed(self) -> None:
        rows = self.of(_rows)()
        copy_context().run(next, rows)
        copy_context().run(rows.close)

    def block_left(self) -> None:
        copy_context().run(self.of.__enter__)
        copy_context().run(self.of.__exit__, None, None, None)

    def coroutine_closed(self) -> None:
        begun: list[Any] = []

        async def main() -> None:
            begun.append(self.of.acall(asyncio.sleep, 10))

            async def first_step() -> None:
                begun[0].send(None)

            await asyncio.create_task(first_step())

        ManualClock().run(main())
        copy_context().run(begun[0].close)

    def async_generator_closed(self) -> None:
        async def main() -> None:
            rows = self.of(_rows_async)()
            await asyncio.create_task(anext(rows))  # type: ignore[arg-type]
            await asyncio.create_task(rows.aclose())

        ManualClock().run(main())

    def async_generator_collected(self) -> None:
        async def main() -> None:
            rows = self.of(_rows_async)()
            await asyncio.create_task(anext(rows))  # type: ignore[arg-type]
            del rows
            gc.collect()
            await asyncio.sleep(1)

        ManualClock().run(main())


@pytest.mark.parametrize("how", [name for name in vars(Elsewhere) if not name.startswith("_")])
def test_opentelemetry_python_2606_what_ends_in_another_context_ends_its_spans_without_complaint(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    registry, exporter = Registry("t"), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    processor = BatchProcessor(exporter, Dropped(), interval=3600)
    provider.add_span_processor(processor)
    of = Guard("bank", bulkhead=Bulkhead(limit=1), registry=registry)
    tracing = Tracing(registry, provider)
    tracing.start()
    with caplog.at_level(logging.WARNING):
        getattr(Elsewhere(of), how)()
    processor.stop(10)
    assert sorted(span.name for span in exporter.get_finished_spans()) == ["seawall.attempt", "seawall.call"]
    assert [record.getMessage() for record in caplog.records] == []
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert of.snapshot()["in_flight"] == 0
