"""One call for an ASGI application."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from seawall.integrations.asgi import Receive, Scope, Send
from seawall.resilience import Breaker, Registry
from seawall.startup import AppStartup, ExporterSettings, ResilienceManager, install
from seawall.telemetry import correlation


@pytest.fixture
def registry() -> Registry:
    return Registry("shop")


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


async def everything(request: Request) -> Response:
    return PlainTextResponse(correlation.current())


def starlette() -> Starlette:
    return Starlette(routes=[Mount("/", routes=[Route("/{path:path}", everything)])])


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """An application without lifespan."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": correlation.current().encode()})


class Lifespan:
    """Plays the server's part of the lifespan."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._in: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def __aenter__(self) -> dict[str, str]:
        self._task = asyncio.create_task(self._app({"type": "lifespan"}, self._in.get, self._out.put))
        await self._in.put({"type": "lifespan.startup"})
        return await self._out.get()

    async def __aexit__(self, *_: object) -> None:
        await self._in.put({"type": "lifespan.shutdown"})
        await self._task


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://shop")


async def test_a_starlette_application(registry: Registry) -> None:
    registry.guard("bank", breaker=Breaker())
    stream = io.StringIO()
    plain = starlette()
    app = install(plain, registry, log_stream=stream)
    assert app is plain
    async with Lifespan(app) as answer:
        assert answer["type"] == "lifespan.startup.complete"
        async with client(app) as http:
            mine = await http.get("/orders", headers={"X-Request-ID": "abc"})
            assert (mine.text, mine.headers["x-request-id"]) == ("abc", "abc")
            page = await http.get("/metrics")
            assert 'dependency="bank"' in page.text
            assert 'service_name="shop"' in page.text
            assert (await http.get("/api/health/ready")).json()["status"] == "ready"
    (line,) = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert (line["path"], line["correlation_id"]) == ("/orders", "abc")


async def test_any_other_application(registry: Registry) -> None:
    app = install(bare, registry, service_name="other", logs=None)
    assert isinstance(app, AppStartup)
    async with client(app) as http:
        assert correlation.valid((await http.get("/x")).text)
        assert 'service_name="other"' in (await http.get("/metrics")).text


async def test_the_exporters_paths_can_stay_off(registry: Registry) -> None:
    app = install(starlette(), registry, logs=None, pages=())
    async with Lifespan(app), client(app) as http:
        assert correlation.valid((await http.get("/metrics")).text)


async def test_a_port_of_its_own_besides(registry: Registry) -> None:
    manager = ResilienceManager(registry, "shop", exporter=ExporterSettings(port=0), logs=None)
    assert manager.server is not None
    async with Lifespan(AppStartup(starlette(), manager)), httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{manager.server.port}/metrics")
        assert answer.status_code == 200
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"http://127.0.0.1:{manager.server.port}/metrics")


async def test_a_taken_port_is_said_to_the_server(registry: Registry) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        app = install(starlette(), registry, exporter=ExporterSettings(port=port), logs=None)
        async with Lifespan(app) as answer:
            assert answer == {"type": "lifespan.startup.failed", "message": f"port {port} is in use"}
