"""Several hundred names made of what means something, by Prometheus' and Alertmanager's own tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.servers_at_hand import ALERTMANAGER, PROMETHEUS, AtHand
from tests.integration.told_stand_ins import escaped, marked
from tests.unit.fuzzed_names import seeded

from seawall.alerts import Options, build
from seawall.alerts.context import Context
from seawall.alerts.document import parse
from seawall.alerts.records import Records
from seawall.alerts.rulefiles import rule_files
from seawall.resilience import Breaker, Fallback, Objectives, Registry

pytestmark = pytest.mark.servers

SEED = 20261123
END = "<end of it>"


NAMES = seeded(SEED, 300)
SERVICES = NAMES[::5]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One service of three hundred guards and families, and the recordings of sixty services."""
    folder = tmp_path_factory.mktemp("fuzzed")
    registry = Registry(service=NAMES[0])
    for number, name in enumerate(NAMES):
        settings: dict[str, Any] = {"breaker": Breaker(), "objectives": Objectives(success=0.99)}
        if number % 3:
            registry.guard(name, **settings, fallback=Fallback(default=None))
        else:
            registry.family(name, **settings)
    files = build(registry.describe())
    for number, name in enumerate(SERVICES):
        one = Registry(service=name)
        one.guard("x", **settings)
        context = Context(Options(), parse(one.describe()))
        for path, text in rule_files(context, [g for g in Records(context).groups() if g.rules], name):
            files[f"prometheus/rules/{number}_{path}"] = text
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("at_hand", PROMETHEUS)
def test_rules_and_configuration_are_taken(bundle: Path, at_hand: AtHand) -> None:
    rules = sorted((bundle / "prometheus/rules").iterdir())
    assert len(rules) > len(SERVICES)
    said = at_hand.run("promtool", "check", "rules", *rules)
    assert said.count("SUCCESS") == len(rules)
    at_hand.run("promtool", "check", "config", bundle / "prometheus/prometheus.yml")


def test_tests_of_rules_pass(bundle: Path) -> None:
    files = sorted((bundle / "prometheus/tests").glob("breaker_*")) + sorted(
        (bundle / "prometheus/tests").glob("fallbacks_*")
    )
    assert files
    at_hand: AtHand = PROMETHEUS[0].values[0]  # type: ignore[attr-defined]
    assert at_hand.fail(files) == {}


@pytest.mark.parametrize("at_hand", ALERTMANAGER)
@pytest.mark.parametrize(
    ("prefix", "shown"),
    [("seawall.", str), ("seawall.slack.", escaped), ("seawall.teams.", marked)],
    ids=["plain", "slack", "teams"],
)
def test_notifications_say_names_as_they_are(
    bundle: Path, tmp_path: Path, at_hand: AtHand, prefix: str, shown: Any
) -> None:
    """Three hundred alerts by real templates: no action in a label or in an annotation is executed."""
    at_hand.run("amtool", "check-config", bundle / "alertmanager/alertmanager.yml")
    alerts = [
        {
            "status": "firing",
            "labels": {"severity": "info", "dependency": name, "job": name[::-1]},
            "annotations": {"description": name},
            "startsAt": "2026-11-23T13:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
        }
        for name in NAMES
    ]
    file = tmp_path / "data.json"
    file.write_text(json.dumps({"status": "firing", "alerts": alerts}), encoding="utf-8")
    said = at_hand.run(
        "amtool", "template", "render",
        f"--template.glob={bundle}/alertmanager/templates/*.tmpl",
        f"--template.data={file}",
        f'--template.text={{{{ range .Alerts }}}}{{{{ template "{prefix}alert" . }}}}{END}{{{{ end }}}}',
    )  # fmt: skip
    told = said.split(END)[:-1]
    line = "\n\n" if prefix == "seawall.teams." else "\n"
    assert told == [
        line.join((
            shown(name),
            f"Where: {shown(name)} of {shown(name[::-1])}",
            "How bad: info",
            "Since 23 Nov 13:00 UTC",
        ))
        for name in NAMES
    ]  # fmt: skip
