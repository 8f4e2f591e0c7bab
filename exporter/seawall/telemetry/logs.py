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
from seawall.telemetry.lines import LineWriter
from seawall.telemetry.one_line import one_line

Style = Literal["json", "console"]
STYLES: tuple[Style, ...] = ("json", "console")


def logger(
    style: Style | None,
    *,
    stream: TextIO | None = None,
    dropped: Dropped | None = None,
    writer: LineWriter | None = None,
    tap: Processor | None = None,
) -> FilteringBoundLogger:
    """A logger of its own, apart from any global set-up. ``stream`` defaults to standard error.

    ``writer``: who writes the lines, instead of this caller into ``stream``. ``tap``: see `processors`.
    """
    made: FilteringBoundLogger = structlog.wrap_logger(
        writer or LineWriter(stream, dropped if dropped is not None else Dropped()),
        processors=processors(style, tap),
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        cache_logger_on_first_use=True,
    )
    return made


def configure(
    style: Style,
    *,
    stream: TextIO | None = None,
    dropped: Dropped | None = None,
    writer: LineWriter | None = None,
    tap: Processor | None = None,
) -> None:
    """Set up structlog for the whole service, so that its own lines carry the same ids. As `logger`."""
    lines = writer or LineWriter(stream, dropped if dropped is not None else Dropped())
    structlog.configure(
        processors=processors(style, tap),
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )


def processors(style: Style | None, tap: Processor | None = None) -> list[Processor]:
    """What an entry passes through, for a service's own structlog set-up. ``ValueError`` for a bad style.

    ``tap`` is handed each entry when it is safe to be read by anybody. Without a style nothing is written.
    """
    if style is not None and style not in STYLES:
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
    if tap is not None:
        shared.append(tap)
    if style is None:
        return [*shared, _write_nothing]
    if style == "json":
        return [*shared, structlog.processors.JSONRenderer(default=lambda value: type(value).__name__)]
    return [*shared, structlog.dev.ConsoleRenderer(colors=False)]


def _write_nothing(_: WrappedLogger, __: str, ___: EventDict) -> EventDict:
    raise structlog.DropEvent


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
