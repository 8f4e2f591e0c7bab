"""The exporter as an ASGI application: seven paths, GET and HEAD only."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Final

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seawall.exporter import pages, readiness
from seawall.exporter.negotiation import wants_gzip, wants_openmetrics
from seawall.resilience import Registry
from seawall.telemetry import exposition
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source

METRICS: Final = "/metrics"
LIVE: Final = "/api/health/live"
READY: Final = "/api/health/ready"
RESILIENCE: Final = "/api/health/resilience"
NUMBERS: Final = "/api/health/metrics"
DEPENDENCIES: Final = "/api/health/dependencies"
POLICIES: Final = "/api/policies"
PATHS: Final = (METRICS, LIVE, READY, RESILIENCE, NUMBERS, DEPENDENCIES, POLICIES)

#: Below this a compressed page is hardly smaller.
_GZIP_FROM = 1024
#: A higher level costs many times the rendering and saves little.
_GZIP_LEVEL = 1
_SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def create_app(
    registry: Registry,
    *,
    service: Service | None = None,
    metrics: CollectorRegistry | None = None,
    checks: Mapping[str, readiness.Check] | None = None,
    dropped: Dropped | None = None,
    source: Source | None = None,
) -> Starlette:
    """The application over a registry's guards.

    ``metrics`` is a prometheus_client registry whose families come out on the same page. ``checks`` are the
    service's own questions for readiness. ``dropped`` is shared with whatever else may lose telemetry.
    ``source``: where the numbers come from, when not from the registry alone.
    """
    source = source or Source(registry, service=service, dropped=dropped)
    exporter = _Exporter(registry, source, metrics, dict(checks or {}))
    endpoints = {
        METRICS: exporter.metrics,
        LIVE: exporter.live,
        READY: exporter.ready,
        RESILIENCE: exporter.resilience,
        NUMBERS: exporter.numbers,
        DEPENDENCIES: exporter.dependencies,
        POLICIES: exporter.policies,
    }
    routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in endpoints.items()]
    app = Starlette(routes=routes, exception_handlers={Exception: _failed})
    # A redirect would repeat whatever host the client has named.
    app.router.redirect_slashes = False
    return app


class _Exporter:
    """The endpoints. Those that read ledgers do so off the event loop, on threads that no service needs."""

    def __init__(
        self,
        registry: Registry,
        source: Source,
        metrics: CollectorRegistry | None,
        checks: dict[str, readiness.Check],
    ) -> None:
        self._registry = registry
        self._checks = checks
        self._source = source
        self._page = MetricsPage(source, metrics)
        # A service's own collector that hangs takes no thread of the health pages.
        self._scrapes = _Threads("scrapes")
        self._pages = _Threads("pages")

    async def metrics(self, request: Request) -> Response:
        return await self._scrapes.run(lambda: self._metrics(request))

    def _metrics(self, request: Request) -> Response:
        openmetrics = wants_openmetrics(_joined(request, "accept"))
        body = self._page.openmetrics() if openmetrics else self._page.text()
        headers = {**_SAFE, "Vary": "Accept, Accept-Encoding"}
        headers["Content-Type"] = exposition.OPENMETRICS if openmetrics else exposition.TEXT
        if len(body) >= _GZIP_FROM and wants_gzip(_joined(request, "accept-encoding")):
            body = gzip.compress(body, _GZIP_LEVEL)
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers)

    async def live(self, request: Request) -> Response:
        return _json({"status": "alive"})

    async def ready(self, request: Request) -> Response:
        checks = await readiness.answers(self._checks)
        ready, document = pages.readiness(self._registry, checks)
        return _json(document, 200 if ready else 503)

    async def resilience(self, request: Request) -> Response:
        return await self._pages.run(lambda: _json(pages.resilience(self._registry)))

    async def numbers(self, request: Request) -> Response:
        return await self._pages.run(lambda: _json(pages.numbers(self._source)))

    async def dependencies(self, request: Request) -> Response:
        return await self._pages.run(lambda: _json(pages.dependencies(self._registry)))

    async def policies(self, request: Request) -> Response:
        return await self._pages.run(lambda: _json(self._registry.describe()))


class _Threads:
    """Two at a time in each event loop: more would be no faster, and keep the event loop from its turn."""

    def __init__(self, name: str) -> None:
        self._limiter: RunVar[CapacityLimiter] = RunVar(name)

    async def run(self, page: Callable[[], Response]) -> Response:
        limiter = self._limiter.get(None)
        if limiter is None:
            self._limiter.set(limiter := CapacityLimiter(2))
        return await to_thread.run_sync(page, limiter=limiter)


def _joined(request: Request, header: str) -> str:
    return ",".join(request.headers.getlist(header))


def _json(document: object, status: int = 200) -> Response:
    return Response(json.dumps(document), status, {**_SAFE, "Content-Type": "application/json"})


async def _failed(request: Request, error: Exception) -> Response:
    return _json({"status": "error"}, 500)
