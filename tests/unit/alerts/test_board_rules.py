"""What is recorded for boards: every rule is tested, and keeps the labels that a fleet has."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from seawall.alerts import Options, build
from seawall.telemetry.promql import Scope, equal
from seawall.telemetry.recorded import Recordings, service_labels

FLEET = Options(
    cluster_label="cluster", namespace_label="namespace", job_label="service", instance_label="pod"
)
TESTS = "prometheus/tests/boards_every_15s_test.yml"


def rules(bundle: dict[str, str]) -> dict[str, str]:
    groups = yaml.safe_load(bundle["prometheus/rules/boards.yml"])["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


def test_changes_of_breakers_are_kept_at_the_pace_of_alerts_and_rates_once_a_minute(
    document: dict[str, Any],
) -> None:
    rates, breakers = yaml.safe_load(build(document)["prometheus/rules/boards.yml"])["groups"]
    assert (rates["interval"], breakers["interval"]) == ("1m", "15s")
    (each,) = (rule for rule in breakers["rules"] if rule["record"].endswith("breaker_transitions:delta"))
    assert " offset 15s" in each["expr"], "what changed since the evaluation before"


@pytest.mark.parametrize("options", [Options(), FLEET], ids=["one service", "a fleet"])
def test_every_rule_is_asked_for_what_it_makes_of_two_replicas(
    document: dict[str, Any], options: Options
) -> None:
    bundle = build(document, options)
    asked = [
        (check["expr"].removeprefix("round(").removesuffix(", 0.001)"), check["exp_samples"])
        for case in yaml.safe_load(bundle[TESTS])["tests"]
        for check in case["promql_expr_test"]
    ]
    own = rules(bundle)
    level = "cluster_namespace_service_job" if options is FLEET else "job"
    assert sorted({name for name, _ in asked} - {*own}) == [
        # Alerts ask for them, too, so that they are recorded with what alerts ask.
        f"{level}_dependency_policy_reason:seawall_rejections:rate5m",
        f"{level}_dependency_state:seawall_breaker_state:sum",
    ]
    assert {*own} < {name for name, _ in asked}
    assert all(expected for _, expected in asked)


def test_a_fleets_labels_are_kept(document: dict[str, Any]) -> None:
    found = rules(build(document, FLEET))
    assert len(found) == 12
    for name, expr in found.items():
        assert name.startswith(
            ("cluster_namespace_service_job_dependency", "cluster_namespace_service_job_pod")
        )
        level = "pod" if "_pod" in name.partition(":")[0] else "dependency"
        assert f" by (cluster, namespace, service, job, {level}" in expr
        assert "instance" not in expr


def test_alerts_of_a_fleet_go_by_job_and_dependency(document: dict[str, Any]) -> None:
    rates = yaml.safe_load(build(document, FLEET)["prometheus/rules/rates.yml"])["groups"]
    found = {rule["record"]: rule["expr"] for group in rates for rule in group["rules"]}
    calls = found["cluster_job_dependency:seawall_calls:rate5m"]
    assert calls.startswith(
        "sum by (cluster, job, dependency) (cluster_namespace_service_job_dependency_outcome:"
    )


def test_without_breakers_there_are_no_rules_and_tests_of_them(document: dict[str, Any]) -> None:
    guards = [{**guard, "policies": {}} for guard in document["guards"]]
    bundle = build({**document, "guards": guards})
    assert not [name for name in rules(bundle) if "breaker" in name]
    assert len(yaml.safe_load(bundle[TESTS])["tests"]) == 1


def test_without_guards_there_is_nothing_to_test_with() -> None:
    bundle = build({"schema": "seawall.policies/1", "service": "shop", "hash": "0" * 16, "guards": []})
    assert len(rules(bundle)) == 8
    assert TESTS not in bundle


def test_a_matcher_on_a_label_that_was_not_kept_is_left_out() -> None:
    kept = Recordings(scope=Scope())
    scope = Scope((equal("job", "shop"), equal("instance", "x"), equal("dependency", "bank")))
    assert kept.states.within(scope, equal("state", "open")).text == (
        'job_dependency_state:seawall_breaker_state:sum{job="shop", dependency="bank", state="open"}'
    )
    assert (
        kept.replica_calls.within(scope).text == 'job_instance:seawall_calls:rate5m{job="shop", instance="x"}'
    )


def test_job_is_always_kept_and_once() -> None:
    assert service_labels("", "", "job") == ("job",)
    assert service_labels("zone", "ns", "service") == ("zone", "ns", "service", "job")


def test_labels_of_a_fleet_are_checked() -> None:
    with pytest.raises(ValueError, match=r"options\.cluster_label is 'a-b'") as caught:
        Options(cluster_label="a-b", job_label="")
    assert "options.job_label is ''" in str(caught.value)
