"""The exporter as one would put it on a network: TLS, passwords, clients' certificates; scraped for real."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pytest
import trustme
from opentelemetry.sdk.trace import TracerProvider
from tests.integration.prometheus_server import Prometheus, running, until

from seawall.exporter import ExporterServer, ExporterSettings, Limits, create_app, web_access
from seawall.resilience import Registry
from seawall.telemetry import catalog
from seawall.telemetry.tracing import Tracing

HASH = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(6)).decode()
TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n"
USERS = f"basic_auth_users:\n  prometheus: {HASH}\n"
MUTUAL = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
AUTH = httpx.BasicAuth("prometheus", "correct horse")
JOB = """
  - job_name: {name}
    static_configs: [{{targets: ["localhost:{port}"]}}]
"""
SECURE = "    scheme: https\n    tls_config: {ca_file: ca.pem, %s}\n"
PASSWORD = "    basic_auth: {username: prometheus, password: %s}\n"
CLIENT = "cert_file: scraper.pem, key_file: scraper.pem"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of a server, of a client that is allowed, and of one that is not."""
    made = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(made / "ca.pem")
    for file, name in (("server", "localhost"), ("scraper", "scraper"), ("other", "other")):
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(made / f"{file}.pem")
    trustme.CA().issue_cert("scraper").private_key_and_cert_chain_pem.write_to_path(made / "stranger.pem")
    return made


@pytest.fixture(scope="module")
def registry() -> Registry:
    """One guard, a call of which left an exemplar."""
    registry = Registry("shop")
    Tracing(registry, TracerProvider(shutdown_on_exit=False)).start()
    registry.guard("bank").call(str)
    return registry


Serve = Callable[..., ExporterServer]


@pytest.fixture(scope="module")
def serve(folder: Path, registry: Registry) -> Iterator[Serve]:
    with ExitStack() as stack:

        def make(web_config: str | None = None, *, app: Any = None, **limits: Any) -> ExporterServer:
            path = None
            if web_config is not None:
                path = folder / f"web-{len(list(folder.iterdir()))}.yml"
                path.write_text(web_config, encoding="utf-8")
            settings = ExporterSettings(port=0, web_config=path, limits=Limits(**limits))
            server = ExporterServer(app or create_app(registry), settings)
            stack.callback(server.stop)
            server.start()
            return server

        yield make


def trusting(folder: Path, certificate: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if certificate is not None:
        context.load_cert_chain(folder / f"{certificate}.pem")
    return context


def get(
    server: ExporterServer, context: ssl.SSLContext, path: str = "/metrics", **named: Any
) -> httpx.Response:
    with httpx.Client(verify=context) as http:
        return http.get(f"https://localhost:{server.port}{path}", **named)


# A Prometheus that scrapes every kind


def always_text(app: Any) -> Any:
    """The same for a scraper that asks for no format; Prometheus 2.42 can't be told to."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept"]
        await app({**scope, "headers": headers}, receive, send)

    return asked


@pytest.fixture(scope="module")
def prometheus(folder: Path, serve: Serve, registry: Registry) -> Iterator[Prometheus]:
    secured, mutual = serve(TLS + USERS), serve(TLS + MUTUAL + "  client_allowed_sans: [scraper]\n" + USERS)
    right = PASSWORD % "correct horse"
    jobs = [
        ("text", serve(app=always_text(create_app(registry))), ""),
        ("openmetrics", serve(), ""),
        ("password", serve(USERS), right),
        ("tls", secured, SECURE % "" + right),
        ("mutual", mutual, SECURE % CLIENT + right),
        ("no_password", secured, SECURE % ""),
        ("wrong_password", secured, SECURE % "" + PASSWORD % "hunter2"),
        ("no_tls", secured, right),
        ("other_authority", secured, SECURE.replace("ca.pem", "stranger.pem") % "" + right),
        ("no_certificate", mutual, SECURE % "" + right),
        ("other_name", mutual, SECURE % CLIENT.replace("scraper", "other") + right),
        ("not_signed", mutual, SECURE % CLIENT.replace("scraper", "stranger") + right),
    ]
    text = "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n"
    text += "".join(JOB.format(name=name, port=server.port) + more for name, server, more in jobs)
    with running(folder, text) as server:
        until(lambda: len(server.query("sum_over_time(up[1m]) >= 2")) == 5)
        yield server


def targets(prometheus: Prometheus) -> dict[str, Any]:
    return {target["labels"]["job"]: target for target in prometheus.api("targets")["activeTargets"]}


@pytest.mark.servers
@pytest.mark.parametrize("job", ["text", "openmetrics", "password", "tls", "mutual"])
def test_scraped(prometheus: Prometheus, job: str) -> None:
    target = targets(prometheus)[job]
    assert (target["health"], target["lastError"]) == ("up", "")
    calls = {"dependency": "bank", "outcome": "success", "job": job}
    assert prometheus.value(catalog.CALLS.name, **calls) == 1


@pytest.mark.servers
@pytest.mark.parametrize("job", ["openmetrics", "password", "tls", "mutual"])
def test_exemplars_come_along(prometheus: Prometheus, job: str) -> None:
    name, now = catalog.CALL_DURATION.bucket, time.time()
    found = prometheus.api("query_exemplars", query=f'{name}{{job="{job}"}}', start=now - 600, end=now + 60)
    assert len(found[0]["exemplars"][0]["labels"]["trace_id"]) == 32


@pytest.mark.servers
@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("no_password", "401 Unauthorized"),
        ("wrong_password", "401 Unauthorized"),
        ("no_tls", ""),
        ("other_authority", "certificate signed by unknown authority"),
        ("no_certificate", ""),
        ("other_name", ""),
        ("not_signed", ""),
    ],
)
def test_refused(prometheus: Prometheus, job: str, said: str) -> None:
    target = targets(prometheus)[job]
    assert target["health"] == "down"
    assert said in target["lastError"]


# Clients of every other kind


@pytest.fixture(scope="module")
def secured(serve: Serve) -> ExporterServer:
    return serve(TLS + USERS)


def handshake(server: ExporterServer, context: ssl.SSLContext) -> str | None:
    with (
        socket.create_connection(("localhost", server.port), 10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        return wrapped.version()


def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(secured: ExporterServer, folder: Path) -> None:
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        context = trusting(folder)
        context.minimum_version = context.maximum_version = version
        assert handshake(secured, context) == name
    old = trusting(folder)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):  # that nobody should
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        handshake(secured, old)


def test_the_address_says_https(secured: ExporterServer, serve: Serve) -> None:
    assert (secured.scheme, serve(USERS).scheme, serve().scheme) == ("https", "http", "http")


def test_a_scrape_each_second_is_cheap(serve: Serve, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks, real = [], bcrypt.checkpw

    def checked(password: bytes, against: bytes) -> bool:
        checks.append(password)
        return real(password, against)

    monkeypatch.setattr(bcrypt, "checkpw", checked)
    server = serve(TLS + USERS)
    for _ in range(20):
        assert get(server, trusting(folder), auth=AUTH).status_code == 200
    # Others scrape other servers meanwhile.
    assert checks.count(b"correct horse") == 1


def test_silence_ends_at_the_deadline(serve: Serve) -> None:
    server = serve(TLS, handshake=0.3)
    for begun in (b"", b"\x16\x03\x01", b"GET /metrics HTTP/1.1\r\n\r\n", os.urandom(100)):
        with socket.create_connection(("localhost", server.port), 10) as client:
            client.sendall(begun)
            began = time.monotonic()
            with suppress(ConnectionResetError):
                while client.recv(1000):
                    pass
            assert time.monotonic() - began < 3


def test_silence_after_the_handshake_ends_too(serve: Serve, folder: Path) -> None:
    server = serve(TLS, headers=0.3)
    # The server's clock may begin before the client hears that the handshake is done.
    began = time.monotonic()
    with (
        socket.create_connection(("localhost", server.port), 10) as raw,
        trusting(folder).wrap_socket(raw, server_hostname="localhost") as client,
    ):
        with suppress(ssl.SSLEOFError, ConnectionResetError):
            assert client.recv(1000) == b""
        assert 0.3 <= time.monotonic() - began < 3


def test_who_never_reads_is_cut_off(serve: Serve, folder: Path) -> None:
    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 10_000_000})

    server = serve(TLS, app=large, answer=3.0, connections=1)
    with (
        socket.create_connection(("localhost", server.port), 10) as raw,
        trusting(folder).wrap_socket(raw, server_hostname="localhost") as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        # Until then, the only place is taken.
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            handshake(server, trusting(folder))
        assert until(lambda: handshake(server, trusting(folder))) == "TLSv1.3"


def test_a_new_certificate_is_taken_without_a_new_start(
    serve: Serve, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_access, "LOOK_EVERY", 0.0)
    pem, second = tmp_path / "own.pem", trustme.CA()
    pem.write_bytes((folder / "server.pem").read_bytes())
    server = serve(TLS.replace("server.pem", str(pem)) + USERS)
    assert get(server, trusting(folder), auth=AUTH).status_code == 200
    pem.write_bytes(b"-----BEGIN")
    assert get(server, trusting(folder), auth=AUTH).status_code == 200
    second.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.create_default_context()
    second.configure_trust(context)
    assert get(server, context, auth=AUTH).status_code == 200
    with pytest.raises(httpx.ConnectError):
        get(server, trusting(folder), auth=AUTH)


def test_a_client_s_certificate_is_no_password(serve: Serve, folder: Path) -> None:
    server = serve(TLS + MUTUAL + USERS)
    assert get(server, trusting(folder, "other")).status_code == 401
    assert get(server, trusting(folder, "other"), auth=AUTH).status_code == 200
    for certificate in (None, "stranger"):
        with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)):
            get(server, trusting(folder, certificate), auth=AUTH)


def test_probes_and_everybody_else(secured: ExporterServer, folder: Path) -> None:
    context = trusting(folder)
    assert get(secured, context, "/api/health/live").status_code == 200
    wrong = {"Authorization": "Basic " + base64.b64encode(b"prometheus:").decode()}
    for path in ("/metrics", "/api/policies", "/nothing"):
        assert get(secured, context, path, headers=wrong).status_code == 401
