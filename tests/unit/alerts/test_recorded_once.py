"""What rules ask of raw series is asked once: those are what grows with replicas and operations."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import yaml

from seawall.alerts import Options, build
from seawall.telemetry import catalog
from seawall.telemetry.promql import Scope
from seawall.telemetry.recorded import Recordings

SELECTOR = re.compile(r"(?<![\w:])(seawall_\w+)(\{[^}]*\})?(\[\w+\])?(?![\w:])")
RAW = {
    name
    for series in catalog.SERIES
    for name in ((series.bucket, series.sum, series.count) if series.type == "histogram" else (series.name,))
}
#: What is asked from two sides, and why. Anything else is asked by one rule.
TWICE = {
    "seawall_calls_total": "once for dependencies over replicas, once for replicas over dependencies",
    "seawall_breaker_state": "the same; and, seldom, what stays as it is for a whole window",
    "seawall_breaker_transitions_total": "changes since the last time; and, seldom, openings in half an hour",
    "seawall_policy_info": "criticalities; and hashes that are not the bundle's",
    "seawall_policy_setting": "all of them, seldom; two by replica",
}


def rules(document: dict[str, Any]) -> list[dict[str, str]]:
    bundle = build(document, Options())
    files = [text for path, text in bundle.items() if path.startswith("prometheus/rules/")]
    return [rule for text in files for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def selected(expr: str) -> list[tuple[str, str, str]]:
    return [found for found in SELECTOR.findall(expr) if found[0] in RAW]


def test_no_two_rules_select_the_same_raw_series(document: dict[str, Any]) -> None:
    asked = Counter(each for rule in rules(document) for each in {*selected(rule["expr"])})
    assert len(asked) > 25
    assert [name for (name, _, _), times in asked.items() if times > 1] == ["seawall_calls_total"]


def test_a_metric_that_several_rules_read_has_its_reason(document: dict[str, Any]) -> None:
    asked = Counter(
        name for rule in rules(document) for name in {name for name, _, _ in selected(rule["expr"])}
    )
    assert sorted(name for name, times in asked.items() if times > 1) == sorted(TWICE)


def test_only_recordings_read_what_grows_with_replicas(document: dict[str, Any]) -> None:
    """Alerts that do are about the exporter itself, or a service as a whole: some series a replica."""
    alerting = {name for rule in rules(document) if "alert" in rule for name, _, _ in selected(rule["expr"])}
    assert alerting == {
        "seawall_policy_info",
        "seawall_telemetry_dropped_total",
        "seawall_listener_errors_total",
    }


def test_every_recording_is_asked_for_or_shown(document: dict[str, Any]) -> None:
    kept = Recordings(scope=Scope())
    shown = {one.name for one in (*kept.for_boards, *kept.of_breakers)}
    every = rules(document)
    for rule in every:
        if "record" in rule:
            name = rule["record"]
            used = any(re.search(rf"(?<![\w:]){re.escape(name)}(?![\w:])", other["expr"]) for other in every)
            assert used or name in shown, name


@pytest.mark.parametrize("alert", ["SeawallBreakerOpen", "SeawallBulkheadSaturated"])
def test_what_only_one_kind_of_alert_asks_is_recorded_before_it_in_its_group(
    document: dict[str, Any], alert: str
) -> None:
    bundle = build(document, Options())
    (group,) = (
        group
        for path, text in bundle.items()
        if path.startswith("prometheus/rules/")
        for group in yaml.safe_load(text)["groups"]
        if any(rule.get("alert") == alert for rule in group["rules"])
    )
    kinds = ["record" if "record" in rule else "alert" for rule in group["rules"]]
    assert kinds == sorted(kinds, reverse=True)
    assert kinds[0] == "record"
