"""Bad input: exit code 2, one message on stderr that names it, no traceback, nothing half-written."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from seawall.cli.main import main

GENERATE = ["generate", "--out", "out", "--from"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says; it must refuse."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("seawall: ")
    assert "Traceback" not in err
    return err.removeprefix("seawall: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("registry.guard('a', magic=1)", "magic"),
        ("Breaker(failure_ratio=1.5)", "failure_ratio is 1.5; allowed: a number > 0 and <= 1"),
        ("registry.guard('a'); registry.guard('a')", "'a' exists already"),
        ("def", "can't import module wrong: SyntaxError"),
        ("import no_such_module", "can't import module wrong: ModuleNotFoundError: No module named 'no_such"),
        ("raise SystemExit('bye')", "can't import module wrong: SystemExit: bye"),
        ("1 / 0", "can't import module wrong: ZeroDivisionError: division by zero"),
    ],
)
@pytest.mark.parametrize("command", ["generate", "describe"])
def test_a_module_that_can_not_be(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, body: str, said: str
) -> None:
    head = "from seawall.resilience import Breaker, Registry\nregistry = Registry(service='x')\n"
    (here / "wrong.py").write_text(head + body + "\n", encoding="utf-8")
    more = ["--out", "out"] if command == "generate" else []
    assert said in refused(capsys, command, "--from", "wrong:registry", *more)
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere:registry", "can't import module nowhere: ModuleNotFoundError: No module named 'nowhere'"),
        ("shop:missing", "module shop has no attribute 'missing'"),
        ("shop:number", "shop:number is a int; allowed: a seawall Registry"),
        ("shop", "can't load 'shop'; allowed: module:attribute, a .json file, or the URL of an exporter"),
        ("sh op:registry", "can't load 'sh op:registry'"),
        ("missing.json", "can't read missing.json: no such file or directory"),
        ("empty.json", "empty.json is no JSON"),
        ("list.json", "list.json is no policy document: a list; allowed: an object"),
        ("http://127.0.0.1:1", "can't read http://127.0.0.1:1/api/policies: connection refused"),
    ],
)
def test_a_source_that_can_not_be_read(
    here: Path, capsys: pytest.CaptureFixture[str], source: str, said: str
) -> None:
    (here / "empty.json").write_text("", encoding="utf-8")
    (here / "list.json").write_text("[]", encoding="utf-8")
    assert refused(capsys, *GENERATE, source).startswith(said)
    assert not (here / "out").exists()


def test_a_document_with_several_problems_names_each(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "policies.json").write_text('{"schema": "x", "service": "", "guards": [1]}', encoding="utf-8")
    said = refused(capsys, *GENERATE, "policies.json")
    assert len(said.splitlines()) == 4
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time-factor", "0"], "options.time_factor is 0.0"),
        (["--exporter", "nohost"], "options.targets holds 'nohost'; allowed: host:port"),
        (["--webhook-url", "x"], "options.webhook_url is 'x'"),
    ],
)
def test_options_that_can_not_be(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert said in refused(capsys, *GENERATE, "shop:registry", *options)
    assert not (here / "out").exists()


def test_a_folder_that_can_not_be_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "file").write_text("mine", encoding="utf-8")
    said = refused(capsys, "generate", "--from", "shop:registry", "--out", "file/below")
    assert said == "can't write file/below: not a directory"
    said = refused(capsys, "generate", "--from", "shop:registry", "--out", "file")
    assert said == "can't write file: file exists"
    assert (here / "file").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("command", [["serve", "--from", "shop:registry"], ["receive"]])
def test_a_port_that_is_taken(here: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in refused(capsys, *command, "--port", str(port))


@pytest.mark.parametrize("command", [["serve", "--from", "shop:registry"], ["receive"]])
@pytest.mark.parametrize("where", [["--port", "70000"], ["--host", "no.such.host.invalid", "--port", "0"]])
def test_a_place_that_can_not_be_listened_on(
    here: Path, capsys: pytest.CaptureFixture[str], command: list[str], where: list[str]
) -> None:
    assert where[1] in refused(capsys, *command, *where)


def test_a_receiver_that_can_not_keep(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "receive", "--file", "shop.py/notifications")
    assert said.startswith("can't keep notifications in shop.py/notifications: ")
    assert "no such file" in refused(capsys, "receive", "--token-file", "nothing")
    (here / "token").write_text("\n", encoding="utf-8")
    assert "is empty" in refused(capsys, "receive", "--token-file", "token")


@pytest.mark.parametrize("arguments", [[], ["dance"], ["generate"], ["serve", "--port", "x"]])
def test_arguments_that_can_not_be(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: seawall" in capsys.readouterr().err
