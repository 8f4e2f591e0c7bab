"""`seawall serve --web-config`: served with TLS and a password, or refused with everything that is wrong."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import bcrypt
import httpx
import pytest
import trustme

from seawall.cli.main import main

NO_HASH = "is no bcrypt hash; allowed: $2a$, $2b$ or $2y$, cost, salt and hash"
SECTIONS = "tls_server_config, basic_auth_users, http_server_config"
HASH = bcrypt.hashpw(b"pass", bcrypt.gensalt(4)).decode()
SERVE = ("serve", "--from", "shop:registry", "--port", "0", "--web-config", "sub/web.yml")


@pytest.fixture
def web(here: Path) -> Path:
    (here / "sub").mkdir()
    return here / "sub/web.yml"


def test_served_behind_tls_and_a_password(web: Path) -> None:
    authority = trustme.CA()
    pem = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
    pem.write_to_path(web.with_name("server.pem"))
    text = "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n"
    web.write_text(text + f"basic_auth_users: {{prometheus: {HASH}}}\n", encoding="utf-8")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    command = [sys.executable, "-m", "seawall.cli", *SERVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said, _, url = process.stdout.readline().rstrip().rpartition(" ")
            assert (said, url[:18]) == ("serving shop on", "https://127.0.0.1:")
            with httpx.Client(verify=context) as http:
                assert http.get(url).status_code == 401
                assert 'dependency="bank"' in http.get(url, auth=("prometheus", "pass")).text
        finally:
            process.kill()


def test_all_that_is_wrong_is_said(web: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "tls_server_config: {cert_file: no.pem, min_version: TLS10}\nbasic_auth_users: {a: hunter2}\n"
    web.write_text(text + "port: 1\n", encoding="utf-8")
    assert main(SERVE) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "seawall: can't serve:",
        "  sub/web.yml: tls_server_config.cert_file can't be read: no such file or directory",
        "  sub/web.yml: tls_server_config.key_file is missing; allowed: a file with a private key in PEM",
        "  sub/web.yml: tls_server_config.min_version is 'TLS10'; allowed: TLS12, TLS13",
        f"  sub/web.yml: basic_auth_users.a {NO_HASH}",
        f"  sub/web.yml: 'port' is unknown; allowed: {SECTIONS}",
    ]


@pytest.mark.usefixtures("web")
def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SERVE) == 2
    said = "seawall: can't serve: sub/web.yml: can't be read: no such file or directory\n"
    assert capsys.readouterr() == ("", said)
