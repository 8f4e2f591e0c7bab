"""Log lines: structlog, one line per event, with the ids that join it to traces and requests.

Nothing secret by construction: no arguments, no results, and of an exception its type only.
"""

from __future__ import annotations

import sys
from typing import Any, Literal, TextIO

import structlog
from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from seawall.telemetry import correlation
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.one_line import one_line

Style = Literal["json", "console"]
STYLES: tuple[Style, ...] = ("json", "console")


def logger(
    style: Style, *, stream: TextIO | None = None, dropped: Dropped | None = None
) -> FilteringBoundLogger:
    """A logger of its own, apart from any global set-up. ``stream`` defaults to standard error."""
    made: FilteringBoundLogger = structlog.wrap_logger(
        _LineWriter(stream, dropped if dropped is not None else Dropped()),
        processors=processors(style),
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        cache_logger_on_first_use=True,
    )
    return made


def configure(style: Style, *, stream: TextIO | None = None, dropped: Dropped | None = None) -> None:
    """Set up structlog for the whole service, so that its own lines carry the same ids."""
    lost = dropped if dropped is not None else Dropped()
    structlog.configure(
        processors=processors(style),
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=lambda *_: _LineWriter(stream, lost),
        cache_logger_on_first_use=True,
    )


def processors(style: Style) -> list[Processor]:
    """What an entry passes through, for a service's own structlog set-up. ``ValueError`` for a bad style."""
    if style not in STYLES:
        raise ValueError(f"style is {style!r}; allowed: {', '.join(STYLES)}")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_ids,
        error_type_only,
        one_line,
        what_and_when_first,
    ]
    if style == "json":
        return [*shared, structlog.processors.JSONRenderer(default=lambda value: type(value).__name__)]
    return [*shared, structlog.dev.ConsoleRenderer(colors=False)]


def add_ids(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    """Add ``correlation_id``, ``trace_id`` and ``span_id`` of here and now, those that there are."""
    identifier = correlation.current()
    if identifier:
        entry.setdefault("correlation_id", identifier)
    context = get_current_span().get_span_context()
    if context.is_valid:
        entry.setdefault("trace_id", format_trace_id(context.trace_id))
        entry.setdefault("span_id", format_span_id(context.span_id))
    return entry


def what_and_when_first(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    """Put time, level and event before the rest: a person reads a line from its left."""
    first = {key: entry[key] for key in ("timestamp", "level", "event") if key in entry}
    return {**first, **entry}


def error_type_only(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    """Replace an exception by the name of its type: its text may hold what nobody should read."""
    raised: Any = entry.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        entry.setdefault("error", type(raised).__name__)
    entry.pop("stack_info", None)
    return entry


class _LineWriter:
    """Writes lines to a stream. A stream that fails loses the line, which is counted, and nothing more."""

    def __init__(self, stream: TextIO | None, dropped: Dropped) -> None:
        self._stream = stream
        self._dropped = dropped

    def msg(self, line: str) -> None:
        # Looked up late: whoever redirects standard error gets the lines too.
        stream = self._stream if self._stream is not None else sys.stderr
        try:
            stream.write(line + "\n")
            stream.flush()
        except Exception:  # noqa: BLE001 - closed, full or gone: never the caller's problem
            self._dropped.add("logs", "write_failed")

    log = debug = info = warn = warning = error = critical = exception = fatal = msg
