"""The stand-in for Grafana, served on a port of this machine."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.integration.grafana_stand_in import Grafana, Refused

TOKEN = "glsa_the-token"


class _Handler(BaseHTTPRequestHandler):
    grafana: Grafana
    lock = threading.Lock()

    def do_GET(self) -> None:
        with self.lock:
            status, headers, body = self._answer()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the names are the server's
    do_PUT = do_GET  # noqa: N815

    def _answer(self) -> tuple[int, dict[str, str], bytes]:
        grafana, parts = self.grafana, urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        grafana.asked.append(f"{self.command} {parts.path}")
        if grafana.trouble:
            return grafana.trouble.pop(0)
        try:
            status, body = self._routed(parts.path, parse_qs(parts.query), sent)
        except Refused as refused:
            status, body = refused.code, refused.body
        return status, {}, json.dumps(body).encode()

    def _routed(self, path: str, query: dict[str, list[str]], sent: bytes) -> tuple[int, Any]:
        grafana = self.grafana
        if not path.startswith(f"{grafana.sub_path}/api"):
            raise Refused(404, "Not found")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Invalid API key")
        try:
            body = json.loads(sent) if sent else {}
        except ValueError:
            raise Refused(400, "bad request data") from None
        area, _, rest = path.removeprefix(f"{grafana.sub_path}/").partition("/")
        answer = grafana.resources if area == "apis" else grafana.classic
        return answer(self.command, rest, query, body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests look at what was asked, not at a log."""


@contextmanager
def running(grafana: Grafana, tls: ssl.SSLContext | None = None) -> Iterator[Grafana]:
    """It answers on a free port of this machine, at ``grafana.url``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"grafana": grafana}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    grafana.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}{grafana.sub_path}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield grafana
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
