"""What the how-to shows is taken as it stands, and its figures are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme

from seawall.exporter import PATHS, Limits
from seawall.exporter.web_config import load

PAGE = "docs/how-to/expose-safely.md"


@pytest.fixture
def text(root: Path) -> str:
    return (root / PAGE).read_text(encoding="utf-8")


def test_its_files_are_good(text: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_pem.write_to_path(tmp_path / "server.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    files = [block for block in blocks if "tls_server_config" in block]
    assert len(files) == 2
    for number, block in enumerate(files):
        (tmp_path / f"{number}.yml").write_text(block, encoding="utf-8")
    assert set(load(tmp_path / "0.yml").users) == {"prometheus"}
    assert load(tmp_path / "1.yml").client_allowed_sans == {"prometheus.internal"}


def test_its_figures_are_the_defaults(text: str) -> None:
    limits = Limits()
    said = (
        f"{limits.handshake:g} s for the TLS handshake, {limits.headers:g} s for the headers,"
        f" {limits.answer:g} s until the answer is read, {limits.idle:g} s between two requests;"
        f" {limits.connections} connections, {limits.line_bytes // 1024} KiB for the request line,"
        f" {limits.header_bytes // 1024} KiB for all headers"
    )
    assert said in text
    assert len(PATHS) == 7
    assert "The seven paths" in text
