"""Values of options made of what means something: those taken, Prometheus' and Alertmanager's tools take."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import yaml
from tests.integration.servers_at_hand import ALERTMANAGER, PROMETHEUS, AtHand
from tests.unit.alerts.option_cases import CASES, TAKEN
from tests.unit.fuzzed_names import CONTROLS, PIECES

from seawall.alerts import Options, Slack, Teams, alertmanager, prometheus
from seawall.alerts.context import Context
from seawall.alerts.document import parse
from seawall.alerts.receivers import Receiver
from seawall.resilience import Breaker, ConfigurationError, Registry

pytestmark = pytest.mark.servers

SEED = 20261124
#: What Go's parsers of addresses, ports and mail stumble over, too.
MORE = ("%zz", "%20", "[::1]", "[", "1:2", ":80", ":0", "\u0663", "a..b", "a;b", "(a", "é", "08", "1e3", "y")


def texts() -> list[str]:
    chance = random.Random(SEED)
    every = (*PIECES, *CONTROLS, *MORE)
    mixed = ["".join(chance.choices(every, k=chance.randint(2, 4))) for _ in range(200)]
    return [*TAKEN.values(), *every, *mixed]


@cache
def accepted() -> dict[str, list[Options]]:
    """Options that are not refused, by the setting that was fuzzed."""
    found: dict[str, list[Options]] = {name: [] for name in CASES}
    for name, case in CASES.items():
        for text in texts():
            with suppress(ConfigurationError):
                found[name].append(case.make(text))
    return found


def context(options: Options) -> Context:
    registry = Registry(service="shop")
    registry.guard("bank", breaker=Breaker())
    return Context(options, parse(registry.describe()))


def test_of_each_setting_some_are_taken() -> None:
    assert {name: len(found) for name, found in accepted().items() if len(found) < 2} == {
        "mute.days_of_month": 1,
        "mute.location": 1,
    }
    assert sum(map(len, accepted().values())) > 2000


@pytest.mark.parametrize("at_hand", PROMETHEUS)
def test_prometheus_takes_them(tmp_path: Path, at_hand: AtHand) -> None:
    every = [options for found in accepted().values() for options in found]
    usual = Options()
    labels = [options.target_labels for options in every if options.target_labels]
    values = tuple((f"l{number}", value) for number, ((_, value),) in enumerate(labels))
    names = dict(label for (label,) in labels if label[1] == "x")
    of = {
        name: tuple(sorted({each for o in every for each in getattr(o, name)}))
        for name in ("targets", "alertmanagers")
    }
    made = replace(usual, **of, target_labels=(*values, *names.items()), cluster='"} {{ .X }} é')
    text = prometheus.build(context(made), "")
    (tmp_path / "prometheus.yml").write_text(text, encoding="utf-8")
    at_hand.run("promtool", "check", "config", tmp_path / "prometheus.yml")
    written = yaml.safe_load(text)
    assert written["scrape_configs"][0]["static_configs"][0]["labels"] == dict(made.target_labels)


@pytest.mark.parametrize("at_hand", ALERTMANAGER)
def test_alertmanager_takes_them(tmp_path: Path, at_hand: AtHand) -> None:
    target = Options(target=f"alertmanager={at_hand.version}").servers
    receivers: list[Receiver] = [Slack(api_url_file="/s")]
    mutes = {}
    for found in accepted().values():
        for options in found:
            receivers += [each for each in options.told if not each.lacks(target)]
            mutes |= {mute.name: mute for mute in options.mutes}
    assert any(isinstance(each, Teams) for each in receivers) is (at_hand.version != "0.25")
    made = Options(
        target=f"alertmanager={at_hand.version}", receivers=tuple(receivers), mutes=tuple(mutes.values())
    )
    text = alertmanager.build(context(made), [], "")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/none.tmpl").write_text("", encoding="utf-8")
    (tmp_path / "alertmanager.yml").write_text(text, encoding="utf-8")
    at_hand.run("amtool", "check-config", tmp_path / "alertmanager.yml")
    written = yaml.safe_load(text)["receivers"][1]
    assert sum(len(entries) for kind, entries in written.items() if kind != "name") == len(receivers)
