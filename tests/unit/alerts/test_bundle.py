"""The bundle as a whole: stable, complete, and no alert without what a person needs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from seawall import dashboards
from seawall.alerts import Options, build
from seawall.alerts.links import uid

SEVERITIES = {"critical", "warning", "info"}


@pytest.fixture(scope="module")
def bundle(document: dict[str, Any]) -> dict[str, str]:
    return build(document)


def groups(bundle: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for path, text in bundle.items():
        if path.startswith("prometheus/rules/"):
            found += yaml.safe_load(text)["groups"]
    return found


def alerts(bundle: dict[str, str]) -> list[dict[str, Any]]:
    return [rule for group in groups(bundle) for rule in group["rules"] if "alert" in rule]


def cases(bundle: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for path, text in bundle.items():
        if path.startswith("prometheus/tests/"):
            found += yaml.safe_load(text)["tests"]
    return found


def test_the_same_policies_give_the_same_bytes(document: dict[str, Any]) -> None:
    turned = {**document, "guards": list(reversed(document["guards"]))}
    assert build(document) == build(turned)


def test_what_the_job_is_about_is_alerted_on(bundle: dict[str, str]) -> None:
    assert {rule["alert"] for rule in alerts(bundle)} == {
        "SeawallBreakerDisabled",
        "SeawallBreakerFalseOpens",
        "SeawallBreakerFlapping",
        "SeawallBreakerForcedOpen",
        "SeawallBreakerHalfOpenStuck",
        "SeawallBreakerMetricsOnly",
        "SeawallBreakerNeverDecides",
        "SeawallBreakerOpen",
        "SeawallBreakerTrialOver",
        "SeawallBulkheadRejecting",
        "SeawallBulkheadSaturated",
        "SeawallDegradedBudgetBurn",
        "SeawallDependencySilent",
        "SeawallDependencySlow",
        "SeawallExporterDown",
        "SeawallExporterGone",
        "SeawallFailureBudgetBurn",
        "SeawallFallbackFailing",
        "SeawallFamilyOverflowing",
        "SeawallListenerErrors",
        "SeawallPolicyDrift",
        "SeawallQueuedWorkGrowing",
        "SeawallRateLimited",
        "SeawallRetryBudgetExhausted",
        "SeawallRetryStorm",
        "SeawallServiceSilent",
        "SeawallStaleTooOld",
        "SeawallTelemetryDropped",
        "SeawallThreadsAbandoned",
        "SeawallThreadsBusy",
        "SeawallTimeouts",
        "SeawallWatchdog",
    }


def test_every_alert_says_what_a_person_needs(bundle: dict[str, str]) -> None:
    for rule in alerts(bundle):
        notes = rule["annotations"]
        assert rule["labels"]["severity"] in SEVERITIES
        assert re.fullmatch(r"Seawall[A-Z]\w+", rule["alert"])
        assert len(rule["alert"]) <= 40
        assert "{{" not in notes["summary"]
        assert re.fullmatch(r"[A-Z][^.]+\.", notes["summary"])
        assert "{{" in notes["description"]
        assert f"runbooks/{rule['alert']}.md" in bundle
        assert notes["runbook_url"].endswith(f"/{rule['alert']}.md")
        assert "/d/seawall-" in notes["dashboard_url"]


def test_a_group_is_short_and_its_name_its_own(bundle: dict[str, str]) -> None:
    found = groups(bundle)
    names = [group["name"] for group in found]
    assert len(set(names)) == len(names)
    assert max(len(group["rules"]) for group in found) <= 20


def test_every_alert_is_tested_to_fire_and_to_stay_quiet(bundle: dict[str, str]) -> None:
    """Each rule, not each name: its severity and other labels are asked for."""
    asked: dict[str, set[bool]] = {}
    for case in cases(bundle):
        for check in case["promql_expr_test"]:
            asked.setdefault(check["expr"], set()).add(bool(check["exp_samples"]))
    described = [
        (alert["exp_labels"], check["alertname"])
        for case in cases(bundle)
        for check in case.get("alert_rule_test", ())
        for alert in check["exp_alerts"]
    ]
    for rule in alerts(bundle):
        own = {"alertname": rule["alert"], "alertstate": "firing", **rule["labels"]}
        body = ",".join(f'{name}="{value}"' for name, value in own.items())
        assert asked[f"count(ALERTS{{{body}}})"] == {True, False}, own
        assert any(
            name == rule["alert"] and rule["labels"].items() <= labels.items() for labels, name in described
        ), own


@pytest.mark.parametrize(
    "mishap", ["counter reset", "missed scrape", "first error from nothing", "target vanishes"]
)
def test_what_happens_to_scrapes_is_replayed(mishap: str, bundle: dict[str, str]) -> None:
    names = {case["name"].split(" ")[0] for case in cases(bundle) if case["name"].endswith(mishap)}
    assert {"SeawallRetryStorm", "SeawallFailureBudgetBurn", "SeawallTimeouts"} <= names


def test_time_is_scaled_everywhere(document: dict[str, Any]) -> None:
    fast = Options(scrape_interval=1.0, evaluation_interval=1.0, time_factor=1 / 60)
    slow, quick = alerts(build(document)), alerts(build(document, fast))
    waits = [
        (a["alert"], a.get(key), b.get(key))
        for a, b in zip(slow, quick, strict=True)
        for key in ("for", "keep_firing_for")
        if a.get(key)
    ]
    assert ("SeawallRetryStorm", "2m", "2s") in waits
    assert ("SeawallBreakerOpen", "2m", "2s") in waits
    storm = next(rule for rule in quick if rule["alert"] == "SeawallRetryStorm")
    assert "rate5s{" in storm["expr"]
    assert "5m" not in storm["expr"]


def test_a_breaker_that_opens_is_told_at_once_and_not_twice(bundle: dict[str, str]) -> None:
    for rule in alerts(bundle):
        if rule["alert"] == "SeawallBreakerOpen":
            assert "for" not in rule
            assert rule["keep_firing_for"] == "2m"


def test_severity_follows_criticality(bundle: dict[str, str]) -> None:
    found = {
        (rule["labels"]["criticality"], rule["labels"]["severity"])
        for rule in alerts(bundle)
        if rule["alert"] == "SeawallBreakerOpen"
    }
    assert found == {
        ("critical", "critical"),
        ("critical", "warning"),
        ("default", "warning"),
        ("sheddable", "info"),
    }


def test_an_objective_out_of_reach_of_a_burn_rate_brings_no_dead_rule(document: dict[str, Any]) -> None:
    """14.4 x (1 - 0.9) is more than every call: such a rule could never fire."""
    guards = [{**document["guards"][0], "objectives": {"success": 0.9}}]
    windows = {
        rule["labels"]["long_window"]
        for rule in alerts(build({**document, "guards": guards}))
        if rule["alert"] == "SeawallFailureBudgetBurn"
    }
    assert windows == {"6h", "1d", "3d"}


def test_dashboards_are_linked_by_the_uid_they_have() -> None:
    for board in ("overview", "dependency"):
        assert uid("shop \N{SNOWMAN}", board) == dashboards.uid("shop \N{SNOWMAN}", board)


def test_runbooks_tell_the_policies_numbers(bundle: dict[str, str]) -> None:
    page = bundle["runbooks/SeawallBreakerOpen.md"]
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert headings == ["Meaning", "Impact", "Diagnosis", "Mitigation", "The policies' numbers"]
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 5
    assert any("bank\\-api | critical | stale, default | 0.5 | 100 | 10 | 30 |" in row for row in rows)


def test_every_file_says_how_it_was_made(bundle: dict[str, str]) -> None:
    for path, text in bundle.items():
        assert "Generated by `seawall generate`" in text[:200], path
        assert text.endswith("\n"), path


def test_a_service_without_guards_is_still_watched() -> None:
    empty = build({"schema": "seawall.policies/1", "service": "shop", "hash": "0" * 16, "guards": []})
    assert {rule["alert"] for rule in alerts(empty)} == {
        "SeawallExporterDown",
        "SeawallExporterGone",
        "SeawallListenerErrors",
        "SeawallTelemetryDropped",
        "SeawallWatchdog",
    }
