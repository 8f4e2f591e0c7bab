"""What the page on receiving alerts shows is what the command takes."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from seawall.alerts import Mute
from seawall.alerts.receivers import KINDS, Receiver
from seawall.alerts.targets import KNOWN, allowed
from seawall.cli.main import build_parser, main

PAGE = "docs/how-to/receive-alerts.md"


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / PAGE).read_text(encoding="utf-8")


def commands(page: str, first: str) -> list[list[str]]:
    """Those of the shell examples that begin so, as lists of words."""
    found = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in found.splitlines() if line.startswith(first)]


def test_what_is_shown_can_be_generated(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (receivers,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    # In a cluster mute times are in UTC, as the page says.
    inside = receivers.replace("Europe/Berlin", "UTC")
    shown = commands(page, "seawall generate")
    assert len(shown) == 3
    for words in shown:
        (tmp_path / "receivers.toml").write_text(
            inside if "--kubernetes" in words else receivers, encoding="utf-8"
        )
        source = words.index("--from") + 1
        assert main([*words[:source], "reference.guards:registry", *words[source + 1 :]]) == 0
    assert (tmp_path / "bundle/kubernetes/prometheus-operator/kustomization.yaml").is_file()


def test_what_is_shown_can_be_received(page: str) -> None:
    (words,) = commands(page, "seawall receive")
    parsed = build_parser().parse_args(words)
    assert (parsed.user, str(parsed.grafana_token_file)) == ("alertmanager", "grafana.token")


def test_every_setting_is_named(page: str) -> None:
    rows = dict(re.findall(r"^\| `?(\w+)`? \| (.*) \|$", page, re.MULTILINE))
    shared = {field.name for field in fields(Receiver)}
    assert shared <= set(re.findall(r"`(\w+)`", rows["all"]))
    for kind, made in {**KINDS, "mute": Mute}.items():
        own = {field.name for field in fields(made)} - (shared if kind != "mute" else set())
        assert own <= set(re.findall(r"`(\w+)`", rows[kind])), kind


def test_versions_are_those_that_are_known(page: str) -> None:
    for server in KNOWN:
        assert allowed(server).replace(", ", " and ") in page
