"""One request, followed by one id: response header, log lines, spans over OTLP, exemplars in /metrics.

A service and the bank it depends on, both real servers on real sockets; the trace leaves by OTLP.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reference.otlp_receiver import Receiver
from seawall.integrations.httpx import instrument
from seawall.resilience import Breaker, Registry, Retry
from seawall.startup import ExporterSettings, OtlpSettings, install
from seawall.telemetry import catalog

ID = "checkout-42.a_B"
PATIENCE = 20.0


class Running:
    """An ASGI application on a thread, lifespan and all."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
            assert self._thread.is_alive()
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)


@dataclass
class Bank:
    """Answers 503 so many times; remembers what it was asked with."""

    failures: int
    asked: list[dict[str, str]] = field(default_factory=list)

    async def statements(self, request: Request) -> Response:
        self.asked.append(dict(request.headers))
        if self.failures:
            self.failures -= 1
            return PlainTextResponse("out of order", 503)
        return PlainTextResponse("fine")


@dataclass
class Trail:
    """All that one request left behind."""

    answer: httpx.Response
    asked: list[dict[str, str]]
    lines: list[dict[str, Any]]
    spans: list[dict[str, Any]]
    page: str

    def named(self, name: str) -> list[dict[str, Any]]:
        return [span for span in self.spans if span["name"] == name]


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def shop(registry: Registry, bank: str) -> Starlette:
    guard = registry.guard("bank", breaker=Breaker(), retry=Retry(attempts=3, base_delay=0.001))

    @guard
    async def statements(client: httpx.AsyncClient) -> str:
        answer = await client.get(bank + "/statements")
        answer.raise_for_status()
        return answer.text

    async def order(request: Request) -> Response:
        async with httpx.AsyncClient() as client:
            instrument(client)
            structlog.get_logger().info("order.begun")
            return PlainTextResponse(await statements(client))

    return Starlette(routes=[Route("/orders/{number}", order, methods=["POST"])])


def follow(folder: Path, failures: int) -> Trail:
    """Send one request with an id while the bank fails so often; collect its trail."""
    bank, stream, file = Bank(failures), io.StringIO(), folder / "spans.jsonl"
    registry = Registry("shop")
    with (
        Receiver(file) as receiver,
        Running(Starlette(routes=[Route("/statements", bank.statements)])) as address,
    ):
        app = install(
            shop(registry, address),
            registry,
            exporter=ExporterSettings(port=0),
            otlp=OtlpSettings(
                endpoint=f"http://127.0.0.1:{receiver.grpc_port}", interval=0.05, shutdown_deadline=PATIENCE
            ),
            log_stream=stream,
        )
        with Running(app) as service:
            answer = httpx.post(f"{service}/orders/1", headers={"X-Request-ID": ID})
            openmetrics = {"Accept": "application/openmetrics-text;version=1.0.0"}
            page = httpx.get(f"{service}/metrics", headers=openmetrics).text
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    spans = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return Trail(answer, bank.asked, lines, spans, page)


@pytest.fixture(scope="module")
def retried(tmp_path_factory: pytest.TempPathFactory) -> Trail:
    return follow(tmp_path_factory.mktemp("retried"), failures=1)


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Trail:
    return follow(tmp_path_factory.mktemp("failed"), failures=99)


def test_the_response_header(retried: Trail) -> None:
    assert (retried.answer.status_code, retried.answer.text) == (200, "fine")
    assert retried.answer.headers["x-request-id"] == ID


def test_every_log_line(retried: Trail) -> None:
    assert [line["event"] for line in retried.lines] == ["order.begun", "retry.scheduled", "request.served"]
    assert {line["correlation_id"] for line in retried.lines} == {ID}
    assert len({line["trace_id"] for line in retried.lines}) == 1
    (scheduled,) = [line for line in retried.lines if line["event"] == "retry.scheduled"]
    assert (scheduled["dependency"], scheduled["error"]) == ("bank", "HTTPStatusError")


def test_every_span(retried: Trail) -> None:
    (call,) = retried.named(catalog.SPAN_CALL)
    first, second = retried.named(catalog.SPAN_ATTEMPT)
    (wait,) = retried.named(catalog.SPAN_WAIT)
    (server,) = [span for span in retried.spans if span["kind"] == "SERVER"]
    assert server["name"] == "POST /orders/{number}"
    assert server["attributes"][catalog.ATTR_CORRELATION_ID] == ID
    assert call["attributes"][catalog.ATTR_CORRELATION_ID] == ID
    assert call["parent_span_id"] == server["span_id"]
    assert {span["parent_span_id"] for span in (first, second, wait)} == {call["span_id"]}
    assert {span["trace_id"] for span in retried.spans} == {retried.lines[0]["trace_id"]}
    assert first["attributes"][catalog.ATTR_ERROR_TYPE] == "HTTPStatusError"


def test_what_the_bank_was_asked_with(retried: Trail) -> None:
    assert [asked["x-request-id"] for asked in retried.asked] == [ID, ID]
    parents = [asked["traceparent"].split("-")[2] for asked in retried.asked]
    assert parents == [span["span_id"] for span in retried.named(catalog.SPAN_ATTEMPT)]


def test_the_exemplars(retried: Trail) -> None:
    (call,) = retried.named(catalog.SPAN_CALL)
    found = {
        sample.name: sample.exemplar
        for family in text_string_to_metric_families(retried.page)
        for sample in family.samples
        if sample.exemplar is not None
    }
    expected = {catalog.CALL_DURATION.bucket, catalog.ATTEMPT_DURATION.bucket, catalog.RETRIES.name}
    assert set(found) == expected
    for exemplar in found.values():
        assert exemplar.labels["correlation_id"] == ID
        assert exemplar.labels["trace_id"] == call["trace_id"]
    assert found[catalog.CALL_DURATION.bucket].labels["span_id"] == call["span_id"]


def test_a_request_that_failed_for_good(failed: Trail) -> None:
    assert failed.answer.status_code == 500
    assert failed.answer.headers["content-type"] == "application/problem+json"
    assert failed.answer.headers["x-request-id"] == failed.answer.json()["correlation_id"] == ID
    assert [line["event"] for line in failed.lines] == [
        "order.begun",
        "retry.scheduled",
        "retry.scheduled",
        "retry.exhausted",
        "call.failed",
        "request.served",
    ]
    assert {line["correlation_id"] for line in failed.lines} == {ID}
    assert len(failed.named(catalog.SPAN_ATTEMPT)) == len(failed.asked) == 3
    (call,) = failed.named(catalog.SPAN_CALL)
    assert call["attributes"][catalog.ATTR_OUTCOME] == "failure"
    assert "out of order" not in json.dumps([failed.lines, failed.spans]) + failed.page
