"""One request's id and trace wherever its work goes: a WSGI service, pools of threads, tasks, worker threads,
hedges, shared calls. The bank that is asked is a real server.
"""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from seawall.integrations.httpx import instrument
from seawall.integrations.wsgi import CorrelationMiddleware
from seawall.resilience import Breaker, Coalesce, Hedge, Registry, Retry, Timeout
from seawall.telemetry import catalog, correlation, logs
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.event_log import EventLog
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.source import Source
from seawall.telemetry.tracing import Tracing

ID = "checkout-42.a_B"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
SENT = {"X-Request-ID": ID, "traceparent": PARENT, "tracestate": "vendor=1"}
PATIENCE = 20.0


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Served:
    """A WSGI application on a thread."""

    def __init__(self, app: Any) -> None:
        self._server = make_server("127.0.0.1", 0, app, handler_class=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()


class Bank:
    """Answers 503 once, then 200; remembers what it was asked with."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        names = ("HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT", "HTTP_TRACESTATE")
        self.asked.append({name: environ.get(name, "") for name in names})
        start_response("503 No" if len(self.asked) == 1 else "200 OK", [("Content-Type", "text/plain")])
        return [b"fine"]


class Shop:
    """A service with one guard, and everything that it reports with."""

    def __init__(self, bank: str) -> None:
        self.registry = Registry("shop")
        self.stream, self.spans = io.StringIO(), InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.log = logs.logger("json", stream=self.stream)
        Tracing(self.registry, self.provider).start()
        self.registry.subscribe(EventLog(self.log, Dropped()).on_event, name="logs")
        self.bank = bank
        self.client = httpx.Client()
        instrument(self.client)

    def ask(self) -> str:
        answer = self.client.get(self.bank)
        answer.raise_for_status()
        return answer.text

    def serve(self, work: Callable[[], str]) -> Any:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            text = work()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [text.encode()]

        return CorrelationMiddleware(app, provider=self.provider, logger=self.log)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name == name]


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
def shop(bank: Bank) -> Iterator[Shop]:
    with Served(bank) as address:
        yield Shop(address)


def retried(shop: Shop) -> Callable[[], str]:
    retry = Retry(attempts=3, base_delay=0.001)
    return shop.registry.guard("bank", breaker=Breaker(), retry=retry)(shop.ask)


def here(shop: Shop) -> str:
    return retried(shop)()


def in_a_pool(shop: Shop) -> str:
    with ThreadPoolExecutor(1) as pool:
        return correlation.submit(pool, retried(shop)).result(PATIENCE)


def carried_to_a_thread(shop: Shop) -> str:
    found: list[str] = []
    asked = correlation.carry(retried(shop))
    thread = threading.Thread(target=lambda: found.append(asked()))
    thread.start()
    thread.join(PATIENCE)
    return found[0]


def in_a_thread_of_a_loop(shop: Shop) -> str:
    return asyncio.run(asyncio.to_thread(retried(shop)))


def in_an_executor_of_a_loop(shop: Shop) -> str:
    async def main() -> str:
        with ThreadPoolExecutor(1) as pool:
            return await asyncio.get_running_loop().run_in_executor(pool, correlation.carry(retried(shop)))

    return asyncio.run(main())


def in_a_task(shop: Shop) -> str:
    async def main() -> str:
        async def work() -> str:
            return retried(shop)()

        return await asyncio.create_task(work())

    return asyncio.run(main())


def on_a_worker_thread(shop: Shop) -> str:
    retry = Retry(attempts=3, base_delay=0.001)
    timeout = Timeout(attempt=PATIENCE, threads=2)
    return shop.registry.guard("bank", breaker=Breaker(), retry=retry, timeout=timeout)(shop.ask)()


PLACES = [
    here,
    in_a_pool,
    carried_to_a_thread,
    in_a_thread_of_a_loop,
    in_an_executor_of_a_loop,
    in_a_task,
    on_a_worker_thread,
]


@pytest.mark.parametrize("place", PLACES)
def test_one_id_and_one_trace(shop: Shop, bank: Bank, place: Callable[[Shop], str]) -> None:
    with Served(shop.serve(lambda: place(shop))) as address:
        answer = httpx.get(address, headers=SENT)
    assert (answer.status_code, answer.text, answer.headers["x-request-id"]) == (200, "fine", ID)
    assert [line["event"] for line in shop.lines] == ["retry.scheduled", "request.served"]
    assert {(line["correlation_id"], line["trace_id"]) for line in shop.lines} == {(ID, TRACE)}
    spans = shop.spans.get_finished_spans()
    assert {format_trace_id(span.context.trace_id) for span in spans if span.context} == {TRACE}
    (call,) = shop.named(catalog.SPAN_CALL)
    (server,) = shop.named("GET")
    assert call.parent is not None
    assert server.context is not None
    assert call.parent.span_id == server.context.span_id
    assert (call.attributes or {})[catalog.ATTR_CORRELATION_ID] == ID
    attempts = [format_span_id(s.context.span_id) for s in shop.named(catalog.SPAN_ATTEMPT) if s.context]
    assert [asked["HTTP_TRACEPARENT"] for asked in bank.asked] == [f"00-{TRACE}-{s}-01" for s in attempts]
    assert {asked["HTTP_X_REQUEST_ID"] for asked in bank.asked} == {ID}
    assert {asked["HTTP_TRACESTATE"] for asked in bank.asked} == {"vendor=1"}
    found = exemplars(shop.registry)
    assert set(found) == {catalog.CALL_DURATION.bucket, catalog.ATTEMPT_DURATION.bucket, catalog.RETRIES.name}
    for labels in found.values():
        assert (labels["correlation_id"], labels["trace_id"]) == (ID, TRACE)
    assert correlation.current() == ""


def exemplars(registry: Registry) -> dict[str, dict[str, str]]:
    page = MetricsPage(Source(registry)).openmetrics().decode()
    samples = [s for family in text_string_to_metric_families(page) for s in family.samples]
    return {s.name: s.exemplar.labels for s in samples if s.exemplar is not None}


def test_an_error_that_the_user_sees(shop: Shop) -> None:
    guard = shop.registry.guard("bank", breaker=Breaker())
    guard.force("forced_open")
    with Served(shop.serve(guard(shop.ask))) as address:
        answer = httpx.get(address, headers=SENT)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["correlation_id"] == answer.headers["x-request-id"] == ID
    lines = [line for line in shop.lines if line["event"] != "breaker.transition"]
    assert [line["event"] for line in lines] == ["call.rejected", "call.failed", "request.served"]
    assert {(line["correlation_id"], line["trace_id"]) for line in lines} == {(ID, TRACE)}
    assert exemplars(shop.registry)[catalog.REJECTIONS.name]["correlation_id"] == ID


async def test_copies_of_a_hedged_call_are_asked_within_its_attempt(shop: Shop) -> None:
    guard = shop.registry.guard("bank", hedge=Hedge(delay=0.001))
    both = asyncio.Event()
    seen: list[tuple[str, str]] = []

    @guard
    async def ask() -> str:
        headers: dict[str, str] = {}
        async with httpx.AsyncClient() as client:
            instrument(client)
            client.event_hooks["request"].append(_noting(headers))
            await client.get(shop.bank)
        seen.append((headers["x-request-id"], headers["traceparent"]))
        if len(seen) == 2:
            both.set()
        await both.wait()
        return "fine"

    with correlation.using(ID):
        assert await ask() == "fine"
    (attempt,) = shop.named(catalog.SPAN_ATTEMPT)
    assert attempt.context is not None
    parent = f"00-{attempt.context.trace_id:032x}-{attempt.context.span_id:016x}-"
    assert [(identifier, sent[: len(parent)]) for identifier, sent in seen] == [(ID, parent)] * 2


def _noting(headers: dict[str, str]) -> Any:
    async def note(request: httpx.Request) -> None:
        headers.update(request.headers)

    return note


async def test_who_shares_a_call_keeps_his_own_id(shop: Shop) -> None:
    guard = shop.registry.guard("bank", coalesce=Coalesce(key=lambda *_: "same"))
    gate = asyncio.Event()

    @guard
    async def ask() -> str:
        await gate.wait()
        return correlation.current()

    async def caller(identifier: str) -> tuple[str, str]:
        with correlation.using(identifier):
            return await ask(), correlation.current()

    tasks = [asyncio.create_task(caller(identifier)) for identifier in ("first", "second")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*tasks) == [("first", "first"), ("first", "second")]
    calls = shop.named(catalog.SPAN_CALL)
    assert {(span.attributes or {})[catalog.ATTR_CORRELATION_ID] for span in calls} == {"first", "second"}
    (wait,) = shop.named(catalog.SPAN_WAIT)
    assert (wait.attributes or {})[catalog.ATTR_WAIT_REASON] == "coalesce"
