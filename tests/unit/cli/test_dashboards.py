"""`seawall dashboards import` as a command: what it takes, and what the how-to says that it takes."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import pytest

import seawall.dashboards
from seawall.cli import dashboards, generate
from seawall.cli.main import main

IMPORT = ("dashboards", "import", "--url", "http://127.0.0.1:1", "--token-file", "token")


def options(module: object) -> set[str]:
    """All that a command knows, those of its actions too."""
    parser = argparse.ArgumentParser(add_help=False)
    module.add_arguments(parser)  # type: ignore[attr-defined]
    parsers = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parsers += action.choices.values()
    return {name for one in parsers for action in one._actions for name in action.option_strings}


def test_the_how_to_names_options_that_there_are(root: Path) -> None:
    text = (root / "docs/how-to/import-dashboards.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--server-side"}
    assert named <= options(dashboards) | options(generate)
    assert options(dashboards) - named <= {"--help", "-h"}
    assert {"--kubernetes", "--kubernetes-namespace", "--grafana-instance"} <= named


@pytest.mark.parametrize("source", [(), ("--from", "shop:registry", "--dir", "out")])
def test_there_is_one_source(here: Path, source: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main((*IMPORT, *source))
    assert caught.value.code == 2


def test_policies_that_are_none_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "token").write_text("glsa_token", encoding="utf-8")
    (here / "none.json").write_text('{"guards": 1}', encoding="utf-8")
    assert main((*IMPORT, "--from", "none.json")) == 2
    assert "can't generate from none.json: " in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["httpx", "grafanalib"])
def test_without_the_extra_it_says_what_to_install(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    # Put back afterwards, with the modules: the package that the namespace holds.
    monkeypatch.setattr(seawall, "dashboards", seawall.dashboards)
    for name in [n for n in sys.modules if n.startswith("seawall.dashboards")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [n for n in sys.modules if n.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Missing(missing), *sys.meta_path])
    assert main((*IMPORT, "--dir", "out")) == 2
    assert capsys.readouterr().err == (
        f"seawall: importing needs {missing}, which is not installed: pip install 'seawall[generate]'\n"
    )


class _Missing:
    """Finds one package not to be there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {self.name!r}", name=self.name)
