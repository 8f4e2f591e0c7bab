"""Serves the exporter: on a thread of its own beside a service, as a task of its event loop, or alone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from seawall.exporter.connections import Connections
from seawall.exporter.gate import Gate
from seawall.exporter.limits import Limits
from seawall.exporter.protocol import TimedProtocol
from seawall.resilience import ConfigurationError
from seawall.resilience.checks import Checks

if TYPE_CHECKING:
    from seawall.exporter.web_access import Access
    from seawall.exporter.web_config import WebConfig

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9464

_START_WITHIN = 10.0
_STOP_WITHIN = 3.0
_BACKLOG = 1024


class ServerError(Exception):
    """The exporter can't be served; the text says why and is fit to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSettings:
    """Where the exporter listens: by default to this machine only. Port 0 takes any free one.

    ``web_config``: a file with TLS and users, in the format that Prometheus exporters share; needs
    ``seawall[web-config]``. ``None``: neither. ``limits``: what one client may take.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    web_config: str | os.PathLike[str] | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        checks = Checks("ExporterSettings")
        if not self.host:
            checks.fail("host", self.host, "an address or host name to listen on")
        checks.number("port", self.port, at_least=0, at_most=65535, whole=True)
        if self.web_config is not None and not (
            isinstance(self.web_config, str | os.PathLike) and os.fspath(self.web_config)
        ):
            checks.fail("web_config", self.web_config, "the path of a file, or None")
        if not isinstance(self.limits, Limits):
            checks.fail("limits", type(self.limits).__name__, "Limits")
        checks.done()


class ExporterServer:
    """One server. `start` and `stop` run it on a daemon thread; `serve` runs it in the present event loop.

    `ConfigurationError` has everything that is wrong with its web-config.
    """

    def __init__(self, app: ASGIApp, settings: ExporterSettings | None = None) -> None:
        self._app = app
        self.settings = settings if settings is not None else ExporterSettings()
        self._web_config = _web_config(self.settings)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = self.settings.port

    @property
    def scheme(self) -> str:
        return "https" if self._web_config is not None and self._web_config.tls is not None else "http"

    def start(self) -> None:
        """Listen, and serve on a daemon thread; return when it answers. `ServerError` when it can't."""
        if self._thread is not None:
            return
        listener = self._listen()
        server = self._server = _Server(self._app, self.settings.limits, self._web_config)
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
        self._server = _Server(self._app, self.settings.limits, self._web_config)
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
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise ServerError(_why(error, host, port)) from None
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        return listener


class _Server(uvicorn.Server):
    """uvicorn as a guest: it leaves the process's signals alone and says when it answers.

    Who is connected, how long, and with what right, is decided here.
    """

    def __init__(self, app: ASGIApp, limits: Limits, web_config: WebConfig | None) -> None:
        self._limits = limits
        self._web_config = web_config
        self._access: Access | None = None
        super().__init__(_config(Gate(app, limits, self._current), limits))
        self.servers = []
        self.ready = threading.Event()
        self._connections = Connections(limits, self._protocol, self._tls)
        self._accepting: list[asyncio.Task[None]] = []

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._web_config is not None:
            from seawall.exporter.web_access import Access

            self._access = Access(self._web_config)
        self._accepting = [asyncio.create_task(self._connections.accept(each)) for each in sockets or ()]
        self.started = True
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        self._connections.drop_silent()
        await super().shutdown(sockets)
        await self._connections.close()

    def _current(self) -> Access | None:
        return self._access.refreshed() if self._access is not None else None

    def _tls(self) -> ssl.SSLContext | None:
        access = self._current()
        return access.tls if access is not None else None

    def _protocol(self) -> TimedProtocol:
        return TimedProtocol(self.config, self.server_state, self._limits, self._admits)

    def _admits(self, transport: asyncio.BaseTransport) -> bool:
        return self._access is None or self._access.admits(transport)


class _Config(uvicorn.Config):
    """uvicorn's loggers are one set for the whole process, and the service's own: they stay as they are."""

    def configure_logging(self) -> None:
        pass


def _config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    return _Config(
        app,
        http="h11",
        log_config=None,
        lifespan="off",
        ws="none",
        server_header=False,
        h11_max_incomplete_event_size=limits.header_bytes,
        # A float does as well, whatever it says.
        timeout_keep_alive=limits.idle,  # type: ignore[arg-type]
        timeout_graceful_shutdown=1,
    )


def _web_config(settings: ExporterSettings) -> WebConfig | None:
    if settings.web_config is None:
        return None
    try:
        from seawall.exporter.web_config import load
    except ImportError:
        problem = "ExporterSettings.web_config needs the extra web-config: install seawall[web-config]"
        raise ConfigurationError([problem]) from None
    return load(Path(settings.web_config))


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be listened on by this user"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"can't listen: {host!r} is no address of this machine"
    return f"can't listen on {host!r} port {port}: {errno.errorcode.get(error.errno or 0, 'unknown error')}"
