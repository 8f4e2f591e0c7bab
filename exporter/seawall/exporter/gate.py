"""What stands before the pages: who may ask, and how much may be said."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seawall.exporter.limits import Limits

if TYPE_CHECKING:
    # It needs an extra, which a gate without a web-config does not.
    from seawall.exporter.web_access import Access

#: The one page for everybody: probes have no password, and it says one word.
OPEN_PATH = "/api/health/live"
_CHALLENGE = 'Basic realm="seawall", charset="UTF-8"'
_SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
#: Seconds between two lines about pages that fail.
_LINE_EVERY = 60.0

_log = logging.getLogger("seawall.exporter")


class Gate:
    """An application that lets requests through to another; ``access`` tells who may pass now.

    Refused are, in this order: a request line or headers over the limit, whoever has no right, and bodies.
    """

    def __init__(self, app: ASGIApp, limits: Limits, access: Callable[[], Access | None]) -> None:
        self._app = app
        self._limits = limits
        self._access = access
        self._told = -_LINE_EVERY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        access = self._access()
        added = dict(access.headers) if access is not None else {}
        # What comes after the headers is never read: the connection can't be used again.
        if body := _has_body(scope):
            added["Connection"] = "close"
        sent = _with_headers(send, added)
        refused = await self._refused(scope, access, body=body)
        try:
            await (refused or self._app)(scope, receive, sent)
        except Exception as error:  # noqa: BLE001 - the page has been answered for; its text stays here
            self._tell(error)

    async def _refused(self, scope: Scope, access: Access | None, *, body: bool) -> Response | None:
        too_much = self._too_much(scope)
        if too_much is not None:
            return _plain(too_much, Connection="close")
        if access is not None and access.auth is not None and scope["path"] != OPEN_PATH:
            refused = await access.auth.refusal(_values(scope, b"authorization"))
            if refused is HTTPStatus.UNAUTHORIZED:
                return _plain(refused, **{"WWW-Authenticate": _CHALLENGE})
            if refused is not None:
                return _plain(refused, **{"Retry-After": "1"})
        if body and scope["method"] in ("GET", "HEAD"):
            return _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return None

    def _too_much(self, scope: Scope) -> HTTPStatus | None:
        # Beside the target stand method, version, two blanks and the end of the line.
        line = len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"]) + 13
        if line > self._limits.line_bytes:
            return HTTPStatus.REQUEST_URI_TOO_LONG
        headers = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        return (
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if line + headers > self._limits.header_bytes else None
        )

    def _tell(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._told >= _LINE_EVERY:
            self._told = now
            _log.error("a page of the exporter failed: %s", type(error).__name__)


def _has_body(scope: Scope) -> bool:
    lengths = _values(scope, b"content-length")
    return any(length.strip(b" 0") for length in lengths) or bool(_values(scope, b"transfer-encoding"))


def _values(scope: Scope, header: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == header]


def _with_headers(send: Send, added: Mapping[str, str]) -> Send:
    if not added:
        return send
    raw = [(name.lower().encode(), value.encode()) for name, value in added.items()]
    names = {name for name, _ in raw}

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [header for header in message.get("headers", ()) if header[0].lower() not in names]
            message = {**message, "headers": [*own, *raw]}
        await send(message)

    return sent


def _plain(status: HTTPStatus, **headers: str) -> Response:
    document = json.dumps({"status": "error", "reason": status.phrase})
    return Response(document, status, {**_SAFE, "Content-Type": "application/json", **headers})
