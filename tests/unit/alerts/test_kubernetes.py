"""Resources of prometheus-operator: names, labels, secrets, and that they tell the same people the same."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from seawall.alerts import (
    KubernetesOptions,
    Mute,
    Options,
    PagerDuty,
    Slack,
    Webhook,
    build,
    build_kubernetes,
)
from seawall.alerts.kubernetes import resource_name
from seawall.resilience import ConfigurationError, Registry

FOLDER = "prometheus-operator"
Json = dict[str, Any]


def resources(document: Json, options: Options | None = None, **cluster: Any) -> dict[str, Json]:
    options = options or Options()
    made = build_kubernetes(document, build(document, options), options, KubernetesOptions(**cluster))
    assert all(path.startswith(f"{FOLDER}/") for path in made)
    return {Path(path).stem: yaml.safe_load(text) for path, text in made.items()}


def test_rules_are_those_of_the_files(document: Json) -> None:
    found = resources(document)
    files = build(document)
    rules = {p for p in files if p.startswith("prometheus/rules/")}
    assert len([name for name in found if name.startswith("rules-")]) == len(rules)
    assert found["rules-breaker"]["spec"] == yaml.safe_load(files["prometheus/rules/breaker.yml"])
    assert found["rules-failure-budgets"]["kind"] == "PrometheusRule"


def test_a_namespace_is_what_the_operator_routes_by(document: Json) -> None:
    found = resources(document, namespace="shop")
    rules = [r for group in found["rules-breaker"]["spec"]["groups"] for r in group["rules"]]
    assert {r["labels"]["namespace"] for r in rules if "alert" in r} == {"shop"}
    assert {each["metadata"]["namespace"] for name, each in found.items() if name != "kustomization"} == {
        "shop"
    }
    assert found["kustomization"]["namespace"] == "shop"
    without = resources(document)
    assert "namespace" not in without["kustomization"]
    assert "namespace" not in without["rules-breaker"]["metadata"]
    rules = [r for group in without["rules-breaker"]["spec"]["groups"] for r in group["rules"]]
    assert not [r for r in rules if "namespace" in r.get("labels", {})]


def test_the_job_is_the_one_that_rules_ask_for() -> None:
    document = Registry(service="shop $1 {{ .X }}").describe()
    endpoint = resources(document, Options(target_labels=(("team", "a"),)))["servicemonitor"]["spec"][
        "endpoints"
    ][0]
    assert endpoint["relabelings"] == [
        {"action": "replace", "targetLabel": "job", "replacement": "shop $$1 {{ .X }}"},
        {"action": "replace", "targetLabel": "team", "replacement": "a"},
    ]
    assert (endpoint["port"], endpoint["interval"], endpoint["scrapeTimeout"]) == ("metrics", "15s", "10s")
    assert resources(document)["servicemonitor"]["spec"]["selector"] == {
        "matchLabels": {"app.kubernetes.io/name": "shop-1-X"}
    }


def test_pods_are_scraped_without_a_service(document: Json) -> None:
    found = resources(
        document, pods=True, port="telemetry", selector={"app": "shop"}, labels={"release": "p"}
    )
    assert "servicemonitor" not in found
    monitor = found["podmonitor"]
    assert monitor["metadata"]["labels"] == {"app.kubernetes.io/part-of": "seawall", "release": "p"}
    assert monitor["spec"]["selector"] == {"matchLabels": {"app": "shop"}}
    assert [each["port"] for each in monitor["spec"]["podMetricsEndpoints"]] == ["telemetry"]


def test_secrets_are_the_clusters(document: Json) -> None:
    options = Options(
        receivers=(
            Webhook(url="http://x/", user="u", password_file="/run/hook"),
            Slack(api_url_file="/run/slack"),
            PagerDuty(routing_key_file="/run/pd"),
        )
    )
    spec = resources(document, options)["alertmanagerconfig"]["spec"]
    secret = resource_name("shop") + "-receivers"
    (critical,) = (each for each in spec["receivers"] if each["name"] == "critical")
    assert critical["slackConfigs"][0]["apiURL"] == {"name": secret, "key": "slack"}
    assert critical["pagerdutyConfigs"][0]["routingKey"] == {"name": secret, "key": "pd"}
    assert critical["webhookConfigs"][0]["httpConfig"]["basicAuth"] == {
        "username": {"name": secret, "key": "hook.user"},
        "password": {"name": secret, "key": "hook"},
    }
    other = resources(document, options, secret="mine")["alertmanagerconfig"]["spec"]["receivers"][1]
    assert other["slackConfigs"][0]["apiURL"]["name"] == "mine"


def test_routes_are_the_same(document: Json) -> None:
    night = Mute(name="night", times=("00:00-07:00",), days_of_month=("1:7",))
    options = Options(
        receivers=(Slack(api_url_file="/s"), PagerDuty(routing_key_file="/p", criticalities=("critical",))),
        mutes=(night,),
    )
    spec = resources(document, options)["alertmanagerconfig"]["spec"]
    route = spec["route"]
    assert (route["receiver"], route["groupBy"]) == ("warning", ["alertname", "cluster", "job", "dependency"])
    warning = route["routes"][2]
    assert warning["matchers"] == [{"name": "severity", "matchType": "=", "value": "warning"}]
    assert warning["muteTimeIntervals"] == ["night"]
    assert warning["routes"][0]["receiver"] == "warning-critical"
    assert spec["muteTimeIntervals"] == [
        {
            "name": "night",
            "timeIntervals": [
                {
                    "times": [{"startTime": "00:00", "endTime": "07:00"}],
                    "daysOfMonth": [{"start": 1, "end": 7}],
                }
            ],
        }
    ]
    assert spec["inhibitRules"][1]["targetMatch"][0] == {
        "name": "severity",
        "matchType": "=~",
        "value": "warning|info",
    }


def test_texts_stand_on_their_own(document: Json) -> None:
    """No file of templates goes with an AlertmanagerConfig; nothing but the text comes out."""
    options = Options(receivers=(Slack(api_url_file="/s"),))
    slack = resources(document, options)["alertmanagerconfig"]["spec"]["receivers"][1]["slackConfigs"][0]
    assert slack["title"].endswith('{{- end -}}\n{{ template "seawall.slack.title" . }}')
    assert (
        slack["title_link" if "title_link" in slack else "titleLink"]
        == "{{ .CommonAnnotations.dashboard_url }}"
    )
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool is not on PATH: make servers")
    run = subprocess.run(
        [amtool, "template", "render", "--template.glob=/dev/null", f"--template.text={slack['title']}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.strip().count("\n") == 0
    assert ": " in run.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            Options(receivers=(Slack(api_url_file="/a/s"), Slack(api_url_file="/b/s"))),
            ["secret files /a/s and /b/s would be one key of a Secret"],
        ),
        (
            Options(
                receivers=(Slack(api_url_file="/a b"),),
                mutes=(Mute(name="n", times=("00:00-07:00",), location="Europe/Berlin"),),
            ),
            [
                "secret file /a b: its name is no key of a Secret; allowed: letters, digits, -_.",
                "mute 'n' has the location Europe/Berlin; an AlertmanagerConfig takes: UTC",
            ],
        ),
    ],
)
def test_what_a_resource_can_not_say_is_named(document: Json, options: Options, said: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resources(document, options)
    assert sorted(set(caught.value.problems)) == sorted(said)


def test_options_that_can_not_be_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        KubernetesOptions(namespace="A", port="", labels={"a b": "c"}, selector={"a": "c d"}, secret="-")
    assert [problem.partition(";")[0] for problem in caught.value.problems] == [
        "kubernetes.namespace is 'A'",
        "kubernetes.secret is '-'",
        "kubernetes.port is ''",
        "kubernetes.labels has 'a b': 'c'",
        "kubernetes.selector has 'a': 'c d'",
    ]


@pytest.mark.parametrize("service", ["shop", "SHOP", "\N{SNOWMAN}", "a" * 200, '"} or x{', "-"])
def test_any_service_has_a_name(service: str) -> None:
    name = resource_name(service)
    assert len(name) <= 41
    assert name.startswith("seawall-")
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert resource_name(service) == name != resource_name(service + "x")
