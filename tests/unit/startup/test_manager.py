"""Everything around a registry, started and stopped."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog

from seawall.exporter import ServerError
from seawall.resilience import ConfigurationError, Registry
from seawall.startup import ExporterSettings, OtlpSettings, ResilienceManager


@pytest.fixture
def registry() -> Registry:
    return Registry("shop")


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def fail() -> None:
    raise ConnectionError


def test_start_and_stop_once_or_often(registry: Registry) -> None:
    stream = io.StringIO()
    manager = ResilienceManager(
        registry, "shop", service_version="2", exporter=ExporterSettings(port=0), log_stream=stream
    )
    guard = registry.guard("bank")
    assert manager.server is not None
    for _ in range(2):
        manager.start()
        manager.start()
        text = httpx.get(f"http://127.0.0.1:{manager.server.port}/metrics").text
        assert 'service_name="shop",service_version="2"' in text
        with pytest.raises(ConnectionError):
            guard.call(fail)
        manager.stop()
        manager.stop()
    with pytest.raises(ConnectionError):
        guard.call(fail)
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["call.failed", "call.failed"]


def test_as_a_context(registry: Registry) -> None:
    with ResilienceManager(registry, "shop", exporter=ExporterSettings(port=0), logs=None) as manager:
        assert manager.server is not None
        assert httpx.get(f"http://127.0.0.1:{manager.server.port}/api/health/live").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{manager.server.port}/api/health/live")


def test_a_taken_port_leaves_nothing_running(registry: Registry) -> None:
    stream = io.StringIO()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = ExporterSettings(port=taken.getsockname()[1])
        manager = ResilienceManager(registry, "shop", exporter=settings, log_stream=stream)
        with pytest.raises(ServerError, match="in use"):
            manager.start()
    with pytest.raises(ConnectionError):
        registry.guard("bank").call(fail)
    assert stream.getvalue() == ""
    manager.start()
    manager.stop()


def test_every_problem_is_named_at_once() -> None:
    wrong: dict[str, Any] = {"exporter": 9464, "otlp": "http://x", "logs": "xml"}
    with pytest.raises(ConfigurationError) as raised:
        ResilienceManager("registry", " ", **wrong)  # type: ignore[arg-type]
    assert len(raised.value.problems) == 5


def test_a_collector_that_is_not_there_costs_nothing(registry: Registry) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: refused
        otlp = OtlpSettings(
            endpoint=f"http://127.0.0.1:{unused.getsockname()[1]}", protocol="http", timeout=0.2,
            shutdown_deadline=2.0,
        )  # fmt: skip
        manager = ResilienceManager(registry, "shop", otlp=otlp, logs=None)
        manager.start()
        assert registry.guard("bank").call(lambda: "fine") == "fine"
        manager.stop()
    lost = manager.dropped.counts()
    assert sum(count for (signal, _), count in lost.items() if signal == "spans") == 2
