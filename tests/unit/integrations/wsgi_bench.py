"""A server that asks an application behind the WSGI middleware, and keeps what is left of it.

The standard library's validator stands on both sides: between server and middleware, between it and the
application.
"""

from __future__ import annotations

import io
import json
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from seawall.integrations.wsgi import CorrelationMiddleware, Environ
from seawall.telemetry import logs

TEXT = [("Content-Type", "text/plain")]


class Answer:
    """What a server made of one request."""

    def __init__(self) -> None:
        self.starts: list[tuple[str, list[tuple[str, str]]]] = []
        self.body = b""
        self.raised: BaseException | None = None

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if exc_info and self.body:
            raise exc_info[1]
        assert exc_info or not self.starts
        self.starts.append((status, headers))
        return self.write

    def write(self, data: bytes) -> None:
        self.body += data

    @property
    def status(self) -> int:
        return int(self.starts[-1][0][:3])

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.starts[-1][1] if key.lower() == name]


class Server:
    """Asks an application behind the middleware as a server does, and keeps what it leaves."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.stream = io.StringIO()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.spans))

    def ask(self, app: Any, *, validate: bool = True, pieces: int = 1000, **environ: Any) -> Answer:
        """``pieces``: how many of the body are read before the client is gone."""
        given: Environ = {"QUERY_STRING": "token=hunter2", **environ}
        setup_testing_defaults(given)
        log = logs.logger("json", stream=self.stream)
        served: Any = CorrelationMiddleware(
            validator(app) if validate else app, provider=self.provider, logger=log
        )
        answer = Answer()
        body: Any = ()
        try:
            body = (validator(served) if validate else served)(given, answer.start)
            for _, piece in zip(range(pieces), body, strict=False):
                answer.body += piece
        except BaseException as error:
            answer.raised = error
        finally:
            if hasattr(body, "close"):
                try:
                    body.close()
                except Exception as error:
                    answer.raised = error
        return answer

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.spans.get_finished_spans()
        return span
