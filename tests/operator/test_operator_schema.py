"""Generated resources against prometheus-operator's API, as a package of the registry carries it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.node_packages import check_documents, installed

from reference.guards import registry
from seawall.alerts import (
    Email,
    KubernetesOptions,
    Mute,
    Options,
    PagerDuty,
    Slack,
    Teams,
    Webhook,
    build,
    build_kubernetes,
)

Json = dict[str, Any]
HERE = Path(__file__).resolve().parent
EVERYTHING = Options(
    target="alertmanager=0.28",
    receivers=(
        Webhook(url="https://hook.example/", user="u", password_file="/s/hook"),
        Webhook(url_file="/s/url", token_file="/s/token"),
        Email(
            to=("a@shop.example",),
            sender="b@shop.example",
            smarthost="mail:587",
            user="u",
            password_file="/s/mail",
        ),
        Slack(api_url_file="/s/slack", channel="#shop"),
        PagerDuty(routing_key_file="/s/pd", severities=("critical",), criticalities=("critical",)),
        Teams(webhook_url_file="/s/teams"),
    ),
    mutes=(
        Mute(
            name="night",
            times=("22:00-24:00",),
            weekdays=("monday:friday",),
            days_of_month=("1:7",),
            months=("july:august",),
        ),
    ),
    target_labels=(("team", "shop"),),
)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Json]], tuple[int, str]]:
    """Runs the check on resources: its exit code and what it said."""
    installed(HERE, "typescript", "against the operator's API")

    def check(resources: dict[str, Json]) -> tuple[int, str]:
        files = {f"{name}.json": resource for name, resource in resources.items()}
        return check_documents(HERE / "check.mjs", files, tmp_path_factory.mktemp("resources"))

    return check


def resources(*, pods: bool) -> dict[str, Json]:
    document = registry.describe()
    cluster = KubernetesOptions(namespace="shop", labels={"release": "prometheus"}, pods=pods)
    made = build_kubernetes(document, build(document, EVERYTHING), EVERYTHING, cluster)
    found = {Path(path).stem: yaml.safe_load(text) for path, text in made.items()}
    del found["kustomization"]
    return found


def test_the_operator_knows_all_that_is_written(
    checked: Callable[[dict[str, Json]], tuple[int, str]],
) -> None:
    every = resources(pods=True) | resources(pods=False)
    assert {each["kind"] for each in every.values()} == {
        "PrometheusRule", "ServiceMonitor", "PodMonitor", "AlertmanagerConfig",
    }  # fmt: skip
    assert checked(every) == (0, "")


def test_what_the_operator_does_not_know_is_found(
    checked: Callable[[dict[str, Json]], tuple[int, str]],
) -> None:
    every = resources(pods=False)
    rule = every["rules-watching"]["spec"]["groups"][0]["rules"][0]
    rule["keepFiringFor"] = "1m"
    del every["servicemonitor"]["spec"]["selector"]
    every["alertmanagerconfig"]["spec"]["receivers"][1]["slackConfigs"][0]["apiURL"] = "/s/slack"
    code, said = checked(every)
    assert code == 1
    for name in ("rules-watching.json", "servicemonitor.json", "alertmanagerconfig.json"):
        assert f"{name}: " in said
