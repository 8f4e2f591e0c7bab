"""WSGI: every request gets its correlation id, its server span and one access line.

The application and its answer run in a context of their own, piece by piece wherever the server asks for
them: nothing of a request stays behind in the server's threads.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any, TypeVar

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, TracerProvider
from structlog.typing import FilteringBoundLogger

from seawall.integrations import problems
from seawall.integrations.exchange import METHODS, Exchange
from seawall.resilience import ResilienceError
from seawall.telemetry import correlation, propagation

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
R = TypeVar("R")


class CorrelationMiddleware:
    """Wraps a WSGI application. ``provider`` defaults to the global one; without ``logger`` no access line.

    An error that the application lets out before any of its answer has gone becomes problem details: of a
    guard's error its own status, of any other a bare 500, and that one is raised on for the server to know.
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

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = propagation.from_environ(environ)
        exchange = _Exchange(environ, start_response, propagation.correlation_id(headers))
        parent = propagation.extract(headers)
        span = exchange.span(self._tracer, parent)
        context = copy_context()
        context.run(correlation.adopt, exchange.identifier)
        context.run(otel_context.attach, trace.set_span_in_context(span, parent))
        answer = _Answer(context, exchange, span, self._logger)
        answer.begin(self._app, environ)
        return answer


class _Exchange(Exchange):
    """One request of WSGI, and the way to answer it."""

    __slots__ = ("_head", "_start_response", "sent", "started")

    def __init__(self, environ: Environ, start_response: StartResponse, identifier: str) -> None:
        self._start_response = start_response
        self._head = environ.get("REQUEST_METHOD") == "HEAD"
        self.started = self.sent = False
        method = str(environ.get("REQUEST_METHOD", ""))
        path = _text(environ.get("SCRIPT_NAME", "")) + _text(environ.get("PATH_INFO", ""))
        scheme = "https" if environ.get("wsgi.url_scheme") == "https" else "http"
        super().__init__(method if method in METHODS else "HTTP", path, scheme, identifier)

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """The application's ``start_response``: the answer gets the id instead of any of its own."""
        kept = [(name, value) for name, value in headers if name.lower() != correlation.HEADER.lower()]
        kept.append((correlation.HEADER, self.identifier))
        more = (exc_info,) if exc_info else ()
        write = self._start_response(status, kept, *more)
        self.started = True
        code = status[:3]
        self.status = int(code) if code.isascii() and code.isdigit() else None

        def written(data: bytes) -> object:
            self.sent = self.sent or bool(data)
            return write(data)

        return written

    def answer(self, problem: problems.Problem, exc_info: Any) -> bytes:
        """Answer with a problem instead of what the application may have begun. The body."""
        headers = [*problem.headers.items(), ("Content-Length", str(len(problem.body)))]
        # What was begun is replaced, as long as none of it has gone.
        self.start(problem.status_line, headers, exc_info if self.started else None)
        return b"" if self._head else problem.body


class _Answer:
    """The body of an answer, for the server to iterate and to close. Its end is that of the request."""

    __slots__ = ("_body", "_closed", "_context", "_exchange", "_logger", "_pieces", "_raise", "_span")

    def __init__(
        self, context: Context, exchange: _Exchange, span: Span, logger: FilteringBoundLogger | None
    ) -> None:
        self._context = context
        self._exchange = exchange
        self._span = span
        self._logger = logger
        self._body: Iterable[bytes] = ()
        self._pieces: Iterator[bytes] = iter(())
        self._raise: BaseException | None = None
        self._closed = False

    def begin(self, app: App, environ: Environ) -> None:
        """Ask the application for its answer."""
        try:
            self._body = self._context.run(app, environ, self._exchange.start)
            self._pieces = self._context.run(iter, self._body)
        except BaseException as error:  # noqa: BLE001 - answered, or raised again
            self._pieces = iter((self._problem(error),))

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = self._context.run(next, self._pieces)
        except StopIteration:
            if self._raise is None:
                raise
            # The problem has been handed over: now the server is to know.
            error, self._raise = self._raise, None
            raise error from None
        except BaseException as error:  # noqa: BLE001 - answered, or raised again
            piece = self._problem(error)
            self._pieces = iter(())
        self._exchange.sent = self._exchange.sent or bool(piece)
        return piece

    def close(self) -> None:
        """The server has done with it: sent, or given up."""
        if self._closed:
            return
        self._closed, self._raise = True, None
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                self._context.run(close)
        except BaseException as error:
            self._exchange.error = self._exchange.error or type(error).__name__
            raise
        finally:
            self._context.run(self._exchange.end, self._span, None, self._logger)

    def _problem(self, error: BaseException) -> bytes:
        """The body to send for an error; raises it where it is too late, or not one to answer."""
        exchange = self._exchange
        exchange.error = type(error).__name__
        if exchange.sent or not isinstance(error, Exception):
            self.close()
            raise error
        try:
            if isinstance(error, ResilienceError):
                return exchange.answer(self._context.run(problems.from_error, error), sys.exc_info())
            body = exchange.answer(self._context.run(problems.internal), sys.exc_info())
        except BaseException:
            self.close()
            raise
        self._raise = error
        return body


def _text(native: object) -> str:
    """A path of the environment, where each character stands for a byte, as the text that it is."""
    try:
        return str(native).encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return str(native)
