"""Serves the exporter: on a thread of its own beside a service, as a task of its event loop, or alone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from seawall.resilience.checks import Checks

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9464

_START_WITHIN = 10.0
_STOP_WITHIN = 3.0


class ServerError(Exception):
    """The exporter can't be served; the text says why and is fit to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSettings:
    """Where the exporter listens: by default to this machine only. Port 0 takes any free one."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    def __post_init__(self) -> None:
        checks = Checks("ExporterSettings")
        if not self.host:
            checks.fail("host", self.host, "an address or host name to listen on")
        checks.number("port", self.port, at_least=0, at_most=65535, whole=True)
        checks.done()


class ExporterServer:
    """One server. `start` and `stop` run it on a daemon thread; `serve` runs it in the present event loop."""

    def __init__(self, app: ASGIApp, settings: ExporterSettings | None = None) -> None:
        self._app = app
        self.settings = settings if settings is not None else ExporterSettings()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = self.settings.port

    def start(self) -> None:
        """Listen, and serve on a daemon thread; return when it answers. `ServerError` when it can't."""
        if self._thread is not None:
            return
        listener = self._listen()
        server = self._server = _Server(_config(self._app))
        self._thread = threading.Thread(
            target=server.run, args=([listener],), name="seawall-exporter", daemon=True
        )
        self._thread.start()
        if not server.ready.wait(_START_WITHIN):
            self.stop()
            raise ServerError(f"the exporter did not begin to answer within {_START_WITHIN:g} s")

    def stop(self) -> None:
        """Stop serving; returns within a few seconds whatever a client does."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is None:
            return
        server.should_exit = True
        if thread is not None:
            thread.join(_STOP_WITHIN)

    async def serve(self) -> None:
        """Serve until cancelled, or until `stop` is called. `ServerError` when it can't listen."""
        listener = self._listen()
        self._server = _Server(_config(self._app))
        try:
            await self._server.serve([listener])
        except asyncio.CancelledError:
            await self._server.shutdown([listener])
            raise
        finally:
            listener.close()

    def _listen(self) -> socket.socket:
        host, port = self.settings.host, self.settings.port
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = socket.socket(family, kind, protocol)
        except OSError:
            raise ServerError(f"can't listen: host {host!r} is not known here") from None
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError as error:
            listener.close()
            raise ServerError(_why(error, host, port)) from None
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        return listener


class _Server(uvicorn.Server):
    """uvicorn as a guest: it leaves the process's signals alone and says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


class _Config(uvicorn.Config):
    """uvicorn's loggers are one set for the whole process, and the service's own: they stay as they are."""

    def configure_logging(self) -> None:
        pass


class _Unlogged(H11Protocol):
    """No line for each scrape among the service's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


def _config(app: ASGIApp) -> uvicorn.Config:
    return _Config(
        app,
        http=_Unlogged,
        log_config=None,
        lifespan="off",
        ws="none",
        server_header=False,
        limit_concurrency=64,
        timeout_keep_alive=65,  # over a usual scrape interval, so that a scraper keeps its connection
        timeout_graceful_shutdown=1,
    )


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be listened on by this user"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"can't listen: {host!r} is no address of this machine"
    return f"can't listen on {host!r} port {port}: {errno.errorcode.get(error.errno or 0, 'unknown error')}"
