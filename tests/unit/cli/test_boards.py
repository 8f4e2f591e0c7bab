"""`--boards`: options of dashboards in a module of the user's, as the how-to has it, and what can't be."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest

from seawall import alerts
from seawall.cli import boards
from seawall.cli.main import main

GENERATE = ("generate", "--from", "shop:registry", "--out", "out")
IMPORT = ("dashboards", "import", "--url", "http://127.0.0.1:1", "--token-file", "token")


def titled(board: str) -> dict[str, Any]:
    """Panels by title, the first of several."""
    content = json.loads(Path(f"out/dashboards/{board}.json").read_text(encoding="utf-8"))
    return {panel["title"]: panel for panel in reversed(content["panels"])}


def written(text: str) -> None:
    Path("ours.py").write_text(f"from seawall.dashboards import *\n{text}\n", encoding="utf-8")


def test_the_how_to_is_as_it_says(here: Path, root: Path) -> None:
    page = (root / "docs/how-to/change-dashboards.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert main((*GENERATE, "--cluster-label", "")) == 0
    usual = titled("overview")
    (here / "ours.py").write_text(example, encoding="utf-8")
    assert main((*GENERATE, "--boards", "ours:options")) == 0
    ours = titled("overview")
    assert set(ours) - set(usual) == {"The shop", "Orders"}
    assert set(usual) - set(ours) == {"Fastest budget burn"}
    steps = ours["Failed for callers"]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["value"], step["color"]) for step in steps[1:]] == [(0.001, "#E69F00"), (0.01, "#B00020")]
    assert ours["Latency as callers feel it"]["gridPos"]["w"] == 24
    assert "cluster_job_dependency" in Path("out/prometheus/rules/rates.yml").read_text(encoding="utf-8")


def test_the_command_line_goes_before_and_rules_follow(here: Path) -> None:
    written("options = Options(cluster_label='region', job_label='service', scrape_interval='1m')")
    assert main((*GENERATE, "--boards", "ours:options", "--cluster-label", "zone")) == 0
    expressions = json.dumps(titled("overview"))
    assert "zone=~" in expressions
    assert "service=~" in expressions
    assert "region" not in expressions
    rules = Path("out/prometheus/rules/rates.yml").read_text(encoding="utf-8")
    assert "zone_service_job_dependency" in rules
    assert "scrape_interval: 1m" in Path("out/prometheus/prometheus.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("options = Options(tags='x')", "tags is 'x'; allowed: a tuple of str"),
        ("options = Options(drop='overview.calls')", "drop is 'overview.calls'; allowed: a set of board.key"),
        ("options = Options(drop={'overview.calsl'})", "drop names no panel: overview.calsl; there are "),
        ("options = Options(job_label=None, refresh=5)", "\n  refresh is 5; allowed: a str"),
        ("options = Options(several_services='yes')", "several_services is 'yes'; allowed: True or False"),
        ("options = Options(colour='red')", "Options has no setting colour; allowed: folder, "),
        (
            "options = Options(clusterlabel='c')",
            "Options has no setting clusterlabel, did you mean cluster_label?",
        ),
        ("options = Options(palette={'bad': 'red'})", "allowed: a Palette"),
        ("options = Options(palette=Palette(bad='red'))", "Palette.bad is 'red'; allowed: a colour such as"),
        ("options = Options(extra={'overview': ('x',)})", "extra['overview'] has 'x' in it; allowed: Row"),
        ("options = Options(extra=())", "extra is (); allowed: a mapping of boards"),
        ("options = Options(change=7)", "change is 7; allowed: a function"),
        ("options = Options(change=lambda board, panel: None)", " gave None; allowed: a Panel"),
        ("options = Options(change=lambda panel: panel)", " failed: TypeError: <lambda>() takes 1"),
        ("options = Options(rate_window='10m')", "ours:options has a rate_window; allowed: --time-factor"),
        ("options = {}", "ours:options is a dict; allowed: a seawall.dashboards.Options"),
    ],
)
def test_what_can_not_be_is_one_clear_error(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    written(text)
    assert main((*GENERATE, "--boards", "ours:options")) == 2
    assert said in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("name", ["ours", "ours:", "no/path:options", "ours:nothing", "absent:options"])
def test_an_object_that_is_not_there_is_named(
    here: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    written("options = Options()")
    assert main((*GENERATE, "--boards", name)) == 2
    assert capsys.readouterr().err.startswith("seawall: ")


def test_files_are_taken_as_they_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "token").write_text("glsa_token", encoding="utf-8")
    assert main((*IMPORT, "--dir", "out", "--job-label", "service", "--without-rules")) == 2
    said = capsys.readouterr().err
    assert said == (
        "seawall: --dir takes dashboards as they are; allowed: --job-label, --without-rules with --from\n"
    )


def test_labels_that_can_not_be_are_named_before_anything_is_asked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "token").write_text("glsa_token", encoding="utf-8")
    assert main((*IMPORT, "--from", "shop:registry", "--cluster-label", "9")) == 2
    assert "can't generate from shop:registry: cluster_label '9' is no label name" in capsys.readouterr().err


def test_an_import_makes_what_generate_makes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seawall.cli import dashboards

    written("options = Options(folder='Ops', namespace_label='namespace')")
    asked = (
        "--boards",
        "ours:options",
        "--cluster-label",
        "c",
        "--time-factor",
        "0.5",
        "--scrape-interval",
        "5",
    )
    assert main((*GENERATE, *asked)) == 0
    parser = argparse.ArgumentParser()
    dashboards.add_arguments(parser)
    made, folder = dashboards._boards(
        parser.parse_args((*IMPORT[1:], "--from", "shop:registry", *asked)), alerts.Options
    )
    files = {Path(f"out/dashboards/{path.name}") for path in Path("out/dashboards").iterdir()}
    generated = {content["uid"]: content for content in (json.loads(f.read_text("utf-8")) for f in files)}
    assert folder == "Ops"
    assert {board.uid for board in made} == set(generated)
    for board in made:
        assert board.content.items() <= generated[board.uid].items()


def test_both_commands_ask_the_same_of_boards() -> None:
    parser = argparse.ArgumentParser()
    boards.add_arguments(parser)
    assert {action.dest for action in parser._actions} - {"help"} == set(boards.ASKED)
