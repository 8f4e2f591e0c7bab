"""A stand-in for Grafana: what the page on the annotations HTTP API says of organization annotations.

It is no Grafana. A service account's token with permissions; times in milliseconds; tags as a list of texts;
a search by time and tags; a change by id.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "glsa_stand_in"
Json = dict[str, Any]


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class AnnotationsOnly:
    """``down``: a status that everything is answered with."""

    url: str = ""
    down: int = 0
    permissions: set[str] = field(
        default_factory=lambda: {"annotations:read", "annotations:create", "annotations:write"}
    )
    held: list[Json] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str, authorization: str, body: Any) -> Any:
        self.asked.append(method)
        if self.down:
            raise Refused(self.down, "not now")
        if authorization != f"Bearer {TOKEN}":
            raise Refused(401, "Invalid API key")
        parts = urlsplit(target)
        if parts.path == "/api/annotations" and method == "GET":
            self._may("annotations:read")
            return self._found(parse_qs(parts.query))
        if parts.path == "/api/annotations" and method == "POST":
            self._may("annotations:create")
            return self._made(body)
        if parts.path.startswith("/api/annotations/") and method == "PATCH":
            self._may("annotations:write")
            return self._changed(parts.path.rpartition("/")[2], body)
        raise Refused(404, "Not found")

    def _may(self, permission: str) -> None:
        if permission not in self.permissions:
            raise Refused(403, f"You'll need additional permissions to perform this action: {permission}")

    def _found(self, asked: dict[str, list[str]]) -> list[Json]:
        unknown = set(asked) - {"from", "to", "limit", "tags", "type", "matchAny", "dashboardUID", "panelId"}
        if unknown:
            raise Refused(400, f"unknown {unknown}")
        first, last = int(asked["from"][0]), int(asked["to"][0])
        return [
            one
            for one in self.held
            if one["time"] <= last
            and one["timeEnd"] >= first
            and set(asked.get("tags", [])) <= set(one["tags"])
        ][: int(asked.get("limit", ["100"])[0])]

    def _made(self, body: Any) -> Json:
        if not isinstance(body, dict) or not isinstance(body.get("text"), str) or not body["text"]:
            raise Refused(400, "Failed to save annotation: text field should not be empty")
        self._checked(body, {"time", "timeEnd", "tags", "text", "dashboardUID", "panelId"})
        end = body.get("timeEnd") or body["time"]
        self.held.append({"id": len(self.held) + 1, **body, "timeEnd": end})
        return {"message": "Annotation added", "id": len(self.held)}

    def _changed(self, number: str, body: Json) -> Json:
        self._checked(body, {"time", "timeEnd", "tags", "text"})
        one = next((one for one in self.held if str(one["id"]) == number), None)
        if one is None:
            raise Refused(404, "Annotation not found")
        one.update(body)
        return {"message": "Annotation patched"}

    def _checked(self, body: Json, known: set[str]) -> None:
        tags = body.get("tags", [])
        good = isinstance(tags, list) and all(isinstance(tag, str) and len(tag) <= 201 for tag in tags)
        times = [body[name] for name in ("time", "timeEnd") if name in body]
        if set(body) - known or not good or not all(type(time) is int and time > 10**12 for time in times):
            raise Refused(400, "bad request data")


@contextmanager
def annotations_only() -> Iterator[AnnotationsOnly]:
    grafana = AnnotationsOnly()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            authorization = self.headers.get("Authorization", "")
            try:
                status, said = 200, grafana.answer(self.command, self.path, authorization, body)
            except Refused as error:
                status, said = error.status, {"message": error.message}
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 (http.server's)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    grafana.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield grafana
    finally:
        server.shutdown()
        server.server_close()
