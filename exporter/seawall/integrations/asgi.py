"""ASGI: every request gets its correlation id, its server span and one access line.

Pure ASGI, no framework: streaming, websockets and cancellation pass through untouched.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.semconv.attributes import error_attributes, http_attributes, url_attributes
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from structlog.typing import FilteringBoundLogger

from seawall.integrations import problems
from seawall.resilience import ResilienceError
from seawall.telemetry import catalog, correlation, propagation

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Event name of the access line.
ACCESS: Final = catalog.LOG_REQUEST

_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"}
)
_HEADER = correlation.HEADER.lower().encode()
_LONGEST_PATH = 200


class CorrelationMiddleware:
    """Wraps an ASGI application. ``provider`` defaults to the global one; without ``logger`` no access line.

    An error that the application lets out before it has answered becomes problem details: of a guard's error
    its own status, of any other a bare 500, and that one is raised on for the server to know.
    """

    def __init__(
        self,
        app: App,
        *,
        provider: TracerProvider | None = None,
        logger: FilteringBoundLogger | None = None,
    ) -> None:
        self._app = app
        self._tracer = trace.get_tracer("seawall", tracer_provider=provider)
        self._logger = logger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = propagation.decoded(scope["headers"])
        parent = propagation.extract(headers)
        with correlation.using(propagation.correlation_id(headers)) as identifier:
            exchange = _Exchange(scope, send, identifier)
            span = self._tracer.start_span(
                exchange.method,
                context=parent,
                kind=SpanKind.SERVER,
                attributes=exchange.attributes(),
                record_exception=False,
                set_status_on_exception=False,
            )
            token = otel_context.attach(trace.set_span_in_context(span, parent))
            try:
                await self._serve(scope, receive, exchange)
            finally:
                exchange.describe(span)
                self._access_line(exchange)
                span.end()
                otel_context.detach(token)

    async def _serve(self, scope: Scope, receive: Receive, exchange: _Exchange) -> None:
        try:
            await self._app(scope, receive, exchange.send)
        except ResilienceError as error:
            exchange.error = type(error).__name__
            if not exchange.answerable:
                raise
            await exchange.answer(problems.from_error(error))
        except Exception as error:
            exchange.error = type(error).__name__
            if exchange.answerable:
                await exchange.answer(problems.internal())
            raise

    def _access_line(self, exchange: _Exchange) -> None:
        if self._logger is None:
            return
        entry: dict[str, object] = {
            "method": exchange.method,
            "path": exchange.path,
            "status": exchange.status,
            "seconds": round(time.perf_counter() - exchange.began, 6),
        }
        if exchange.error:
            entry["error"] = exchange.error
        write = self._logger.warning if (exchange.status or 500) >= 500 else self._logger.info
        write(ACCESS, **entry)


class _Exchange:
    """One request and what became of it."""

    __slots__ = (
        "_answers",
        "_scope",
        "_send",
        "began",
        "error",
        "identifier",
        "method",
        "path",
        "started",
        "status",
    )

    def __init__(self, scope: Scope, send: Send, identifier: str) -> None:
        self._scope = scope
        self._send = send
        self._answers = scope["type"] == "http"
        self.identifier = identifier
        method = str(scope.get("method", "WEBSOCKET"))
        self.method = method if method in _METHODS or not self._answers else "HTTP"
        self.path = str(scope["path"])[:_LONGEST_PATH]
        self.began = time.perf_counter()
        self.started = False
        self.status: int | None = None
        self.error = ""

    @property
    def answerable(self) -> bool:
        return self._answers and not self.started

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            self.started = True
            self.status = message.get("status", 101)
            kept = [(k, v) for k, v in message.get("headers", ()) if bytes(k).lower() != _HEADER]
            message = {**message, "headers": [*kept, (_HEADER, self.identifier.encode())]}
        await self._send(message)

    async def answer(self, problem: problems.Problem) -> None:
        headers = {**problem.headers, "Content-Length": str(len(problem.body))}
        encoded = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": encoded})
        head = self._scope.get("method") == "HEAD"
        await self.send({"type": "http.response.body", "body": b"" if head else problem.body})

    def attributes(self) -> dict[str, str]:
        """What is known at the start. The query string is left out: secrets stand in it."""
        return {
            http_attributes.HTTP_REQUEST_METHOD: self.method,
            url_attributes.URL_PATH: self.path,
            url_attributes.URL_SCHEME: str(self._scope.get("scheme", "http")),
            catalog.ATTR_CORRELATION_ID: self.identifier,
        }

    def describe(self, span: Span) -> None:
        """What is known at the end: the route, the status, the error's type."""
        if not span.is_recording():
            return
        route = getattr(self._scope.get("route"), "path", None)
        if isinstance(route, str) and route:
            span.update_name(f"{self.method} {route}")
            span.set_attribute(http_attributes.HTTP_ROUTE, route)
        if self.status is not None:
            span.set_attribute(http_attributes.HTTP_RESPONSE_STATUS_CODE, self.status)
        failed = self.error or (str(self.status) if self.status is not None and self.status >= 500 else "")
        if failed:
            span.set_attribute(error_attributes.ERROR_TYPE, failed)
            span.set_status(Status(StatusCode.ERROR))
