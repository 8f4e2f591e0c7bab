"""Spans on their way out. The SDK's own batch processor loses silently, and waits on an exporter as long as
that pleases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExportResult

from seawall.telemetry.dropped import Dropped
from seawall.telemetry.outbox import Outbox, Reasons


class Exports(Protocol):
    """What is needed of a span exporter."""

    def export(self, spans: Sequence[ReadableSpan], /) -> SpanExportResult: ...

    def shutdown(self) -> None: ...


class BatchProcessor(SpanProcessor):
    """Hands ended spans to an exporter in batches of at most ``batch``, at least every ``interval`` seconds.

    ``capacity`` spans wait at most; a span that finds the queue full is dropped. A forked child sends its
    own spans only.
    """

    def __init__(
        self,
        exporter: Exports,
        dropped: Dropped,
        *,
        capacity: int = 2048,
        batch: int = 256,
        interval: float = 1.0,
        deadline: float = 3.0,
    ) -> None:
        def send(spans: list[ReadableSpan]) -> int:
            return 0 if exporter.export(spans) is SpanExportResult.SUCCESS else len(spans)

        self._deadline = deadline
        self._outbox = Outbox(
            Reasons(signal="spans"),
            send,
            exporter.shutdown,
            dropped,
            capacity=capacity,
            batch=batch,
            interval=interval,
        )
        self._outbox.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self._outbox.put(span)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until what is queued now was handed over, for ``timeout_millis`` at most."""
        return self._outbox.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        self.stop(self._deadline)

    def stop(self, deadline: float) -> None:
        """Export what is queued, close the exporter; return after ``deadline`` seconds at the latest.

        What could not be handed over by then is counted as dropped.
        """
        self._outbox.stop(deadline)

    def ask_to_end(self) -> None:
        """The first half of `stop`: returns at once; `end` is to follow."""
        self._outbox.ask_to_end()

    def end(self, until: float) -> None:
        """The second half, by that time of the monotonic clock."""
        self._outbox.end(until)
