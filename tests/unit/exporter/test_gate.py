"""What is refused before a page is asked for, over real connections; and what no page ever says."""

from __future__ import annotations

import base64
import http.client
import json
import logging
from collections.abc import Iterator
from typing import Any

import bcrypt
import pytest
from prometheus_client import CollectorRegistry, Counter

from seawall.exporter import PATHS, ExporterServer, ExporterSettings, Limits, create_app
from seawall.resilience import Breaker, Fallback, Guard, Registry, Retry
from seawall.telemetry import catalog
from seawall.telemetry.service import Service

HASH = bcrypt.hashpw(b"pass", bcrypt.gensalt(4)).decode()
WEB = f"""
basic_auth_users: {{prometheus: {HASH}}}
http_server_config: {{headers: {{X-Frame-Options: deny, X-Content-Type-Options: nosniff}}}}
"""
LIVE = "/api/health/live"
RIGHT = {"Authorization": "Basic " + base64.b64encode(b"prometheus:pass").decode()}
WRONG = {"Authorization": "Basic " + base64.b64encode(b"prometheus:hunter2").decode()}


@pytest.fixture(scope="module")
def open_server() -> Iterator[ExporterServer]:
    yield from serving(ExporterSettings(port=0, limits=Limits(line_bytes=200, header_bytes=1000)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterServer]:
    file = tmp_path_factory.mktemp("web") / "web.yml"
    file.write_text(WEB)
    yield from serving(ExporterSettings(port=0, web_config=str(file)))


def serving(settings: ExporterSettings, app: Any = None) -> Iterator[ExporterServer]:
    server = ExporterServer(app or create_app(Registry("shop")), settings)
    server.start()
    yield server
    server.stop()


Answer = tuple[int, dict[str, str], bytes]


def ask(
    server: ExporterServer, path: str, headers: Any = None, method: str = "GET", body: bytes | None = None
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", [*PATHS, "/", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_who_has_no_password_learns_nothing(server: ExporterServer, path: str, method: str) -> None:
    if path == LIVE:
        return
    for headers in ({}, WRONG):
        status, said, body = ask(server, path, headers, method)
        assert status == 401
        assert said["www-authenticate"] == 'Basic realm="seawall", charset="UTF-8"'
        assert said["cache-control"] == "no-store"
        if method != "HEAD":
            assert json.loads(body) == {"status": "error", "reason": "Unauthorized"}


def test_who_has_one_gets_every_page(server: ExporterServer) -> None:
    for path in PATHS:
        status, said, _ = ask(server, path, RIGHT)
        assert (status, said["x-frame-options"], said["x-content-type-options"]) == (200, "deny", "nosniff")
    assert ask(server, "/nothing", RIGHT)[0] == 404


def test_probes_need_none(server: ExporterServer) -> None:
    assert ask(server, LIVE)[2] == b'{"status": "alive"}'
    assert ask(server, LIVE + "/")[0] == 401
    # What is decoded is compared, not what was sent.
    assert ask(server, "/api/health/%6cive")[0] == 200
    assert ask(server, "/api/health/live/../../../metrics")[0] == 401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_reading_only(open_server: ExporterServer, method: str, path: str) -> None:
    status, said, _ = ask(open_server, path, method=method, body=b"a=b" if method == "POST" else None)
    assert status == 405
    assert sorted(said["allow"].split(", ")) == ["GET", "HEAD"]


@pytest.mark.parametrize(
    "path", ["/", "//metrics", "/metrics/", "/METRICS", "/metrics%00", "/%2e%2e/metrics", "*"]
)
def test_nothing_else_is_there(open_server: ExporterServer, path: str) -> None:
    status, said, body = ask(open_server, path, {"Host": "evil.example"})
    assert (status, body) == (404, b"Not Found")
    assert "location" not in said


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_body_is_taken(open_server: ExporterServer, method: str) -> None:
    for body, headers in ((b"a=b", {}), (iter([b"a=b"]), {"Transfer-Encoding": "chunked"})):
        status, said, _ = ask(open_server, "/metrics", headers, method, body)  # type: ignore[arg-type]
        assert (status, said["connection"]) == (413, "close")
    assert ask(open_server, "/metrics", {"Content-Length": "0"})[0] == 200


def test_a_line_and_headers_have_a_limit(open_server: ExporterServer) -> None:
    assert ask(open_server, "/metrics?" + "x" * 170)[0] == 200
    assert ask(open_server, "/metrics?" + "x" * 180)[0] == 414
    assert ask(open_server, "/metrics", {"X": "x" * 700})[0] == 200
    status, said, _ = ask(open_server, "/metrics", {"X": "x" * 1000})
    assert (status, said["connection"]) == (431, "close")
    assert ask(open_server, "/metrics", {f"X-{n}": "x" for n in range(120)})[0] == 431


def test_a_page_that_fails_leaves_one_line_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry("shop")
    guard = registry.guard("bank", breaker=Breaker())
    guard.snapshot = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]

    async def worse(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("hunter2")

    for app, body in ((create_app(registry), b'{"status": "error"}'), (worse, b"Internal Server Error")):
        for server in serving(ExporterSettings(port=0), app):
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                for _ in range(3):
                    assert ask(server, "/api/health/resilience")[::2] == (500, body)
            (said,) = [r for r in caplog.records if "page of the exporter" in r.getMessage()]
            assert said.getMessage().startswith("a page of the exporter failed: ")
            assert "hunter2" not in caplog.text
            assert "Traceback" not in caplog.text


class Secret(Exception):
    """Whose every text is one."""

    def __str__(self) -> str:
        return "postgresql://app:hunter2@db.internal"

    __repr__ = __str__


def hostile() -> Registry:
    """Guards whose names, errors and fallbacks are what nobody would choose."""
    registry = Registry("shop\ud800")
    for name in ('"} 1 # EOF', "\\", "x" * 200, "<script>", "%s{{.}}", "\U0001f600"):
        guard: Guard = registry.guard(
            name,
            breaker=Breaker(minimum_calls=2),
            retry=Retry(attempts=2, base_delay=0.001),
            fallback=Fallback(default={"password": "hunter2"}),
        )
        for error in (
            Secret(),
            ConnectionError("db.internal"),
            type('E\n"}', (Exception,), {})("hunter2"),
        ):

            def fail(argument: str, error: Exception = error) -> None:
                raise error

            guard.call(fail, "hunter2")
    return registry


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text;version=1.0.0"])
def test_hostile_names_and_errors_break_and_tell_nothing(accept: str) -> None:
    def check() -> bool:
        raise Secret

    own = CollectorRegistry()
    Counter("bad", "A.", ["label"], registry=own).labels("b\ud800c").inc()
    Counter("good", "A.", ["label"], registry=own).labels("b\n# EOF\n").inc()
    service = Service(name="shop\ud800", version='"\n')
    app = create_app(hostile(), service=service, checks={"d\ud800b": check}, metrics=own)
    for server in serving(ExporterSettings(port=0), app):
        for path in PATHS:
            status, said, body = ask(server, path, {"Accept": accept})
            assert status == (503 if path == "/api/health/ready" else 200), path
            text = body.decode()  # valid UTF-8
            assert not any(secret in text for secret in ("hunter2", "db.internal", "Traceback")), path
            if said["content-type"] == "application/json":
                json.loads(text)
            else:
                lines = text.splitlines()
                assert lines.count("# EOF") == ("openmetrics" in accept)
                assert any(line.startswith(catalog.CALLS.name) for line in lines)
                assert any(line.startswith("good_total{") for line in lines)
