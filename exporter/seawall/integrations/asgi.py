"""ASGI: every request gets its correlation id, its server span and one access line.

Pure ASGI, no framework: streaming, websockets and cancellation pass through untouched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import TracerProvider
from structlog.typing import FilteringBoundLogger

from seawall.integrations import problems
from seawall.integrations.exchange import METHODS, Exchange
from seawall.resilience import ResilienceError
from seawall.telemetry import correlation, propagation

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEADER = correlation.HEADER.lower().encode()


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
            span = exchange.span(self._tracer, parent)
            token = otel_context.attach(trace.set_span_in_context(span, parent))
            try:
                await self._serve(scope, receive, exchange)
            finally:
                exchange.end(span, getattr(scope.get("route"), "path", None), self._logger)
                # Ended from elsewhere its own context is gone, and `detach` would log an error.
                with suppress(ValueError):
                    token.var.reset(token)

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


class _Exchange(Exchange):
    """One request of ASGI, and the way to answer it."""

    __slots__ = ("_answers", "_head", "_send", "_started")

    def __init__(self, scope: Scope, send: Send, identifier: str) -> None:
        self._send = send
        self._answers = scope["type"] == "http"
        self._head = scope.get("method") == "HEAD"
        self._started = False
        method = str(scope.get("method", ""))
        if method not in METHODS:
            method = "HTTP" if self._answers else "WEBSOCKET"
        super().__init__(method, str(scope["path"]), str(scope.get("scheme", "http")), identifier)

    @property
    def answerable(self) -> bool:
        return self._answers and not self._started

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            self._started = True
            self.status = message.get("status", 101)
            kept = [(k, v) for k, v in message.get("headers", ()) if bytes(k).lower() != _HEADER]
            message = {**message, "headers": [*kept, (_HEADER, self.identifier.encode())]}
        await self._send(message)

    async def answer(self, problem: problems.Problem) -> None:
        headers = {**problem.headers, "Content-Length": str(len(problem.body))}
        encoded = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": encoded})
        await self.send({"type": "http.response.body", "body": b"" if self._head else problem.body})
