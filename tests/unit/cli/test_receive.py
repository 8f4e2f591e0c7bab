"""`seawall receive`: what it answers, what it keeps, what it shows."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from seawall.cli.notifications import Kept, create_app, words
from seawall.cli.receive_access import Access

NOTIFICATION: dict[str, Any] = {
    "version": "4",
    "status": "firing",
    "receiver": "critical",
    "alerts": [
        {
            "status": "firing",
            "labels": {
                "alertname": "SeawallBreakerOpen",
                "severity": "critical",
                "dependency": "bank\x1b[2J",
            },
            "annotations": {"description": "bank: breaker open.\nIt asks again."},
            "startsAt": "2026-11-23T13:20:01.123Z",
            "endsAt": "0001-01-01T00:00:00Z",
        }
    ],
}


class Client:
    """Requests to an application in this process."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def request(self, method: str, path: str, **settings: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.request(method, path, **settings)

        return asyncio.run(ask())

    def post(self, path: str, **settings: Any) -> httpx.Response:
        return self.request("POST", path, **settings)


async def parts(part: bytes, count: int) -> AsyncIterator[bytes]:
    """A body without a length."""
    for _ in range(count):
        yield part


class Desk:
    """The application with a file, and what it showed."""

    def __init__(self, path: Path | None, *, token: str = "", most: int = 10_000) -> None:
        self.shown: list[dict[str, object]] = []
        self.kept = Kept(path) if path else None
        if self.kept:
            self.kept.open()
        app = create_app(
            self.kept,
            show=self.shown.append,
            access=Access(token=token),
            most=most,
            clock=lambda: 12.5,
        )
        self.client = Client(app)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "below" / "notifications.jsonl"


def test_a_notification_is_kept_and_shown(path: Path) -> None:
    desk = Desk(path)
    for _ in range(2):
        assert desk.client.post("/notifications", json=NOTIFICATION).status_code == 200
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"received": 12.5, "notification": NOTIFICATION}] * 2
    assert desk.shown == [NOTIFICATION] * 2


def test_what_came_before_is_not_overwritten(path: Path) -> None:
    assert Desk(path).client.post("/", json=NOTIFICATION).status_code == 200
    assert Desk(path).client.post("/", json=NOTIFICATION).status_code == 200
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_what_can_not_be_kept_is_asked_for_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up after half a line: 5xx, no half line, and the next one is whole."""
    desk = Desk(path)
    real, calls = os.write, 0

    def full(file: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            return real(file, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("seawall.cli.notifications.os.write", full)
    answer = desk.client.post("/notifications", json=NOTIFICATION)
    monkeypatch.undo()
    assert answer.status_code == 503
    assert desk.shown == []
    assert desk.client.post("/notifications", json=NOTIFICATION).status_code == 200
    assert [json.loads(line)["received"] for line in path.read_text(encoding="utf-8").splitlines()] == [12.5]


def test_a_device_that_takes_nothing_is_asked_for_again() -> None:
    desk = Desk(Path("/dev/full"))
    assert desk.client.post("/notifications", json=NOTIFICATION).status_code == 503


def test_a_terminal_that_went_away_loses_nothing_that_is_kept(path: Path) -> None:
    def gone(notification: dict[str, object]) -> None:
        raise BrokenPipeError

    kept = Kept(path)
    kept.open()
    assert Client(create_app(kept, show=gone, most=10_000)).post("/", json=NOTIFICATION).status_code == 200
    assert Client(create_app(None, show=gone, most=10_000)).post("/", json=NOTIFICATION).status_code == 503


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        b'{"alerts": 3}',
        b'{"alerts": [3]}',
        b'{"alerts": [{}]}',
        b"[" * 5000,
        b"\xff",
    ],
)
def test_what_is_no_notification_is_refused_for_good(path: Path, body: bytes) -> None:
    desk = Desk(path)
    assert desk.client.post("/notifications", content=body).status_code == 400
    assert path.read_bytes() == b""


def test_a_body_that_is_too_large_is_refused(path: Path) -> None:
    desk = Desk(path, most=100)
    assert desk.client.post("/notifications", json=NOTIFICATION).status_code == 413
    assert desk.client.post("/notifications", content=parts(b"x" * 60, 3)).status_code == 413
    assert path.read_bytes() == b""


def test_only_who_has_the_token_is_heard(path: Path) -> None:
    desk = Desk(path, token="hunter2")
    assert desk.client.post("/notifications", json=NOTIFICATION).status_code == 401
    wrong = {"Authorization": "Bearer hunter3"}
    assert desk.client.post("/notifications", json=NOTIFICATION, headers=wrong).status_code == 401
    right = {"Authorization": "Bearer hunter2"}
    assert desk.client.post("/notifications", json=NOTIFICATION, headers=right).status_code == 200
    assert desk.client.request("GET", "/notifications", headers=right).status_code == 405


def test_a_line_for_each_alert_that_steers_no_terminal() -> None:
    resolved = {
        "status": "resolved",
        "labels": {"alertname": "SeawallExporterGone", "severity": "critical", "job": "shop"},
        "annotations": {"summary": "No exporter."},
        "startsAt": "2026-11-23T13:20:01Z",
        "endsAt": "2026-11-23T13:25:00Z",
    }
    assert list(words({**NOTIFICATION, "alerts": [*NOTIFICATION["alerts"], resolved]})) == [
        "13:20:01  FIRING  critical  SeawallBreakerOpen  bank\\x1b[2J  bank: breaker open.\\nIt asks again.",
        "13:25:00  RESOLVED  critical  SeawallExporterGone  shop  No exporter.",
    ]
