"""The ASGI middleware: ids in and out, the server span, the access line, errors as problem details."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from seawall.integrations.asgi import CorrelationMiddleware, Receive, Scope, Send
from seawall.integrations.exchange import ACCESS
from seawall.integrations.starlette import install_problems
from seawall.resilience import BreakerOpen, RateLimited, TimedOut
from seawall.telemetry import correlation, logs

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
ERRORS = {
    "open": BreakerOpen("bank", "breaker", "open", 12.2),
    "flood": RateLimited("bank", "rate_limit", "exceeded", 0.01),
    "late": TimedOut("bank", "total", 5.0),
    "bug": RuntimeError("password=hunter2"),
}


async def hello(request: Request) -> Response:
    return PlainTextResponse(correlation.current())


async def fail(request: Request) -> Response:
    raise ERRORS[request.path_params["how"]]


class Served:
    """An application behind the middleware, and what it leaves."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.stream = io.StringIO()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.spans))

    def client(self, app: Any = None, *, problems: bool = False) -> httpx.AsyncClient:
        settings: Any = {"provider": self.provider, "logger": logs.logger("json", stream=self.stream)}
        served: Any
        if app is not None:
            served = CorrelationMiddleware(app, **settings)
        else:
            served = Starlette(routes=[Route("/hello/{name}", hello), Route("/fail/{how}", fail)])
            served.add_middleware(CorrelationMiddleware, **settings)
            if problems:
                install_problems(served)
        transport = httpx.ASGITransport(app=served, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://shop")

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.spans.get_finished_spans()
        return span


@pytest.fixture
def served() -> Served:
    return Served()


async def test_the_callers_id_and_trace_are_taken_over(served: Served) -> None:
    async with served.client() as http:
        answer = await http.get(
            "/hello/x?token=hunter2", headers={"X-Request-ID": "abc-1", "traceparent": PARENT}
        )
    assert answer.text == "abc-1"
    assert answer.headers.get_list("x-request-id") == ["abc-1"]
    attributes = dict(served.span.attributes or {})
    assert served.span.name == "GET /hello/{name}"
    assert served.span.kind is trace.SpanKind.SERVER
    assert served.span.context is not None
    assert format(served.span.context.trace_id, "032x") == TRACE
    assert attributes["http.response.status_code"] == 200
    assert attributes["url.path"] == "/hello/x"
    assert attributes["seawall.correlation_id"] == "abc-1"
    (line,) = served.lines
    assert (line["event"], line["status"], line["path"]) == (ACCESS, 200, "/hello/x")
    assert (line["correlation_id"], line["trace_id"]) == ("abc-1", TRACE)
    assert "hunter2" not in served.stream.getvalue() + served.span.to_json()


@pytest.mark.parametrize("sent", [b"", b"a b", b"x" * 65, b"\xff\xfe", b"<script>", b"a\x1b[0m"])
async def test_an_id_that_is_none_is_never_reflected(served: Served, sent: bytes) -> None:
    async with served.client() as http:
        answer = await http.get("/hello/x", headers=[(b"X-Request-ID", sent)])
    assert answer.headers["x-request-id"] == answer.text
    assert correlation.valid(answer.text)
    assert answer.text.encode() != sent


async def test_every_request_has_its_own(served: Served) -> None:
    async with served.client() as http:
        answers = await asyncio.gather(*(http.get("/hello/x") for _ in range(20)))
    assert len({answer.text for answer in answers}) == 20
    assert all(answer.text == answer.headers["x-request-id"] for answer in answers)
    assert correlation.current() == ""


@pytest.mark.parametrize("problems", [True, False])
@pytest.mark.parametrize(
    ("how", "status", "retry_after"), [("open", 503, "13"), ("flood", 429, "1"), ("late", 504, None)]
)
async def test_errors_of_guards(
    served: Served, how: str, status: int, retry_after: str | None, problems: bool
) -> None:
    async with served.client(problems=problems) as http:
        answer = await http.get(f"/fail/{how}", headers={"X-Request-ID": "abc"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == retry_after
    assert answer.headers["x-request-id"] == "abc"
    document = answer.json()
    assert document["correlation_id"] == "abc"
    assert document["status"] == status
    assert document["type"].startswith("urn:seawall:")
    assert dict(served.span.attributes or {})["http.response.status_code"] == status


async def test_any_other_error_says_nothing_but_its_id(served: Served) -> None:
    async with served.client() as http:
        answer = await http.get("/fail/bug", headers={"X-Request-ID": "abc"})
        head = await http.head("/fail/bug")
    assert (answer.status_code, head.status_code, head.content) == (500, 500, b"")
    assert answer.headers["x-request-id"] == "abc"
    assert answer.json()["correlation_id"] == "abc"
    first, _ = served.spans.get_finished_spans()
    assert dict(first.attributes or {})["error.type"] == "RuntimeError"
    assert "hunter2" not in answer.text + served.stream.getvalue() + first.to_json()


async def raising(scope: Scope, receive: Receive, send: Send) -> None:
    raise ERRORS["bug"]


async def test_without_a_framework(served: Served) -> None:
    async with served.client(raising) as http:
        answer = await http.get("/x")
    assert answer.status_code == 500
    assert answer.json()["status"] == 500
    assert dict(served.span.attributes or {})["error.type"] == "RuntimeError"
    assert served.span.name == "GET"
    assert served.lines[0]["error"] == "RuntimeError"
    assert served.lines[0]["level"] == "warning"


async def half(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Request-Id", b"mine")]})
    raise ERRORS["open"]


async def test_an_answer_that_began_is_left_as_it_is(served: Served) -> None:
    sent: list[Any] = []
    middleware = CorrelationMiddleware(half, provider=served.provider)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    with pytest.raises(BreakerOpen):
        await middleware({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
    (start,) = sent
    assert [k for k, _ in start["headers"]].count(b"x-request-id") == 1
    assert (b"X-Request-Id", b"mine") not in start["headers"]


async def test_nor_after_a_bug_in_its_middle(served: Served) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def buggy(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ERRORS["bug"]

    middleware = CorrelationMiddleware(buggy, provider=served.provider)
    with pytest.raises(RuntimeError):
        await middleware({"type": "http", "method": "GET", "path": "/", "headers": []}, waiting, send)  # type: ignore[arg-type]
    assert [message["status"] for message in sent] == [200]
    assert dict(served.span.attributes or {})["error.type"] == "RuntimeError"


async def test_a_caller_who_is_not_sampled_is_heeded(served: Served) -> None:
    async with served.client() as http:
        headers = {"X-Request-ID": "abc", "traceparent": PARENT[:-2] + "00"}
        assert (await http.get("/hello/x", headers=headers)).text == "abc"
    assert served.spans.get_finished_spans() == ()
    assert [line["trace_id"] for line in served.lines] == [TRACE]


async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


async def test_a_cancelled_request_ends_its_span_and_passes(served: Served) -> None:
    middleware = CorrelationMiddleware(waiting, provider=served.provider)

    async def nothing(*_: Any) -> Any:
        return {}

    task = asyncio.create_task(
        middleware({"type": "http", "method": "BREW", "path": "/", "headers": []}, nothing, nothing)
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert served.span.name == "HTTP"


async def test_what_is_no_request_passes_through() -> None:
    seen: list[Scope] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    nothing: Callable[..., Any] = lambda *_: None  # noqa: E731
    scope: Scope = {"type": "lifespan"}
    await CorrelationMiddleware(inner)(scope, nothing, nothing)
    assert seen == [scope]


async def test_hostile_paths_stay_on_one_line(served: Served) -> None:
    async with served.client() as http:
        await http.get("/hello/%0d%0aX-Evil:%20%E2%80%A8%1b[31m" + "y" * 5000)
    assert len(served.stream.getvalue().splitlines()) == 1
    assert len(served.stream.getvalue()) < 1500


async def parked(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(3600)


async def test_opentelemetry_python_2606_a_request_ended_from_elsewhere_ends_without_complaint(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async def nothing(*_: Any) -> Any:
        return {}

    middleware = CorrelationMiddleware(parked, provider=served.provider)
    request: Any = middleware({"type": "http", "path": "/", "headers": []}, nothing, nothing)
    copy_context().run(request.send, None)
    with caplog.at_level(logging.DEBUG, "opentelemetry"):
        copy_context().run(request.close)
    assert caplog.records == []
    assert served.span.name == "HTTP"
    assert correlation.current() == ""
