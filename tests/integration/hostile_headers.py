"""A service whose handler asks a guarded dependency that fails, over ASGI and over WSGI, and what it may not
do whatever headers come: reflect them, break, or write another number of lines.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from seawall.integrations import asgi, wsgi
from seawall.resilience import Registry
from seawall.telemetry import catalog, correlation, logs
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.event_log import EventLog
from seawall.telemetry.stdlib_logs import StructuredHandler
from seawall.telemetry.tracing import Tracing

#: In every hostile value: "!" can't be in an id that would be taken over.
MARK = "Hunter2!"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"

NAMES = ("X-Request-ID", "traceparent", "tracestate", "baggage", "User-Agent", "Accept", "X-Any")
VALUES: dict[str, bytes] = {
    "plain": MARK.encode(),
    "CR LF": f"{MARK}\r\nX-Evil: {MARK}".encode(),
    "CR": f"{MARK}\rX-Evil: 1".encode(),
    "LF": f"{MARK}\nX-Evil: 1".encode(),
    "line separator": f"{MARK}\u2028{MARK}".encode(),
    "paragraph separator": f"{MARK}\u2029".encode(),
    "NEL": f"{MARK}\x85{MARK}".encode("latin-1"),
    "NEL as UTF-8": f"{MARK}\x85".encode(),
    "ESC": f"{MARK}\x1b[31m\x1b]0;{MARK}\x07".encode(),
    "NUL": f"{MARK}\x00".encode(),
    "DEL and backspace": f"{MARK}\x7f\x08\x08".encode(),
    "another direction": f"{MARK}\u202e".encode(),
    "a surrogate": f"{MARK}\ud800".encode("utf-8", "surrogatepass"),
    "no UTF-8": MARK.encode() + b"\xff\xfe\x80",
    "not ASCII": f"{MARK}\u00e9\N{SNOWMAN}\N{PILE OF POO}".encode(),
    "1 MB": MARK.encode() + b"x" * 1_000_000,
    "1 MB of members": MARK.encode() + b",a=1" * 250_000,
    "HTML": f"<script>{MARK}</script>".encode(),
    "JSON": f'{MARK}"}}\\u000a{{"'.encode(),
    "of templates": f"{{{{ {MARK} }}}} %s %(x)s ${{{MARK}}} {{0}}".encode(),
    "percent": f"{MARK}%0d%0aX-Evil:%201".encode(),
    "a parent and more": f"{PARENT}{MARK}".encode(),
    "a parent of the future": f"cc-{PARENT[3:]}-{MARK}".encode(),
    "members": f"a=1,{MARK},b=2".encode(),
    "members, each right": f"a=1,b={MARK}".encode(),
}
EMPTY = (b"", b" ", b"\t", b",", b",,")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800-\udfff]")


class Service:
    """Each request makes two lines: that the call of the dependency failed, and the access line."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.spans = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        log = logs.logger("json", stream=self.stream)
        registry = Registry("shop")
        Tracing(registry, provider).start()
        registry.subscribe(EventLog(log, Dropped(), burst=10**9).on_event, name="logs")
        self._bank = registry.guard("bank")
        self._handler = StructuredHandler(log)
        self.asgi: Any = asgi.CorrelationMiddleware(self._over_asgi, provider=provider, logger=log)
        self.wsgi: Any = wsgi.CorrelationMiddleware(self._over_wsgi, provider=provider, logger=log)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While warnings of libraries are lines too."""
        self._handler.setLevel(logging.WARNING)
        logging.getLogger().addHandler(self._handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self._handler)

    def taken(self) -> list[str]:
        """The lines since this was asked last."""
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        assert not text or text.endswith("\n")
        return text.splitlines()

    def _serve(self, headers: Iterable[object]) -> bytes:
        def ask() -> None:
            raise ConnectionError(f"refused {headers!r}", headers)

        try:
            self._bank.call(ask)
        except ConnectionError:
            return correlation.current().encode()
        raise AssertionError

    async def _over_asgi(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            body = self._serve(scope["headers"])
            sent = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": sent})
            await send({"type": "http.response.body", "body": body})

    def _over_wsgi(self, environ: Any, start_response: Any) -> list[bytes]:
        body = self._serve(environ.items())
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]


def check(service: Service, status: int, headers: list[tuple[str, str]], body: str) -> str:
    """What must hold of an answer and its lines; the id that it has."""
    assert status == 200
    (identifier,) = [value for name, value in headers if name.lower() == "x-request-id"]
    assert _ID.fullmatch(identifier)
    assert body == identifier
    assert MARK not in repr(headers)
    assert not [name for name, _ in headers if name.lower() == "x-evil"]
    lines = service.taken()
    found = [json.loads(line) for line in lines]
    assert [line["event"] for line in found] == ["call.failed", catalog.LOG_REQUEST]
    assert {line["correlation_id"] for line in found} == {identifier}
    assert len({line["trace_id"] for line in found}) == 1
    for line in lines:
        assert MARK not in line
        assert not _CONTROLS.search(line)
        assert len(line) < 2000
    spans = service.spans.get_finished_spans()
    service.spans.clear()
    assert len(spans) == 3
    for span in spans:
        assert MARK not in repr((span.name, dict(span.attributes or {}), span.events))
    return identifier
