"""What is generated, by the tools of each version that is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.integration.servers_at_hand import ALERTMANAGER, PROMETHEUS, AtHand

from reference.guards import registry
from seawall.alerts import Email, Mute, Options, PagerDuty, Receiver, Slack, Teams, Webhook, build

pytestmark = pytest.mark.servers

RECEIVERS: tuple[Receiver, ...] = (
    Webhook(url="https://hook.example/", token_file="token"),
    Email(
        to=("a@shop.example",), sender="b@shop.example", smarthost="mail:587", user="u", password_file="/p"
    ),
    Slack(api_url_file="/slack", severities=("critical", "warning")),
    PagerDuty(routing_key_file="/pd", severities=("critical",), criticalities=("critical",)),
)
NIGHT = Mute(
    name="night",
    times=("22:00-24:00", "00:00-07:00"),
    weekdays=("monday:friday",),
    days_of_month=("1:7",),
    months=("july:august",),
    location="Europe/Berlin",
)


def written(folder: Path, options: Options) -> Path:
    for path, text in build(registry.describe(), options).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the oldest of both, which every newer one must take."""
    return written(tmp_path_factory.mktemp("bundle"), Options(receivers=RECEIVERS, mutes=(NIGHT,)))


@pytest.mark.parametrize("at_hand", PROMETHEUS)
def test_rules_and_configuration_are_taken(bundle: Path, at_hand: AtHand) -> None:
    rules = sorted((bundle / "prometheus/rules").iterdir())
    said = at_hand.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules)
    assert said.count("SUCCESS") == len(rules)
    at_hand.run("promtool", "check", "config", bundle / "prometheus/prometheus.yml")


# The oldest is asked in test_alerts_tools.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("at_hand", PROMETHEUS[1:])
def test_rules_say_the_same(bundle: Path, at_hand: AtHand) -> None:
    files = sorted((bundle / "prometheus/tests").iterdir())
    assert files
    assert at_hand.fail(files) == {}


@pytest.mark.parametrize("at_hand", ALERTMANAGER)
def test_what_is_for_the_oldest_is_taken(bundle: Path, at_hand: AtHand) -> None:
    config = bundle / "alertmanager/alertmanager.yml"
    said = at_hand.run("amtool", "check-config", config)
    assert said.count("SUCCESS") == 2
    for labels, receiver in (
        (("severity=critical", "criticality=critical"), "critical-critical"),
        (("severity=critical", "criticality=sheddable"), "critical"),
        (("severity=critical",), "critical"),
        (("severity=info",), "info"),
        (("alertname=SeawallWatchdog", "severity=info"), "nobody"),
    ):
        arguments = (f"--config.file={config}", f"--verify.receivers={receiver}", *labels)
        at_hand.run("amtool", "config", "routes", "test", *arguments)


@pytest.mark.parametrize("at_hand", ALERTMANAGER[1:])
def test_what_only_newer_ones_have_is_taken(tmp_path: Path, at_hand: AtHand) -> None:
    more = (Teams(webhook_url_file="/teams"), Webhook(url_file="/hook"))
    options = Options(receivers=(*RECEIVERS, *more), target=f"alertmanager={at_hand.version}", mutes=(NIGHT,))
    config = written(tmp_path, options) / "alertmanager/alertmanager.yml"
    assert at_hand.run("amtool", "check-config", config).count("SUCCESS") == 2
    assert "msteamsv2_configs" in config.read_text(encoding="utf-8")


@pytest.mark.parametrize("at_hand", ALERTMANAGER[:1])
def test_the_oldest_really_lacks_what_is_refused_for_it(tmp_path: Path, at_hand: AtHand) -> None:
    """What `targets` says 0.25 has not, 0.25 says too."""
    newer = Options(receivers=(*RECEIVERS, Teams(webhook_url_file="/t")), target="alertmanager=0.30")
    config = written(tmp_path, newer) / "alertmanager/alertmanager.yml"
    assert "field msteamsv2_configs not found" in at_hand.run("amtool", "check-config", config, code=1)
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    assert [rule["name"] for rule in document["inhibit_rules"]]
    hook = Options(receivers=(Webhook(url_file="/hook"),), target="alertmanager=0.28")
    config = written(tmp_path, hook) / "alertmanager/alertmanager.yml"
    assert "field url_file not found" in at_hand.run("amtool", "check-config", config, code=1)
