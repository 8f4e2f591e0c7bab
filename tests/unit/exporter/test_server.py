"""The exporter listening for real, on the loopback interface."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from seawall.exporter import ExporterServer, ExporterSettings, ServerError, create_app
from seawall.exporter.server import _why
from seawall.resilience import ConfigurationError, Registry

FREE = ExporterSettings(port=0)


@pytest.fixture
def server() -> Iterator[ExporterServer]:
    made = ExporterServer(create_app(Registry("shop")), FREE)
    yield made
    made.stop()


async def until_it_answers(server: ExporterServer) -> None:
    async with httpx.AsyncClient() as http:
        while True:
            await asyncio.sleep(0)
            with contextlib.suppress(httpx.ConnectError):
                assert (await http.get(f"http://127.0.0.1:{server.port}/metrics")).status_code == 200
                return


def test_on_a_thread(server: ExporterServer) -> None:
    server.start()
    server.start()
    answer = httpx.get(f"http://127.0.0.1:{server.port}/api/health/live")
    assert answer.json() == {"status": "alive"}
    assert "server" not in answer.headers
    server.stop()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/api/health/live")


def test_it_can_start_again(server: ExporterServer) -> None:
    for _ in range(2):
        server.start()
        assert httpx.get(f"http://127.0.0.1:{server.port}/metrics").status_code == 200
        server.stop()


async def test_as_a_task(server: ExporterServer) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    task = asyncio.create_task(server.serve())
    await until_it_answers(server)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_ends_when_told(server: ExporterServer) -> None:
    task = asyncio.create_task(server.serve())
    await until_it_answers(server)
    server.stop()
    await task


def test_a_port_in_use_is_named(server: ExporterServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        second = ExporterServer(create_app(Registry("other")), ExporterSettings(port=port))
        with pytest.raises(ServerError, match=f"^port {port} is in use$"):
            second.start()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_not_ours(host: str) -> None:
    server = ExporterServer(create_app(Registry("shop")), ExporterSettings(host=host, port=0))
    with pytest.raises(ServerError, match="can't listen"):
        server.start()


def test_a_server_that_does_not_come_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seawall.exporter.server._START_WITHIN", 0.0)
    # Its thread runs and ends without ever having listened.
    monkeypatch.setattr("uvicorn.Server.run", lambda *_args, **_named: None)
    server = ExporterServer(create_app(Registry("shop")), FREE)
    with pytest.raises(ServerError, match="did not begin to answer"):
        server.start()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EADDRINUSE, "port 80 is in use"),
        (errno.EACCES, "port 80 may not be listened on by this user"),
        (errno.EADDRNOTAVAIL, "can't listen: 'h' is no address of this machine"),
        (errno.EMFILE, "can't listen on 'h' port 80: EMFILE"),
    ],
)
def test_every_reason_is_named(number: int, said: str) -> None:
    assert _why(OSError(number, "text of the system"), "h", 80) == said


def test_loopback_is_the_default() -> None:
    assert (ExporterSettings().host, ExporterSettings().port) == ("127.0.0.1", 9464)


@pytest.mark.parametrize(
    "settings", [{"port": -1}, {"port": 65536}, {"port": "x"}, {"port": True}, {"host": ""}]
)
def test_settings_that_cant_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        ExporterSettings(**settings)


def test_the_service_s_own_uvicorn_loggers_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    lines = logging.StreamHandler()
    access, error = logging.getLogger("uvicorn.access"), logging.getLogger("uvicorn.error")
    access.addHandler(lines)
    before = error.level
    try:
        with caplog.at_level(logging.INFO, logger="uvicorn.access"):
            server = ExporterServer(create_app(Registry()), ExporterSettings(port=0))
            server.start()
            try:
                assert httpx.get(f"http://127.0.0.1:{server.port}/metrics").status_code == 200
            finally:
                server.stop()
        assert lines in access.handlers
        assert error.level == before
        assert "/metrics" not in caplog.text
    finally:
        access.removeHandler(lines)
