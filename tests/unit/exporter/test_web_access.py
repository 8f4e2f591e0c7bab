"""What a web-config grants while a server runs, and when it can't be had at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bcrypt
import pytest
import trustme

from seawall.exporter import ExporterServer, ExporterSettings, create_app, web_access
from seawall.exporter.web_access import Access
from seawall.exporter.web_config import load
from seawall.resilience import ConfigurationError, Registry

HASH = bcrypt.hashpw(b"pass", bcrypt.gensalt(4)).decode()
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n"
USERS = f"basic_auth_users: {{a: {HASH}}}\n"


@pytest.fixture(autouse=True)
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_access, "LOOK_EVERY", 0.0)


@pytest.fixture(scope="module")
def pems() -> list[bytes]:
    authority = trustme.CA()
    return [authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes() for _ in range(2)]


@pytest.fixture
def file(tmp_path: Path, pems: list[bytes]) -> Path:
    (tmp_path / "server.pem").write_bytes(pems[0])
    return rewritten(tmp_path / "web.yml", TLS + USERS)


def rewritten(path: Path, text: str | bytes) -> Path:
    """The file with another content, and certainly another time."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, ns=(0, before + 10**9))
    return path


def test_another_certificate_is_taken_and_passwords_stay_remembered(
    file: Path, pems: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    access = Access(load(file))
    tls, auth = access.tls, access.auth
    assert (access.refreshed().tls, access.refreshed().auth) == (tls, auth)
    rewritten(file.with_name("server.pem"), pems[1])
    assert access.refreshed() is access
    assert access.tls is not tls
    assert access.auth is auth
    assert caplog.messages == []


def test_other_users_and_headers_are_taken(file: Path) -> None:
    access = Access(load(file))
    auth = access.auth
    rewritten(
        file, TLS + USERS.replace("{a:", "{b:") + "http_server_config: {headers: {X-Frame-Options: deny}}"
    )
    access.refreshed()
    assert access.auth is not auth
    assert access.headers == {"X-Frame-Options": "deny"}


def test_not_looked_at_all_the_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_access, "LOOK_EVERY", 3600.0)
    access = Access(load(file))
    auth = access.auth
    rewritten(file, TLS + USERS.replace("{a:", "{b:"))
    assert access.refreshed().auth is auth


@pytest.mark.parametrize("text", [TLS, USERS, "a: [", "basic_auth_users: {a: hunter2}"])
def test_what_would_open_the_door_or_cant_be_is_not_taken(
    file: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    access = Access(load(file))
    tls, auth = access.tls, access.auth
    rewritten(file, text)
    for _ in range(3):
        access.refreshed()
    assert (access.tls, access.auth) == (tls, auth)
    (said,) = caplog.messages
    assert said.startswith("the web-config stays as it was: ")
    assert "hunter2" not in said


def test_a_key_that_comes_later_than_its_certificate(
    file: Path, pems: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    access = Access(load(file))
    tls = access.tls
    pem = file.with_name("server.pem")
    rewritten(pem, b"half written")
    assert access.refreshed().tls is tls
    assert len(caplog.messages) == 1
    pem.unlink()
    assert access.refreshed().tls is tls
    assert len(caplog.messages) == 1
    rewritten(pem, pems[1])
    assert access.refreshed().tls is not tls


def test_names_of_clients(tmp_path: Path, file: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    mutual = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"
    text = TLS.replace("}", f", {mutual}, client_allowed_sans: [scraper, 10.0.0.1]}}")
    access = Access(load(rewritten(file, text)))

    def admitted(*names: tuple[str, str]) -> bool:
        certificate = {"subject": ((("commonName", "scraper"),),), "subjectAltName": names}
        transport: Any = SimpleNamespace(get_extra_info={"peercert": certificate}.get)
        return access.admits(transport)

    assert admitted(("DNS", "other"), ("DNS", "scraper"))
    assert admitted(("IP Address", "10.0.0.1"))
    assert not admitted(("DNS", "scraper.example"))
    assert not admitted()
    nobody: Any = SimpleNamespace(get_extra_info={}.get)
    assert not access.admits(nobody)


def test_a_server_is_not_made_with_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("basic_auth_users:\n  a: plain\n", encoding="utf-8")
    settings = ExporterSettings(port=0, web_config=tmp_path / "web.yml")
    with pytest.raises(ConfigurationError, match="is no bcrypt hash"):
        ExporterServer(create_app(Registry()), settings)


@pytest.mark.parametrize("path", ["", 1, b""])
def test_settings_that_name_no_file(path: Any) -> None:
    with pytest.raises(ConfigurationError, match="web_config"):
        ExporterSettings(web_config=path)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "seawall.exporter.web_config", None)
    with pytest.raises(ConfigurationError) as caught:
        ExporterServer(create_app(Registry()), ExporterSettings(web_config="web.yml"))
    assert "install seawall[web-config]" in str(caught.value)


def test_without_a_file_the_extra_is_not_needed() -> None:
    code = "import sys, seawall.startup; print([m for m in ('bcrypt', 'yaml') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
