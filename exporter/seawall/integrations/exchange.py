"""One inbound request and what became of it, whatever interface it came by: its span and its access line."""

from __future__ import annotations

import time
from typing import Final

from opentelemetry.context import Context
from opentelemetry.semconv.attributes import error_attributes, http_attributes, url_attributes
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from structlog.typing import FilteringBoundLogger

from seawall.telemetry import catalog
from seawall.telemetry.one_line import plain

#: Event name of the access line.
ACCESS: Final = catalog.LOG_REQUEST

METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"}
)
_LONGEST_PATH = 200


class Exchange:
    """``method``: one that is known, or a name of ours. ``identifier``: the correlation id."""

    __slots__ = ("began", "error", "identifier", "method", "path", "scheme", "status")

    def __init__(self, method: str, path: str, scheme: str, identifier: str) -> None:
        self.method = method
        self.path = plain(path[:_LONGEST_PATH])
        self.scheme = scheme
        self.identifier = identifier
        self.began = time.perf_counter()
        self.status: int | None = None
        self.error = ""

    def span(self, tracer: Tracer, parent: Context) -> Span:
        """The server span, begun. The query string is left out: secrets stand in it."""
        return tracer.start_span(
            self.method,
            context=parent,
            kind=SpanKind.SERVER,
            attributes={
                http_attributes.HTTP_REQUEST_METHOD: self.method,
                url_attributes.URL_PATH: self.path,
                url_attributes.URL_SCHEME: self.scheme,
                catalog.ATTR_CORRELATION_ID: self.identifier,
            },
            record_exception=False,
            set_status_on_exception=False,
        )

    def end(self, span: Span, route: object, logger: FilteringBoundLogger | None) -> None:
        """Say what came of it, on the span and in the log. ``route``: the pattern it matched, if known."""
        if span.is_recording():
            self._describe(span, route)
        if logger is not None:
            self._log(logger)
        span.end()

    def _describe(self, span: Span, route: object) -> None:
        if isinstance(route, str) and route:
            span.update_name(f"{self.method} {route}")
            span.set_attribute(http_attributes.HTTP_ROUTE, route)
        if self.status is not None:
            span.set_attribute(http_attributes.HTTP_RESPONSE_STATUS_CODE, self.status)
        failed = self.error or (str(self.status) if self.status is not None and self.status >= 500 else "")
        if failed:
            span.set_attribute(error_attributes.ERROR_TYPE, plain(failed))
            span.set_status(Status(StatusCode.ERROR))

    def _log(self, logger: FilteringBoundLogger) -> None:
        entry: dict[str, object] = {
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "seconds": round(time.perf_counter() - self.began, 6),
        }
        if self.error:
            entry["error"] = self.error
        write = logger.warning if (self.status or 500) >= 500 else logger.info
        write(ACCESS, **entry)
