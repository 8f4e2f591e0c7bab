"""What `seawall dashboards import` says when Grafana, the network or its own input is not as it should be."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.integration.grafana_server import TOKEN, running
from tests.integration.grafana_stand_in import Grafana

from seawall.cli.main import main
from seawall.dashboards.importing import ImportProblem, Target, carry_out, connect, connection, parse, plan
from seawall.dashboards.importing.plan import holds

BOARD = json.dumps({"uid": "one", "title": "One", "panels": []})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("token").write_text(TOKEN, encoding="utf-8")
    Path("boards").mkdir()
    Path("boards/one.json").write_text(BOARD, encoding="utf-8")


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with running(Grafana()) as started:
        yield started


def refused(capsys: pytest.CaptureFixture[str], url: str, *more: str) -> str:
    assert (
        main(["dashboards", "import", "--url", url, "--token-file", "token", "--dir", "boards", *more]) == 2
    )
    said = capsys.readouterr()
    assert said.out == ""
    assert TOKEN not in said.err
    return said.err


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert f"can't reach {address}: " in refused(capsys, address)


def test_a_proxy_that_can_not_be(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ALL_PROXY", "carrier-pigeon://127.0.0.1")
    assert "can't use the proxy of the environment: " in refused(capsys, "http://127.0.0.1:1")


def test_no_answer_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "no answer in 0.2 s" in refused(capsys, address, "--timeout", "0.2")


@pytest.mark.parametrize("api", ["auto", "classic"])
def test_a_token_that_is_not_accepted(grafana: Grafana, capsys: pytest.CaptureFixture[str], api: str) -> None:
    Path("token").write_text("glsa_other", encoding="utf-8")
    said = refused(capsys, grafana.url, "--api", api)
    assert "does not accept the token (HTTP 401)" in said
    assert "glsa_other" not in said


def test_a_redirect_is_not_followed_with_the_token(
    grafana: Grafana, capsys: pytest.CaptureFixture[str]
) -> None:
    grafana.trouble = [(301, {"Location": f"https://elsewhere/login?t={TOKEN}"}, b"")]
    said = refused(capsys, grafana.url, "--api", "classic")
    assert "redirects to https://elsewhere/login?t=***; give the address" in said
    assert grafana.asked == ["GET /api/folders"]


def test_a_page_instead_of_an_answer(grafana: Grafana, capsys: pytest.CaptureFixture[str]) -> None:
    grafana.trouble = [(200, {"Content-Type": "text/html"}, b"<html>Log in</html>")]
    assert "was answered with no JSON; is" in refused(capsys, grafana.url, "--api", "classic")


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (412, "version-mismatch", "one was changed by somebody else just now (HTTP 412); import again"),
        (412, "name-exists", "another dashboard in Resilience is called 'One' (HTTP 412): rename it"),
        (412, "plugin-dashboard", "one belongs to a plugin (HTTP 412)"),
        (400, "", "one was refused (HTTP 400): why"),
        (404, "", "one was refused (HTTP 404): why"),
    ],
)
def test_what_the_classic_api_refuses(
    grafana: Grafana, capsys: pytest.CaptureFixture[str], status: int, reason: str, said: str
) -> None:
    grafana.add_folder("r", "Resilience")
    folders = json.dumps([{"uid": "r", "title": "Resilience"}]).encode()
    no = json.dumps({"message": "why", "status": reason}).encode()
    grafana.trouble = [(200, {}, folders), (404, {}, b"{}"), (status, {}, no)]
    assert refused(capsys, grafana.url, "--api", "classic") == f"seawall: can't import: {said}\n"


def test_the_classic_api_stores_it_as_another(grafana: Grafana, capsys: pytest.CaptureFixture[str]) -> None:
    folders = json.dumps([{"uid": "r", "title": "Resilience"}]).encode()
    grafana.trouble = [(200, {}, folders), (404, {}, b"{}"), (200, {}, b'{"uid": "two"}')]
    assert "one was stored as two" in refused(capsys, grafana.url, "--api", "classic")


def test_an_answer_without_end(
    grafana: Grafana, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LARGEST", 10)
    assert "was answered with more than 10 bytes" in refused(capsys, grafana.url)


def test_a_dashboard_that_is_none(grafana: Grafana, capsys: pytest.CaptureFixture[str]) -> None:
    group = json.dumps({"versions": [{"version": "v1"}]}).encode()
    grafana.trouble = [
        (200, {}, group),
        (200, {}, group),
        (200, {}, b'{"items": []}'),
        (200, {}, b'{"spec": 1}'),
    ]
    assert "gave no dashboard; is this a Grafana?" in refused(capsys, grafana.url)


@pytest.mark.parametrize(
    ("stored", "wanted", "same"),
    [
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": True}, {"a": 1}, False),
        ({}, {"a": None}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": 1}, {"a": {"b": 1}}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": "x"}, {"a": ["x"]}, False),
        ({"schemaVersion": 43}, {"schemaVersion": 42}, True),
        ({"schemaVersion": 41}, {"schemaVersion": 42}, False),
        ({"a": {"schemaVersion": 43}}, {"a": {"schemaVersion": 42}}, False),
        ({"uid": "x"}, {"uid": "y"}, True),
        ({"a": {"uid": "x"}}, {"a": {"uid": "y"}}, False),
    ],
)
def test_what_counts_as_the_same(stored: object, wanted: object, same: bool) -> None:
    assert holds(stored, wanted) is same


@pytest.mark.parametrize("body", [b"{}", b"[1]"])
def test_another_service_at_the_address(
    grafana: Grafana, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    grafana.trouble = [(200, {}, body)] * 2
    assert "is this a Grafana?" in refused(capsys, grafana.url, "--api", "classic")


def test_an_error_of_grafana_is_one_line(grafana: Grafana, capsys: pytest.CaptureFixture[str]) -> None:
    message = json.dumps({"message": f"no\nroom \x1b[31m {TOKEN}" + "x" * 999}).encode()
    grafana.trouble = [(500, {}, message)]
    said = refused(capsys, grafana.url, "--api", "classic")
    assert "was refused (HTTP 500): no?room ?[31m ***xxx" in said
    assert len(said) < 450


@pytest.mark.parametrize(("status", "header", "waits"), [(429, "7", [7.0, 7.0]), (503, "soon", [0.5, 1.0])])
def test_a_busy_grafana_is_asked_again(
    grafana: Grafana, status: int, header: str, waits: list[float]
) -> None:
    grafana.trouble = [(status, {"Retry-After": header}, b"")] * 2
    waited: list[float] = []
    target = Target(url=grafana.url, token=TOKEN)
    with connect(target, wait=waited.append) as api:
        outcomes = list(carry_out(api, plan(api, parse({"one.json": BOARD}), target)))
    assert waited == waits
    assert [outcome.what for outcome in outcomes] == ["created"]


def test_a_busy_grafana_is_not_asked_for_ever(grafana: Grafana) -> None:
    grafana.trouble = [(429, {"Retry-After": "86400"}, b'{"message": "slow down"}')] * 9
    waited: list[float] = []
    target = Target(url=grafana.url, token=TOKEN, api="classic")
    with connect(target, wait=waited.append) as api, pytest.raises(ImportProblem) as caught:
        plan(api, (), target)
    assert waited == [30.0] * 3
    assert str(caught.value) == f"Grafana at {grafana.url} is busy (HTTP 429, 4 tries): slow down"


def test_certificates_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path("ca.pem")
    trustme.CA().cert_pem.write_to_path("other.pem")
    with running(Grafana(), tls=context) as grafana:
        assert "its certificate is not trusted" in refused(capsys, grafana.url)
        assert "its certificate is not trusted" in refused(capsys, grafana.url, "--ca-file", "other.pem")
        good = ["--url", grafana.url, "--token-file", "token", "--dir", "boards", "--ca-file", "ca.pem"]
        assert main(["dashboards", "import", *good]) == 0
    assert "one" in grafana.boards
    capsys.readouterr()
    assert "can't read the CA file nothing: no such file" in refused(
        capsys, grafana.url, "--ca-file", "nothing"
    )
    assert "the CA file token holds no certificate" in refused(capsys, grafana.url, "--ca-file", "token")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "can't read the token file token: no such file"),
        (b" \n", "the token file token is empty"),
        (b"two words", "holds more than a token"),
        (b"\xff\xfe", "it is no text"),
    ],
)
def test_a_token_file_that_is_none(capsys: pytest.CaptureFixture[str], text: bytes | None, said: str) -> None:
    Path("token").unlink()
    if text is not None:
        Path("token").write_bytes(text)
    assert said in refused(capsys, "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--url", "grafana.example"), "'grafana.example' is no address"),
        (("--url", "http://[x"), "is no address"),
        (("--url", "http://graf ana"), "can't reach http://graf ana: "),
        (("--url", "https://admin:secret-word@grafana"), "holds a user or a password"),
        (("--url", "https://grafana/?orgId=1"), "is no address"),
        (("--folder", " "), "the folder has no name"),
        (("--folder-uid", "a b"), "folder uid 'a b'; allowed"),
        (("--namespace", "../x"), "namespace '../x'; allowed"),
        (("--timeout", "0"), "timeout is 0 s; allowed"),
    ],
)
def test_settings_that_can_not_be(
    capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    error = refused(capsys, "http://127.0.0.1:1", *more)
    assert said in error
    assert "secret-word" not in error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "two.json is no JSON"),
        ("[" * 100_000, "two.json is no JSON"),
        ("[]", "two.json is no dashboard"),
        ('{"uid": "two", "title": "Two", "panels": {}}', "two.json is no dashboard"),
        ('{"uid": "a/b", "title": "Two", "panels": []}', "two.json has no uid"),
        ('{"uid": "two", "title": " ", "panels": []}', "two.json has no title"),
        (BOARD, "two.json has the uid one of another file"),
    ],
)
def test_files_that_are_no_dashboards(capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    Path("boards/two.json").write_text(text, encoding="utf-8")
    assert said in refused(capsys, "http://127.0.0.1:1")


def test_folders_of_no_dashboards(capsys: pytest.CaptureFixture[str]) -> None:
    Path("boards/one.json").write_bytes(b"\xff")
    assert "it is no text" in refused(capsys, "http://127.0.0.1:1")
    Path("boards/one.json").unlink()
    assert "boards holds no dashboard" in refused(capsys, "http://127.0.0.1:1")
    Path("boards").rmdir()
    assert "can't read boards: no such file" in refused(capsys, "http://127.0.0.1:1")


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(Target(url="https://grafana.example", token=TOKEN))
