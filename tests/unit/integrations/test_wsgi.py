"""The WSGI middleware: ids in and out, the server span, the access line."""

from __future__ import annotations

import contextvars
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from opentelemetry import trace
from tests.unit.integrations.wsgi_bench import TEXT, Answer, Server

from seawall.integrations.exchange import ACCESS
from seawall.integrations.wsgi import CorrelationMiddleware, Environ, StartResponse
from seawall.telemetry import correlation
from seawall.telemetry.one_line import plain

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def server() -> Server:
    return Server()


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("X-Request-Id", "mine")])
    return [correlation.current().encode()]


def test_the_callers_id_and_trace_are_taken_over(server: Server) -> None:
    answer = server.ask(
        hello,
        HTTP_X_REQUEST_ID="abc-1",
        HTTP_TRACEPARENT=PARENT,
        SCRIPT_NAME="/app",
        PATH_INFO="/h\xc3\xa9llo",
    )
    assert (answer.status, answer.body, answer.header("x-request-id")) == (200, b"abc-1", ["abc-1"])
    attributes = dict(server.span.attributes or {})
    assert server.span.kind is trace.SpanKind.SERVER
    assert server.span.context is not None
    assert format(server.span.context.trace_id, "032x") == TRACE
    assert attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.path": "/app/h\u00e9llo",
        "url.scheme": "http",
        "seawall.correlation_id": "abc-1",
    }
    (line,) = server.lines
    assert (line["event"], line["status"], line["path"]) == (ACCESS, 200, "/app/h\u00e9llo")
    assert (line["correlation_id"], line["trace_id"]) == ("abc-1", TRACE)
    assert "hunter2" not in server.stream.getvalue() + server.span.to_json()


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "\xff\xfe", "a,b", "<script>", "a\x1b[0m"])
def test_an_id_that_is_none_is_never_reflected(server: Server, sent: str) -> None:
    answer = server.ask(hello, HTTP_X_REQUEST_ID=sent)
    (identifier,) = answer.header("x-request-id")
    assert answer.body.decode() == identifier
    assert correlation.valid(identifier)
    assert identifier != sent


def test_nothing_stays_in_the_servers_thread(server: Server) -> None:
    other: contextvars.ContextVar[str] = contextvars.ContextVar("other", default="")

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        other.set("set")
        start_response("200 OK", TEXT)
        for _ in range(3):
            assert other.get() == "set"
            yield correlation.current().encode() + b" "

    answer = server.ask(app, HTTP_X_REQUEST_ID="abc")
    assert answer.body == b"abc abc abc "
    assert (correlation.current(), other.get()) == ("", "")
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_answers_of_two_requests_in_turn_keep_their_ids(server: Server) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        for _ in range(3):
            yield correlation.current().encode()

    wrapped = CorrelationMiddleware(app, provider=server.provider)
    bodies = []
    for identifier in ("a", "b"):
        environ: Environ = {"HTTP_X_REQUEST_ID": identifier}
        setup_testing_defaults(environ)
        bodies.append(wrapped(environ, Answer().start))
    turns = zip(*bodies, strict=True)
    assert list(turns) == [(b"a", b"b")] * 3


class Body:
    """Says when it is closed; its closing may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed: list[str] = []
        self._error = error

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", TEXT)
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"a", b"b"])

    def close(self) -> None:
        self.closed.append(correlation.current())
        if self._error is not None:
            raise self._error


def test_what_is_given_up_is_closed_and_ended(server: Server) -> None:
    body = Body()
    answer = server.ask(body, pieces=1, HTTP_X_REQUEST_ID="abc")
    assert (answer.body, body.closed) == (b"a", ["abc"])
    assert len(server.lines) == len(server.spans.get_finished_spans()) == 1


def test_a_body_that_can_not_be_closed(server: Server) -> None:
    answer = server.ask(Body(LookupError("hunter2")))
    assert isinstance(answer.raised, LookupError)
    assert server.lines[0]["error"] == "LookupError"
    assert "hunter2" not in server.stream.getvalue()


@pytest.mark.parametrize("status", ["no number", "\u00b2\u00b2\u00b2 superscript"])
def test_a_status_that_is_none(server: Server, status: str) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, TEXT)
        return []

    server.ask(app, validate=False, REQUEST_METHOD="BREW", **{"wsgi.url_scheme": "gopher"})
    assert server.lines[0]["status"] is None
    assert server.span.name == "HTTP"
    assert dict(server.span.attributes or {})["url.scheme"] == "http"


def test_hostile_paths_stay_on_one_line(server: Server) -> None:
    for path in ("/\r\nX-Evil: \x1b[31m\x85", "/" + "y" * 5000, "/\xff\xfe", "/\ud800\u2028"):
        server.ask(hello, validate=False, PATH_INFO=path)
    text = server.stream.getvalue()
    assert len(text.splitlines()) == 4
    assert len(text) < 2500
    for span in server.spans.get_finished_spans():
        path = str((span.attributes or {})["url.path"])
        assert plain(path) == path
