"""The exporter's pages, asked over ASGI."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from seawall.exporter import PATHS, create_app
from seawall.resilience import Breaker, Fallback, Guard, Registry
from seawall.telemetry import catalog, exposition
from seawall.telemetry.service import Service

SECRETS = ("hunter2", "db.internal", "Traceback")


@pytest.fixture
def registry() -> Registry:
    return Registry("shop")


@pytest.fixture
def bank(registry: Registry) -> Guard:
    """Critical, with nothing to fall back on."""
    return registry.guard(
        "bank", breaker=Breaker(minimum_calls=2), criticality="critical", operations=("pay", "list")
    )


@pytest.fixture
def cache(registry: Registry) -> Guard:
    return registry.guard("cache", breaker=Breaker(minimum_calls=2), fallback=Fallback(default=None))


def client(registry: Registry, **settings: Any) -> httpx.AsyncClient:
    app = create_app(registry, service=Service(name="shop", instance_id="x"), **settings)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://exporter"
    )


def fail() -> None:
    raise ConnectionError("postgresql://app:hunter2@db.internal/x")


def kill(call: Callable[..., Any]) -> None:
    for _ in range(4):
        try:
            call(fail)
        except Exception:
            continue


async def document(registry: Registry, path: str, **settings: Any) -> tuple[int, dict[str, Any]]:
    async with client(registry, **settings) as http:
        answer = await http.get(path)
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return answer.status_code, found


@pytest.mark.usefixtures("bank")
async def test_text_is_what_one_gets_without_asking(registry: Registry) -> None:
    async with client(registry) as http:
        answer = await http.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert answer.headers["content-type"] == exposition.TEXT
    families = {family.name: family for family in parse_text(answer.text)}
    assert families[catalog.CALLS.family].type == "counter"
    assert "content-encoding" not in answer.headers


@pytest.mark.usefixtures("bank")
async def test_openmetrics_when_asked_for(registry: Registry) -> None:
    async with client(registry) as http:
        answer = await http.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"] == exposition.OPENMETRICS
    assert catalog.CALLS.family in {family.name for family in parse_openmetrics(answer.text)}


@pytest.mark.usefixtures("bank")
async def test_gzip_when_asked_for(registry: Registry) -> None:
    async with (
        client(registry) as http,
        http.stream("GET", "/metrics", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert catalog.CALLS.name.encode() in gzip.decompress(raw)


async def test_the_services_own_metrics_that_fail_leave_a_page(registry: Registry, bank: Guard) -> None:
    class Broken:
        def describe(self) -> list[Any]:
            return []

        def collect(self) -> Iterator[Any]:
            raise RuntimeError("db.internal")

    own = CollectorRegistry()
    own.register(Broken())
    async with client(registry, metrics=own) as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert 'reason="collector_failed"} 1' in answer.text
    assert f'dependency="{bank.name}"' in answer.text


@pytest.mark.usefixtures("bank", "cache")
@pytest.mark.parametrize("path", PATHS)
async def test_reading_only(registry: Registry, path: str) -> None:
    async with client(registry) as http:
        assert (await http.get(path)).status_code == 200
        head = await http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert (await http.request(method, path)).status_code == 405
        assert (await http.get(path)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics/x", "/api/health", "/docs", "/../etc/passwd"])
async def test_nothing_else_is_there(registry: Registry, path: str) -> None:
    async with client(registry) as http:
        assert (await http.get(path)).status_code == 404


async def test_no_page_tells_a_secret(registry: Registry, bank: Guard, cache: Guard) -> None:
    kill(bank.operation("pay").call)
    kill(cache.call)

    def check() -> bool:
        raise RuntimeError("db.internal")

    async with client(registry, checks={"database": check}) as http:
        for path in PATHS:
            text = (await http.get(path)).text
            assert not any(secret in text for secret in SECRETS), path


async def test_a_failing_page_says_no_more_than_that(
    registry: Registry, bank: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("db.internal")

    monkeypatch.setattr(bank, "snapshot", broken)
    status, found = await document(registry, "/api/health/resilience")
    assert (status, found) == (500, {"status": "error"})


async def test_live_whatever_happens(registry: Registry, bank: Guard) -> None:
    kill(bank.operation("pay").call)
    assert await document(registry, "/api/health/live") == (200, {"status": "alive"})


async def test_ready_until_a_vital_dependency_is_gone(registry: Registry, bank: Guard, cache: Guard) -> None:
    kill(cache.call)
    assert cache.state == "open"
    status, found = await document(registry, "/api/health/ready")
    assert (status, found["status"]) == (200, "ready")
    kill(bank.operation("pay").call)
    status, found = await document(registry, "/api/health/ready")
    assert status == 503
    assert found == {
        "status": "not_ready",
        "blocking": [{"dependency": "bank", "state": "open"}],
        "checks": {},
    }


async def test_ready_when_the_service_says_so(registry: Registry) -> None:
    status, found = await document(registry, "/api/health/ready", checks={"migrated": lambda: False})
    assert (status, found["checks"]) == (503, {"migrated": False})


async def test_health_of_guards(registry: Registry, bank: Guard, cache: Guard) -> None:
    _, found = await document(registry, "/api/health/resilience")
    assert (found["status"], found["service"]) == ("up", "shop")
    kill(cache.call)
    _, found = await document(registry, "/api/health/resilience")
    assert found["status"] == "degraded"
    kill(bank.operation("list").call)
    _, found = await document(registry, "/api/health/resilience")
    assert found["status"] == "down"
    first, second = found["guards"]
    assert (first["name"], second["name"]) == ("bank", "cache")
    assert first["state"] == "open"
    assert first["status"] == "down"
    assert first["why_opened"]["errors"] == {"ConnectionError": 2}


async def test_dependencies(registry: Registry, bank: Guard, cache: Guard) -> None:
    kill(bank.operation("pay").call)
    _, found = await document(registry, "/api/health/dependencies")
    assert [(d["name"], d["status"], d["criticality"], d["fallback"]) for d in found["dependencies"]] == [
        ("bank", "down", "critical", False),
        ("cache", "up", "default", True),
    ]


async def test_numbers(registry: Registry, bank: Guard) -> None:
    bank.operation("pay").call(lambda: None)
    bank.operation("list").call(lambda: None)
    kill(bank.operation("pay").call)
    _, found = await document(registry, "/api/health/metrics")
    numbers = found["guards"]["bank"]
    assert numbers["calls"]["success"] == 2
    assert numbers["calls"]["failure"] + numbers["calls"]["rejected"] == 4
    assert numbers["call_duration"]["count"] == 6
    assert numbers["errors"]["ConnectionError"] == numbers["attempts"]["failure"]
    assert numbers["rejections"]["breaker/open"] == numbers["calls"]["rejected"]
    assert numbers["breaker_window_calls"] >= 2
    assert found["telemetry"]["dropped"]["spans/queue_full"] == 0


@pytest.mark.usefixtures("bank", "cache")
async def test_policies(registry: Registry) -> None:
    assert await document(registry, "/api/policies") == (200, registry.describe())
