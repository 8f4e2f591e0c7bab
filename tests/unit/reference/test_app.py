"""The app's own answers to requests that are wrong or take too long."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from reference.app import create_app
from reference.service_time import RequestTimeout
from reference.settings import Settings


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "/reconciliations/monday", b"", "YYYY-MM-DD"),
        ("GET", "/analytics/2026-13-01", b"", "YYYY-MM-DD"),
        ("POST", "/reports", b"{", "JSON"),
        ("POST", "/reports", b"[]", "JSON"),
        ("POST", "/reports", b'{"id": 1, "to": "a", "day": "x"}', "YYYY-MM-DD"),
        ("PUT", "/files/a", bytes(1_000_001), "1000000 bytes"),
    ],
)
async def test_a_wrong_request_is_told_what_to_mend(
    tmp_path: Path, method: str, path: str, body: bytes, says: str
) -> None:
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'ledger.sqlite'}", data=tmp_path))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        answer = await client.request(method, path, content=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]


async def test_a_request_that_takes_too_long_gets_an_answer_and_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    transport = httpx.ASGITransport(RequestTimeout(never, seconds=0.01))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.get("/")
    assert answer.status_code == 503
    assert json.loads(answer.content)["title"] == "Took too long"
    assert cancelled.is_set()


async def test_a_timeout_of_the_app_s_own_is_not_taken_for_ours() -> None:
    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError

    transport = httpx.ASGITransport(RequestTimeout(raising, seconds=10.0))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        with pytest.raises(TimeoutError):
            await client.get("/")
