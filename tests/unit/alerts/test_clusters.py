"""Alerts of a fleet whose targets say in which cluster they are."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from seawall.alerts import Options, build
from seawall.alerts.context import CLUSTER, ELSEWHERE, Context
from seawall.alerts.document import parse
from seawall.alerts.model import Alert
from seawall.alerts.rulefiles import groups

Json = dict[str, Any]
FLEET = Options(cluster_label="region")


@pytest.fixture
def alerts(document: Json) -> list[Alert]:
    own = groups(Context(FLEET, parse(document)))
    return [rule for group in own for rule in group.rules if isinstance(rule, Alert)]


def test_every_alert_says_in_which_cluster(alerts: list[Alert]) -> None:
    assert [a.name for a in alerts if not {"region", "job"} <= a.expr.labels] == []
    assert {a.scenario.labels["region"] for a in alerts} == {CLUSTER}


def test_every_alert_is_tested_beside_a_cluster_that_is_well(document: Json) -> None:
    made = build(document, FLEET)
    files = [yaml.safe_load(made[path]) for path in made if path.startswith("prometheus/tests/")]
    cases = [case for file in files for case in file["tests"] if ": fires, recovers" in case["name"]]
    assert len(cases) > 20
    for case in cases:
        inputs = " ".join(each["series"] for each in case["input_series"])
        assert (f'region="{ELSEWHERE}"' in inputs) is not case["name"].startswith("SeawallWatchdog")
        (check,) = case["alert_rule_test"]
        assert {alert["exp_labels"]["region"] for alert in check["exp_alerts"]} == {CLUSTER}
    titles = [case["name"] for file in files for case in file["tests"]]
    muted = [title for title in titles if ": silent while" in title]
    assert len(muted) == len([title for title in titles if ": fires while elsewhere" in title]) > 5


def test_groups_and_inhibitions_stay_within_the_cluster(document: Json) -> None:
    made = yaml.safe_load(build(document, FLEET)["alertmanager/alertmanager.yml"])
    assert made["route"]["group_by"] == ["alertname", "cluster", "region", "job", "dependency"]
    for rule in made["inhibit_rules"]:
        assert {"cluster", "region", "job", "dependency"} <= set(rule["equal"])
        for side in ("source_matchers", "target_matchers"):
            assert 'region=~".+"' in rule[side]


def test_settings_and_fallbacks_are_asked_of_the_guard_in_its_cluster(document: Json) -> None:
    made = build(document, FLEET)
    rules = "".join(text for path, text in made.items() if path.startswith("prometheus/rules/"))
    asked = re.findall(r"{{ with (printf .*?) \| query }}", rules)
    assert len(asked) > 50
    for query in asked:
        assert "{region=%q,job=%q,dependency=%q" in query
        assert query.endswith('" $labels.region $labels.job $labels.dependency')


def test_links_and_notifications_name_the_cluster(document: Json) -> None:
    made = build(document, FLEET)
    assert "var-cluster={{ $labels.region | urlquery }}" in made["prometheus/rules/breaker.yml"]
    assert "{{ with .Labels.region }}, cluster {{ . }}" in made["alertmanager/templates/seawall.tmpl"]


def test_a_cluster_that_has_lost_all_targets_is_told_of(document: Json) -> None:
    text = build(document, FLEET)["prometheus/rules/watching.yml"]
    (gone,) = [
        rule
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if rule["alert"] == "SeawallExporterGone"
    ]
    assert "max by (region, job) (max_over_time(up{" in gone["expr"]
    assert "unless on (region, job) max by (region, job) (up{" in gone["expr"]


def test_without_the_option_nothing_is_said_of_clusters(document: Json) -> None:
    made = build(document, replace(FLEET, cluster_label=""))
    rules = [text for path, text in made.items() if path.startswith("prometheus/rules/")]
    assert not [text for text in rules if "cluster" in text or ELSEWHERE in text]
    assert yaml.safe_load(made["alertmanager/alertmanager.yml"])["route"]["group_by"] == [
        "alertname", "cluster", "job", "dependency",
    ]  # fmt: skip
