"""Notifications of Alertmanager's webhook: taken, kept, shown in words."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from seawall.cli.annotations import Annotations, NotAnnotated
from seawall.cli.receive_access import Access

PATHS = ("/", "/notifications")
#: So many notifications at most are known to be in the file, and waiting for Grafana.
HALF_DONE = 1000


class Kept:
    """A file of notifications, one line of JSON each: ``{"received": seconds, "notification": {...}}``.

    A line is on disk when `add` returns, or `add` raises ``OSError`` and the file ends as it did before.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file = -1

    def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def add(self, notification: Mapping[str, object], received: float) -> None:
        line = json.dumps({"received": received, "notification": notification}, separators=(",", ":"))
        rest = line.encode() + b"\n"
        with self._lock:
            before = os.fstat(self._file).st_size
            try:
                while rest:
                    rest = rest[os.write(self._file, rest) :]
                if hasattr(os, "fdatasync"):
                    os.fdatasync(self._file)
            except OSError:
                self._forget_half_a_line(before)
                raise

    def _forget_half_a_line(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
        except OSError:
            # A device can't be shortened; the failure of the write is what is reported.
            return


def create_app(
    kept: Kept | None,
    *,
    show: Callable[[dict[str, object]], None],
    access: Access | None = None,
    annotations: Annotations | None = None,
    most: int,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Answers 200 only to what was kept; 5xx makes Alertmanager send again, 4xx is what it must not repeat.

    ``most`` is the largest body in bytes. What Grafana did not take is asked for again, and is then neither
    kept nor shown a second time.
    """
    door = access or Access()
    half_done: OrderedDict[bytes, None] = OrderedDict()

    async def take(request: Request) -> Response:
        if (refusal := await door.refusal(_authorization(request))) is not None:
            return PlainTextResponse("not allowed\n", refusal, {"WWW-Authenticate": door.challenge})
        body = await _body(request, most)
        if body is None:
            return PlainTextResponse(f"more than {most} bytes\n", 413)
        notification = _parsed(body)
        if notification is None:
            return PlainTextResponse("no notification of Alertmanager\n", 400)
        digest = hashlib.sha256(body).digest()
        if digest not in half_done:
            if kept is not None:
                try:
                    await run_in_threadpool(kept.add, notification, clock())
                except OSError as error:
                    return PlainTextResponse(f"not kept: {error.strerror}\n", 503)
            try:
                show(notification)
            except OSError:
                # The terminal went away; what is kept is kept.
                if kept is None:
                    return PlainTextResponse("not shown and not kept\n", 503)
        if annotations is not None:
            try:
                await run_in_threadpool(annotations.add, notification)
            except NotAnnotated as error:
                half_done[digest] = None
                if len(half_done) > HALF_DONE:
                    half_done.popitem(last=False)
                return PlainTextResponse(f"not annotated: {error}\n", 503)
            half_done.pop(digest, None)
        return Response(status_code=200)

    return Starlette(routes=[Route(path, take, methods=["POST"]) for path in PATHS])


def words(notification: Mapping[str, object]) -> Iterator[str]:
    """A line for each alert: state, severity, name, dependency, description. Safe to print."""
    alerts = notification.get("alerts")
    for alert in alerts if isinstance(alerts, list) else []:
        labels = alert.get("labels") or {}
        notes = alert.get("annotations") or {}
        where = labels.get("dependency") or labels.get("instance") or labels.get("job") or ""
        state = str(alert.get("status", "")).upper()
        since = str(alert.get("endsAt" if state == "RESOLVED" else "startsAt", ""))[11:19]
        text = notes.get("description") or notes.get("summary") or ""
        parts = (since, state, labels.get("severity", ""), labels.get("alertname", ""), where, text)
        yield printable("  ".join(str(part) for part in parts if part))


def printable(text: str) -> str:
    """Characters that would steer a terminal are written as escapes."""
    return "".join(
        char if unicodedata.category(char)[0] != "C" else char.encode("unicode_escape").decode()
        for char in text
    )


def _authorization(request: Request) -> list[bytes]:
    return [value for name, value in request.headers.raw if name == b"authorization"]


async def _body(request: Request, most: int) -> bytes | None:
    """The body; ``None`` as soon as it is known to be too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def _parsed(body: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("alerts"), list):
        return None
    good = all(
        isinstance(alert, dict)
        and isinstance(alert.get("labels"), dict)
        and isinstance(alert.get("annotations", {}), dict)
        for alert in found["alerts"]
    )
    return found if good else None
