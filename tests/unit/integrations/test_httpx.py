"""Outbound requests of httpx."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, use_span

from seawall.integrations.httpx import instrument
from seawall.telemetry import correlation


def echo(request: httpx.Request) -> httpx.Response:
    kept = ("traceparent", "x-request-id")
    return httpx.Response(200, json={name: request.headers.get_list(name) for name in kept})


@pytest.fixture
def span() -> Iterator[Span]:
    provider = TracerProvider(shutdown_on_exit=False)
    with correlation.using("abc"), provider.get_tracer("test").start_as_current_span("s") as current:
        yield current


def expected(span: Span) -> dict[str, list[str]]:
    context = span.get_span_context()
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return {"traceparent": [parent], "x-request-id": ["abc"]}


def test_a_client_carries_the_context(span: Span) -> None:
    with httpx.Client(transport=httpx.MockTransport(echo)) as client:
        instrument(client)
        instrument(client)
        assert client.get("http://bank/").json() == expected(span)


async def test_so_does_an_asynchronous_one(span: Span) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(echo)) as client:
        instrument(client)
        instrument(client)
        with use_span(span), correlation.using("abc"):
            assert (await client.get("http://bank/")).json() == expected(span)


def test_hooks_of_the_service_stay() -> None:
    seen: list[str] = []
    hooks = {"request": [lambda request: seen.append(str(request.url))]}
    client = httpx.Client(transport=httpx.MockTransport(echo), event_hooks=hooks)
    instrument(client)
    assert client.get("http://bank/").json() == {"traceparent": [], "x-request-id": []}
    assert seen == ["http://bank/"]
