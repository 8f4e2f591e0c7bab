"""What clients do that are slow, silent, too many or talk nonsense; on real connections."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest

from seawall.exporter import ExporterServer, ExporterSettings, Limits, create_app
from seawall.resilience import ConfigurationError, Registry

GET = b"GET /api/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE = 10.0


@pytest.fixture
def serve(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., ExporterServer]]:
    """Servers of the registry, or of another application. None of them has anything to complain of."""
    with ExitStack() as stack:

        def make(app: Any = None, **limits: Any) -> ExporterServer:
            settings = ExporterSettings(port=0, limits=Limits(**limits))
            server = ExporterServer(app or create_app(Registry("shop")), settings)
            stack.callback(server.stop)
            server.start()
            return server

        with caplog.at_level(logging.WARNING):
            yield make
    assert [r.getMessage() for r in caplog.records if "graceful shutdown" not in r.getMessage()] == []


def connected(server: ExporterServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), PATIENCE)


def until_closed(client: socket.socket) -> bytes:
    """All that comes, until the server hangs up."""
    found = b""
    with suppress(ConnectionResetError):
        while part := client.recv(65536):
            found += part
    return found


def seconds_until_closed(client: socket.socket) -> float:
    began = time.monotonic()
    assert until_closed(client) == b""
    return time.monotonic() - began


def one_answer(client: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b'{"status": "alive"}'):
        found += client.recv(65536)
    return found


@pytest.mark.parametrize("begun", [b"", b"G", GET[:-2], GET[:-1]])
def test_headers_have_a_deadline(serve: Callable[..., ExporterServer], begun: bytes) -> None:
    with connected(serve(headers=0.2)) as client:
        client.send(begun)
        assert 0.15 < seconds_until_closed(client) < 2


def test_a_byte_now_and_then_does_not_move_it(serve: Callable[..., ExporterServer]) -> None:
    with connected(serve(headers=0.3)) as client:
        began = time.monotonic()
        with suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(100):
                client.send(b"G")
                time.sleep(0.05)
        assert time.monotonic() - began < 2


def test_the_second_request_has_a_deadline_too(serve: Callable[..., ExporterServer]) -> None:
    with connected(serve(headers=0.2)) as client:
        client.send(GET)
        one_answer(client)
        client.send(b"GET /")
        assert 0.15 < seconds_until_closed(client) < 2


def test_idling_has_a_deadline(serve: Callable[..., ExporterServer]) -> None:
    with connected(serve(idle=0.3, headers=0.1)) as client:
        client.send(GET)
        one_answer(client)
        time.sleep(0.2)  # longer than headers may take, which are not begun
        client.send(GET)
        one_answer(client)
        assert 0.2 < seconds_until_closed(client) < 2


async def large(scope: Any, receive: Any, send: Any) -> None:
    """More than any buffer between here and there takes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(100):
        await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


async def large_at_once(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 100_000_000})


async def never(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.parametrize("app", [large, large_at_once, never])
def test_an_answer_has_a_deadline(serve: Callable[..., ExporterServer], app: Any) -> None:
    server = serve(app, answer=0.4, connections=1)
    with connected(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(GET)
        time.sleep(0.2)
        # Being answered, it keeps its place.
        with connected(server) as second:
            assert until_closed(second).startswith(b"HTTP/1.1 503 ")
        time.sleep(0.5)
        with connected(server) as third:
            third.send(GET)
            third.settimeout(0.1)
            if app is not never:
                assert third.recv(12) == b"HTTP/1.1 200"


def test_who_reads_gets_all(serve: Callable[..., ExporterServer]) -> None:
    server = serve(large, answer=20.0)
    assert len(httpx.get(f"http://127.0.0.1:{server.port}/").content) == 100_000_000


def test_who_waits_longest_without_a_request_goes_first(serve: Callable[..., ExporterServer]) -> None:
    server = serve(connections=3)
    with connected(server) as asked, connected(server) as silent, connected(server) as later:
        asked.send(GET)
        one_answer(asked)
        later.send(b"GET ")
        with connected(server) as fourth:
            fourth.send(GET)
            one_answer(fourth)
            assert until_closed(silent) == b""
            with connected(server) as fifth:
                fifth.send(GET)
                one_answer(fifth)
                assert until_closed(later) == b""
                with connected(server) as sixth:
                    sixth.send(GET)
                    one_answer(sixth)
                    assert until_closed(asked) == b""


def test_a_crowd_of_silent_clients_keeps_nobody_out(serve: Callable[..., ExporterServer]) -> None:
    server = serve(connections=8, headers=60.0)
    with ExitStack() as crowd:
        for _ in range(100):
            crowd.enter_context(connected(server))
        began = time.monotonic()
        assert httpx.get(f"http://127.0.0.1:{server.port}/metrics").status_code == 200
        assert time.monotonic() - began < 2
        server.stop()


def test_who_leaves_an_answer_unread_makes_room(
    serve: Callable[..., ExporterServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.exporter.protocol._SLOW_AFTER", 0.2)
    server = serve(large, connections=2, answer=60.0)
    with connected(server) as unread, connected(server) as read:
        unread.send(GET)
        assert unread.recv(12) == b"HTTP/1.1 200"
        time.sleep(0.4)
        read.send(GET)
        assert read.recv(12) == b"HTTP/1.1 200"
        with connected(server) as third:
            third.send(GET)
            assert third.recv(12) == b"HTTP/1.1 200"
            assert len(until_closed(unread)) < 100_000_000
            assert len(read.recv(100)) == 100


def test_stopping_does_not_wait_for_anybody(serve: Callable[..., ExporterServer]) -> None:
    server = serve(large)
    with connected(server) as silent, connected(server) as reader:
        reader.send(GET)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 3
        assert until_closed(silent) == b""


@pytest.mark.parametrize("more", [b"\0", GET[:10], GET * 50])
def test_who_asks_again_before_the_answer_gets_one(serve: Callable[..., ExporterServer], more: bytes) -> None:
    with connected(serve()) as client:
        client.send(GET + more)
        assert until_closed(client).count(b'{"status": "alive"}') == 1


def test_one_question_after_the_other(serve: Callable[..., ExporterServer]) -> None:
    with connected(serve()) as client:
        for _ in range(50):
            client.send(GET)
            one_answer(client)


NONSENSE = [
    b"\r\n\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: rot13\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX : a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000,
    GET + b"\0\0\0",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]


@pytest.mark.parametrize("sent", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_ends_in_a_refusal(serve: Callable[..., ExporterServer], sent: bytes) -> None:
    server = serve(headers=0.3, idle=0.3)
    with connected(server) as client:
        client.sendall(sent)
        found = until_closed(client)
    for status in (line.split()[1] for line in found.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")):
        assert status in (b"200", b"400", b"404", b"405", b"413", b"431")
    assert httpx.get(f"http://127.0.0.1:{server.port}/api/health/live").status_code == 200


def test_any_bytes_leave_it_standing(serve: Callable[..., ExporterServer]) -> None:
    random.seed(20261123)
    server = serve(headers=0.5, idle=0.5)
    for _ in range(150):
        sent = bytearray(random.choice([GET, *NONSENSE]) * random.randint(1, 3))
        for _ in range(random.randint(0, 4)):
            sent[random.randrange(len(sent))] = random.randrange(256)
        with connected(server) as client:
            client.sendall(bytes(sent[:4000]))
            client.settimeout(0.01)
            with suppress(TimeoutError, ConnectionResetError):
                assert b"Traceback" not in client.recv(65536)
    assert httpx.get(f"http://127.0.0.1:{server.port}/metrics").status_code == 200


@pytest.mark.parametrize(
    "limits",
    [
        {"connections": 0},
        {"connections": 1.5},
        {"handshake": 0},
        {"answer": float("nan")},
        {"header_bytes": 63},
    ],
)
def test_limits_that_cant_be(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"Limits.{next(iter(limits))}"):
        Limits(**limits)


def test_limits_are_limits() -> None:
    with pytest.raises(ConfigurationError, match=r"ExporterSettings\.limits is 'dict'"):
        ExporterSettings(limits={})  # type: ignore[arg-type]
