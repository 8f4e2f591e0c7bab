"""One call for ASGI applications: correlation, traces, logs, health pages and metrics."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from prometheus_client import CollectorRegistry

from seawall.exporter import PATHS, ExporterSettings, ServerError
from seawall.exporter.readiness import Check
from seawall.integrations.asgi import App, CorrelationMiddleware, Message, Receive, Scope, Send
from seawall.resilience import Registry
from seawall.startup.manager import ResilienceManager
from seawall.telemetry.logs import Style
from seawall.telemetry.otlp import OtlpSettings
from seawall.telemetry.processes import FolderError


class _TakesMiddleware(Protocol):
    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None: ...


class AppStartup:
    """An ASGI application around another.

    It answers the exporter's paths itself (``pages``: which; by default all), gives everything else its
    correlation id, server span and access line, and starts and stops the manager with the application's
    lifespan; where there is no lifespan, with the first request.
    """

    def __init__(self, app: App, manager: ResilienceManager, *, pages: tuple[str, ...] = PATHS) -> None:
        self._inner = app
        self._manager = manager
        self._pages = frozenset(pages)
        self._served: CorrelationMiddleware | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in self._pages:
            await self._manager.app(scope, receive, send)
        else:
            await self._started()(scope, receive, send)

    def _started(self) -> CorrelationMiddleware:
        # Built late: the tracer provider exists from the manager's start on.
        if self._served is None:
            self._manager.start()
            self._served = CorrelationMiddleware(
                self._inner, provider=self._manager.provider, logger=self._manager.logger
            )
        return self._served

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        waiting = [await receive()]
        try:
            self._started()
        except (ServerError, FolderError) as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return

        async def received() -> Message:
            return waiting.pop() if waiting else await receive()

        async def sent(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await asyncio.to_thread(self._stop)
            await send(message)

        try:
            await self._inner(scope, received, sent)
        finally:
            self._stop()

    def _stop(self) -> None:
        self._manager.stop()
        self._served = None


def install(
    app: App | _TakesMiddleware,
    registry: Registry,
    *,
    service_name: str | None = None,
    service_version: str = "",
    exporter: ExporterSettings | None = None,
    otlp: OtlpSettings | None = None,
    logs: Style | None = "json",
    log_stream: TextIO | None = None,
    metrics: CollectorRegistry | None = None,
    checks: Mapping[str, Check] | None = None,
    pages: tuple[str, ...] = PATHS,
    processes: str | os.PathLike[str] | None = None,
) -> Any:
    """Set up an ASGI application in one call and return what to serve.

    A Starlette or FastAPI application takes it as its outermost middleware and is returned itself; any other
    is returned wrapped. ``exporter`` opens a port of its own besides; ``pages=()`` keeps the exporter's paths
    off the application. The other settings are those of `ResilienceManager`.
    """
    manager = ResilienceManager(
        registry,
        service_name if service_name is not None else registry.service,
        service_version=service_version,
        exporter=exporter,
        otlp=otlp,
        logs=logs,
        log_stream=log_stream,
        metrics=metrics,
        checks=checks,
        processes=processes,
    )
    if hasattr(app, "add_middleware"):
        app.add_middleware(AppStartup, manager=manager, pages=pages)
        return app
    return AppStartup(app, manager, pages=pages)
