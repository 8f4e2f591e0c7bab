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
        ("print(1 / 0)", "can't import module wrong: ZeroDivisionError: division by zero (wrong.py, line 3)"),
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
        (["--cluster", ""], "options.cluster is ''; allowed: 1 to 200 characters, none a control or"),
        (
            ["--cluster", "${HOME}"],
            "options.cluster is '${HOME}'; allowed: 1 to 200 characters, none a contr",
        ),
        (["--job", "a\nb"], "options.job is 'a\\nb'; allowed: 1 to 200 characters, none a control"),
        (["--cluster-label", "1x"], "options.cluster_label is '1x'; allowed: letters, digits and _, but __*"),
        (
            ["--namespace-label", "__n"],
            "options.namespace_label is '__n'; allowed: letters, digits and _, but",
        ),
        (["--target", "grafana=9"], "target 'grafana=9' is unknown; allowed: prometheus=VERSION, alertmanag"),
        (["--target", "prometheus=1.0"], "target prometheus is '1.0'; allowed: 2.42 to 2.55, 3.0 to 3.16"),
        (
            ["--target", "alertmanager=0.9,alertmanager=0.25"],
            "target alertmanager is '0.9'; allowed: 0.25 to",
        ),
        (
            ["--webhook-token-file", "nothing", "--check-secrets"],
            "secret file nothing can't be read here: no ",
        ),
        (
            ["--webhook-token-file", ".", "--check-secrets"],
            "secret file . can't be read here: is a directory",
        ),
        (["--webhook-token-file", "blank", "--check-secrets"], "secret file blank is empty"),
        (["--receivers", "."], "can't read .: is a directory"),
        (["--receivers", "shop.py"], "shop.py is no TOML: "),
    ],
)
def test_options_that_can_not_be(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    (here / "blank").write_text(" \n", encoding="utf-8")
    heard = refused(capsys, *GENERATE, "shop:registry", *options)
    assert said in heard
    assert len(heard.splitlines()) == 1
    assert not (here / "out").exists()


def test_everything_that_is_wrong_with_options_is_said_at_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = """
[[slack]]
api_url_file = "slack"
chanel = "#shop"

[[smoke]]
signal = "black"

[[mute]]
name = "night"
times = ["25:00-26:00"]
weekdays = ["funday"]
months = ["july:january"]
location = "Mars/Olympus"
"""
    (here / "told.toml").write_text(told, encoding="utf-8")
    wrong = [
        "--receivers",
        "told.toml",
        "--target",
        "prometheus=9.9,shop=1",
        "--cluster",
        "",
        "--time-factor",
        "0",
    ]
    said = refused(capsys, *GENERATE, "shop:registry", *wrong).splitlines()
    assert said == [
        "can't generate from shop:registry:",
        "  told.toml: slack.chanel is unknown, did you mean channel?",
        "  told.toml: slack.api_url_file is 'slack'; allowed: an absolute path, as nobody knows "
        "Alertmanager's own folder",
        "  told.toml: 'smoke' is unknown; allowed: webhook, email, slack, pagerduty, teams, mute",
        "  told.toml: mute.times has '25:00-26:00'; allowed: 00:00-07:00, and two of them for a night: "
        "22:00-24:00 before it",
        "  told.toml: mute.weekdays has 'funday' to 'funday'; allowed: sunday to saturday, in this order",
        "  told.toml: mute.months has 'july' to 'january'; allowed: january to december, in this order",
        "  told.toml: mute.location is 'Mars/Olympus'; allowed: the name of a time zone, such as "
        "Europe/Berlin",
        "  options.time_factor is 0.0; allowed: a number of at least 0.001",
        "  options.cluster is ''; allowed: 1 to 200 characters, none a control or a separator of lines "
        "or $, where Prometheus 3 would put a variable of its environment",
        "  target prometheus is '9.9'; allowed: 2.42 to 2.55, 3.0 to 3.16",
        "  target 'shop=1' is unknown; allowed: prometheus=VERSION, alertmanager=VERSION, or both with a "
        "comma between",
    ]
    assert not (here / "out").exists()


@pytest.mark.parametrize("value", ["1.5", "1", "0", "-0.1", "NaN", '"0.9"', "true"])
def test_objectives_that_can_not_be(here: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    guard = '{"name": "a", "hash": "0123456789abcdef", "policies": {}, "objectives": {"success": %s}}'
    head = '{"schema": "seawall.policies/1", "service": "x", "guards": ['
    (here / "policies.json").write_text(f"{head}{guard % value}]}}", encoding="utf-8")
    said = refused(capsys, *GENERATE, "policies.json")
    assert said.startswith("can't generate from policies.json: guard 'a': objectives.success is ")
    assert said.endswith("; allowed: a number > 0 and < 1")
    assert not (here / "out").exists()


def test_names_that_are_there_twice(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guard = '{"name": "a", "hash": "0123456789abcdef", "policies": {}}'
    document = f'{{"schema": "seawall.policies/1", "service": "x", "guards": [{guard}, {guard}]}}'
    (here / "policies.json").write_text(document, encoding="utf-8")
    said = refused(capsys, *GENERATE, "policies.json")
    assert said == "can't generate from policies.json: guard 'a' is declared 2 times; allowed: once"


def test_a_registry_without_guards(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "none.py").write_text(
        "from seawall.resilience import Registry\nregistry = Registry(service='x')\n", encoding="utf-8"
    )
    said = refused(capsys, *GENERATE, "none:registry")
    assert said == "none:registry has no guards; allowed: at least one"
    assert not (here / "out").exists()


def test_a_file_of_others_in_the_way_stops_all_of_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = here / "out/prometheus/prometheus.yml"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    said = refused(capsys, *GENERATE, "shop:registry")
    assert said == "out holds files that were not generated and are in the way: prometheus/prometheus.yml"
    assert [path for path in (here / "out").rglob("*") if path.is_file()] == [mine]
    assert mine.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_can_not_be_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "file").write_text("mine", encoding="utf-8")
    said = refused(capsys, "generate", "--from", "shop:registry", "--out", "file/below")
    assert said == "can't write file/below: not a directory"
    said = refused(capsys, "generate", "--from", "shop:registry", "--out", "file")
    assert said == "file is a file; allowed: a folder, or a path where there is nothing yet"
    assert said == refused(capsys, "generate", "--from", "shop:registry", "--out", "file", "--check")
    assert refused(capsys, "generate", "--from", "shop:registry", "--out", "") == (
        "--out is empty; allowed: a folder, . is this one"
    )
    assert sorted(path.name for path in here.iterdir() if path.name != "__pycache__") == ["file", "shop.py"]
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


def test_sources_folders_boards_options_and_kubernetes_are_told_of_at_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["--out", "shop.py", "--boards", "nowhere:options", "--webhook-url", "x"]
    wrong += ["--cluster-label", "pod", "--instance-label", "pod"]
    wrong += ["--kubernetes", "--kubernetes-namespace", "A B", "--grafana-instance", "x"]
    said = refused(capsys, "generate", "--from", "missing.json", *wrong).splitlines()
    assert said == [
        "can't generate from missing.json:",
        "  shop.py is a file; allowed: a folder, or a path where there is nothing yet",
        "  can't read missing.json: no such file or directory",
        "  can't import module nowhere: ModuleNotFoundError: No module named 'nowhere'",
        "  options.webhook_url is 'x'; allowed: an http or https address, "
        'any of "<>\\^`{|}% and spaces in it escaped, as %20',
        "  options.cluster_label and instance_label are 'pod'; allowed: each another",
        "  kubernetes.namespace is 'A B'; allowed: 1 to 63 of a-z, 0-9 and -, no - at either end",
        "  --grafana-instance x has no value; allowed: LABEL=VALUE",
    ]
