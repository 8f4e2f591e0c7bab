"""Spans on their way out: a bounded queue, one daemon thread, every loss counted, an end by a deadline.

The SDK's own batch processor loses silently and waits on an exporter as long as that pleases. This one
never makes a caller wait, and `stop` returns by its deadline whatever the exporter does.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from contextlib import suppress

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from seawall.telemetry.dropped import Dropped

_SIGNAL = "spans"
#: Set while exporting, so that instrumented HTTP clients make no spans of it: the SDK's own convention.
_SUPPRESS = otel_context._SUPPRESS_INSTRUMENTATION_KEY


class BatchProcessor(SpanProcessor):
    """Hands ended spans to an exporter in batches of at most ``batch``, at least every ``interval`` seconds.

    ``capacity`` spans wait at most; a span that finds the queue full is dropped.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        dropped: Dropped,
        *,
        capacity: int = 2048,
        batch: int = 256,
        interval: float = 1.0,
        deadline: float = 3.0,
    ) -> None:
        self._exporter = exporter
        self._dropped = dropped
        self._capacity = capacity
        self._batch = batch
        self._interval = interval
        self._deadline = deadline
        self._queue: deque[ReadableSpan] = deque()
        self._begin()
        if hasattr(os, "register_at_fork"):
            reference = weakref.WeakMethod(self._begin_in_child)
            os.register_at_fork(after_in_child=lambda: (begin := reference()) and begin())

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._stopping.is_set():
            self._dropped.add(_SIGNAL, "shutdown")
        elif len(self._queue) >= self._capacity:
            self._dropped.add(_SIGNAL, "queue_full")
        else:
            self._queue.append(span)
            if len(self._queue) >= self._batch:
                self._wake.set()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until what is queued now was handed over, for ``timeout_millis`` at most."""
        until = time.monotonic() + timeout_millis / 1000
        self._wake.set()
        with self._idle:
            return self._idle.wait_for(
                lambda: not self._queue and not self._exporting, timeout=max(0.0, until - time.monotonic())
            )

    def shutdown(self) -> None:
        self.stop(self._deadline)

    def stop(self, deadline: float) -> None:
        """Export what is queued, close the exporter; return after ``deadline`` seconds at the latest.

        What could not be handed over by then is counted as dropped.
        """
        if self._stopping.is_set():
            return
        until = time.monotonic() + deadline
        self._stopping.set()
        self._wake.set()
        self._thread.join(max(0.0, until - time.monotonic()))
        left = len(self._queue)
        self._queue.clear()
        if left:
            self._dropped.add(_SIGNAL, "shutdown", left)
        closing = threading.Thread(target=self._close, name="seawall-spans-close", daemon=True)
        try:
            closing.start()
        except RuntimeError:
            # At its end CPython 3.12 begins no thread any more. What is not closed ends with the process.
            return
        closing.join(max(0.0, until - time.monotonic()))

    def _begin(self) -> None:
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._idle = threading.Condition()
        self._exporting = False
        self._thread = threading.Thread(target=self._run, name="seawall-spans", daemon=True)
        self._thread.start()

    def _begin_in_child(self) -> None:
        # The parent exports what was queued there; its thread and locks are of no use here.
        self._queue.clear()
        self._begin()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._interval)
            self._wake.clear()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while self._queue:
            with self._idle:
                self._exporting = True
            self._export()
        with self._idle:
            self._exporting = False
            self._idle.notify_all()

    def _export(self) -> None:
        spans: list[ReadableSpan] = []
        with suppress(IndexError):  # the queue is empty, or was emptied by `stop`
            while len(spans) < self._batch:
                spans.append(self._queue.popleft())
        if not spans:
            return
        token = otel_context.attach(otel_context.set_value(_SUPPRESS, True))
        try:
            sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001 - whatever the exporter does, it is a loss of spans and no more
            sent = False
        finally:
            otel_context.detach(token)
        if not sent:
            self._dropped.add(_SIGNAL, "export_failed", len(spans))

    def _close(self) -> None:
        try:
            self._exporter.shutdown()
        except Exception:  # noqa: BLE001 - nothing is left to lose
            return
