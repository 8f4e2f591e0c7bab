"""Errors behind the WSGI middleware: problem details while nothing has gone, and the server knows of bugs."""

from __future__ import annotations

import gc
import json
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from tests.unit.integrations.wsgi_bench import TEXT, Answer, Server

from seawall.integrations.wsgi import CorrelationMiddleware, Environ, StartResponse
from seawall.resilience import BreakerOpen, RateLimited, ResilienceError, TimedOut
from seawall.telemetry import logs


@pytest.fixture
def server() -> Server:
    return Server()


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [b"hello"]


ERRORS: list[tuple[ResilienceError, int, list[str]]] = [
    (BreakerOpen("bank", "breaker", "open", 12.2), 503, ["13"]),
    (RateLimited("bank", "rate_limit", "exceeded", 0.01), 429, ["1"]),
    (TimedOut("bank", "total", 5.0), 504, []),
]


def at_once(error: BaseException, *, begun: bool) -> Callable[..., Any]:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if begun:
            start_response("200 OK", TEXT)
        raise error

    return app


def while_iterated(error: BaseException, *, begun: bool) -> Callable[..., Any]:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        if begun:
            start_response("200 OK", TEXT)
            yield b""
        raise error
        yield b""

    return app


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("raising", [at_once, while_iterated])
@pytest.mark.parametrize(("error", "status", "retry_after"), ERRORS)
def test_errors_of_guards(
    server: Server, raising: Any, begun: bool, error: ResilienceError, status: int, retry_after: list[str]
) -> None:
    # The validator wants an answer begun before the first piece: an application need not.
    answer = server.ask(raising(error, begun=begun), validate=begun, HTTP_X_REQUEST_ID="abc")
    assert (answer.status, answer.raised) == (status, None)
    assert answer.header("content-type") == ["application/problem+json"]
    assert answer.header("retry-after") == retry_after
    assert answer.header("x-request-id") == ["abc"]
    assert answer.header("content-length") == [str(len(answer.body))]
    document = json.loads(answer.body)
    assert (document["status"], document["correlation_id"]) == (status, "abc")
    assert dict(server.span.attributes or {})["http.response.status_code"] == status
    assert [line["status"] for line in server.lines] == [status]


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("raising", [at_once, while_iterated])
def test_any_other_error_is_answered_and_then_the_servers(server: Server, raising: Any, begun: bool) -> None:
    bug = RuntimeError("password=hunter2")
    answer = server.ask(raising(bug, begun=begun), validate=begun, HTTP_X_REQUEST_ID="abc")
    assert answer.status == 500
    assert json.loads(answer.body)["correlation_id"] == "abc"
    assert answer.raised is bug
    (line,) = server.lines
    assert (line["level"], line["status"], line["error"]) == ("warning", 500, "RuntimeError")
    assert dict(server.span.attributes or {})["error.type"] == "RuntimeError"
    assert b"hunter2" not in answer.body
    assert "hunter2" not in server.stream.getvalue() + server.span.to_json()


def test_head_has_no_body(server: Server) -> None:
    answer = server.ask(at_once(ERRORS[0][0], begun=False), validate=False, REQUEST_METHOD="HEAD")
    assert (answer.status, answer.body) == (503, b"")
    assert answer.header("content-length") != ["0"]


def test_an_answer_that_has_gone_is_left_as_it_is(server: Server) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"half"
        raise ERRORS[0][0]

    answer = server.ask(app)
    assert (answer.status, answer.body) == (200, b"half")
    assert isinstance(answer.raised, BreakerOpen)
    assert len(answer.starts) == 1
    assert [line["error"] for line in server.lines] == ["BreakerOpen"]


def test_so_is_one_that_was_written_by_hand(server: Server) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"")
        write(b"half")
        raise LookupError

    answer = server.ask(app)
    assert (answer.status, answer.body) == (200, b"half")
    assert isinstance(answer.raised, LookupError)
    assert len(server.lines) == len(server.spans.get_finished_spans()) == 1


def test_the_application_may_change_its_mind(server: Server) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        try:
            raise LookupError
        except LookupError:
            start_response("404 Not Found", TEXT, sys.exc_info())
        return [b"gone"]

    answer = server.ask(app, HTTP_X_REQUEST_ID="abc")
    assert (answer.status, answer.body, answer.header("x-request-id")) == (404, b"gone", ["abc"])
    assert server.lines[0]["status"] == 404


def test_an_interrupt_passes(server: Server) -> None:
    answer = server.ask(at_once(KeyboardInterrupt(), begun=False), validate=False)
    assert isinstance(answer.raised, KeyboardInterrupt)
    assert answer.starts == []
    assert (server.lines[0]["status"], server.lines[0]["error"]) == (None, "KeyboardInterrupt")


def test_a_server_that_takes_no_answer_any_more(server: Server) -> None:
    def refuse(*_: Any) -> Any:
        raise BrokenPipeError

    environ: Environ = {}
    setup_testing_defaults(environ)
    log = logs.logger("json", stream=server.stream)
    wrapped = CorrelationMiddleware(hello, provider=server.provider, logger=log)
    with pytest.raises(BrokenPipeError):
        wrapped(environ, refuse)
    assert len(server.lines) == len(server.spans.get_finished_spans()) == 1


class Bug(Exception):
    """Of the application."""


def test_an_error_that_nobody_asks_for_is_not_kept(server: Server) -> None:
    left: list[weakref.ref[Bug]] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        bug = Bug()
        left.append(weakref.ref(bug))
        try:
            raise bug
        finally:
            del bug

    environ: Environ = {}
    setup_testing_defaults(environ)
    gc.disable()
    try:
        body: Any = CorrelationMiddleware(app, provider=server.provider)(environ, Answer().start)
        assert left[0]() is not None
        body.close()  # the client has gone
        assert left[0]() is None
    finally:
        gc.enable()
