"""Headers from people who mean harm: nothing of them comes back, nothing breaks, each event is one line.

What no server lets through is handed to the middlewares directly; what one does comes by a socket.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.util import setup_testing_defaults

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.hostile_headers import EMPTY, MARK, NAMES, TRACE, VALUES, Service, check

PATIENCE = 20.0
Headers = list[tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    made = Service()
    with made.listening():
        yield made


def over_asgi(service: Service, headers: Headers, path: str = "/") -> str:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
    asyncio.run(service.asgi(scope, receive, send))
    start, body = sent
    answered = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    return check(service, start["status"], answered, body["body"].decode())


def over_wsgi(service: Service, headers: Headers, path: str = "/") -> str:
    """As a server hands them over: one text for each name, a character for each byte."""
    environ: dict[str, Any] = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    for name, value in headers:
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return ask_wsgi(service, environ)


def ask_wsgi(service: Service, environ: dict[str, Any]) -> str:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, answered: list[tuple[str, str]]) -> Any:
        started.append((status, answered))

    body = service.wsgi(environ, start_response)
    text = b"".join(body).decode()
    body.close()
    ((status, answered),) = started
    return check(service, int(status[:3]), answered, text)


WAYS = pytest.mark.parametrize("over", [over_asgi, over_wsgi])


@WAYS
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("name", NAMES)
def test_each_value_in_each_header(service: Service, over: Any, name: str, value: bytes) -> None:
    field = name.lower().encode()
    over(service, [(field, value)])
    over(service, [(field, value), (field, value)])
    over(service, [(field, b"abc"), (field, value)])


@WAYS
@pytest.mark.parametrize("name", NAMES)
def test_empty_ones(service: Service, over: Any, name: str) -> None:
    for value in EMPTY:
        over(service, [(name.encode(), value)] * 2)
        over(service, [(name.encode(), value)])


@WAYS
def test_the_same_harmless_id_twice_is_none(service: Service, over: Any) -> None:
    assert over(service, [(b"x-request-id", b"abc")]) == "abc"
    assert over(service, [(b"x-request-id", b"abc"), (b"X-Request-ID", b"abc")]) != "abc"


@WAYS
def test_a_hostile_neighbour_costs_an_honest_header_nothing(service: Service, over: Any) -> None:
    parent = (b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())
    for value in VALUES.values():
        headers = [(b"x-request-id", b"abc"), parent, (b"tracestate", value), (b"baggage", value)]
        assert over(service, headers) == "abc"


@WAYS
def test_hostile_names_and_paths(service: Service, over: Any) -> None:
    for value in VALUES.values():
        over(service, [(value[:200], b"1")])
    for path in ("/\r\n\x1b[31m\x85", "/\u2028\ud800", "/" + "x" * 1_000_000, "", "/%0d%0a"):
        over(service, [], path)


NAME = st.sampled_from(NAMES).map(lambda name: name.lower().encode())
PIECES = st.sampled_from(
    [*(value for value in VALUES.values() if len(value) < 200), *EMPTY, b"-", b"=", b";"]
)
VALUE = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(PIECES, max_size=4).map(b"".join),
).map(lambda value: MARK.encode() + value)


@WAYS
@settings(max_examples=150)
@given(headers=st.lists(st.tuples(NAME, VALUE), max_size=6))
def test_whatever_comes(service: Service, over: Any, headers: Headers) -> None:
    over(service, headers)


@settings(max_examples=150)
@given(values=st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(codec=None), max_size=40)))
def test_whatever_text_a_wsgi_server_makes_of_it(service: Service, values: dict[str, str]) -> None:
    environ: dict[str, Any] = {f"HTTP_{k.upper().replace('-', '_')}": MARK + v for k, v in values.items()}
    setup_testing_defaults(environ)
    ask_wsgi(service, environ)


# -- by a socket


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module", params=["uvicorn", "wsgiref"])
def port(request: pytest.FixtureRequest, service: Service) -> Iterator[int]:
    if request.param == "wsgiref":
        simple: WSGIServer = make_server("127.0.0.1", 0, service.wsgi, handler_class=_Quiet)
        thread = threading.Thread(target=simple.serve_forever, daemon=True)
        thread.start()
        yield simple.server_port
        simple.shutdown()
        simple.server_close()
    else:
        config = uvicorn.Config(service.asgi, port=0, log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
    thread.join(PATIENCE)


def send(port: int, head: bytes) -> tuple[int, list[tuple[str, str]], str]:
    """A request, as it stands; status, headers and body of what comes back. Status 0: nothing does."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        try:
            client.sendall(head)
            while piece := client.recv(65536):
                got += piece
        except ConnectionError:
            pass  # refused in the middle of what was too long
    if not got:
        return 0, [], ""
    top, _, body = got.partition(b"\r\n\r\n")
    first, *rest = top.decode("latin-1").split("\r\n")
    pairs = [tuple(line.split(": ", 1)) for line in rest]
    return int(first.split()[1]), pairs, body.decode("latin-1")  # type: ignore[return-value]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_by_a_real_server(service: Service, port: int, value: bytes) -> None:
    for name in NAMES:
        head = b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n%s: %s\r\n\r\n" % (name.encode(), value)
        status, headers, body = send(port, head)
        if status == 200:
            check(service, status, headers, body)
        else:
            # The server's own: it has not asked the application.
            assert status == 0 or 400 <= status < 500
            assert MARK not in repr(headers) + body
            assert [line for line in service.taken() if "Invalid HTTP request" not in line] == []


def test_honest_ids_by_a_real_server(service: Service, port: int) -> None:
    for identifier in ("abc", "x" * 64, "A-b_c.9"):
        head = f"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nX-Request-ID: {identifier}\r\n\r\n"
        assert check(service, *send(port, head.encode())) == identifier
