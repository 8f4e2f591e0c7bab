"""Options that can't be: every violation named, in one error."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from seawall.alerts import Options, build
from seawall.resilience import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scrape_interval": 0}, "options.scrape_interval is 0; allowed: a number of at least 0.001"),
        ({"time_factor": float("nan")}, "options.time_factor is nan"),
        ({"evaluation_interval": True}, "options.evaluation_interval is True"),
        ({"group_interval": -1.0}, "options.group_interval is -1.0"),
        ({"time_factor": 0.01}, "options.time_factor is 0.01; allowed: at least 0.2"),
        ({"targets": ()}, "options.targets is empty"),
        ({"targets": ("127.0.0.1",)}, "options.targets holds '127.0.0.1'; allowed: host:port"),
        ({"targets": "10.0.0.1:9464"}, "options.targets is '10.0.0.1:9464'; allowed: a tuple of host:port"),
        ({"alertmanagers": ("a b:1",)}, "options.alertmanagers holds 'a b:1'"),
        ({"alertmanagers": ("a:70000",)}, "options.alertmanagers holds 'a:70000'"),
        ({"webhook_url": "ftp://x"}, "options.webhook_url is 'ftp://x'; allowed: an http or https address"),
        ({"webhook_url": "http://u:p@x/"}, "options.webhook_url holds a user name or password"),
        ({"runbook_base_url": "http://x/{{ .Y }}"}, "options.runbook_base_url is"),
        ({"target_labels": (("job", "x"),)}, "options.target_labels names 'job'"),
        ({"target_labels": (("a-b", "x"),)}, "options.target_labels names 'a-b'"),
        ({"target_labels": (("inf", "x"),)}, "options.target_labels names 'inf'"),
        (
            {"target_labels": (("dependency", "x"),)},
            "options.target_labels names 'dependency'; allowed: others",
        ),
        (
            {"target_labels": (("a", "x"), ("a", "y"))},
            "options.target_labels names 'a' 2 times; allowed: once",
        ),
        (
            {"target_labels": (("a", "\ud800"),)},
            "options.target_labels says a is '\\ud800'; allowed: 1 to 200",
        ),
        ({"cluster_label": "NaN"}, "options.cluster_label is 'NaN'; allowed: letters, digits and _, but"),
        ({"job_label": "severity"}, "options.job_label is 'severity'; allowed: others than alertname"),
        (
            {"namespace_label": "job"},
            "options.namespace_label and job_label are 'job'; allowed: each another",
        ),
        ({"repeat_interval": 1e10}, "options.repeat_interval is 10000000000.0; allowed: a number of at most"),
        ({"time_factor": 101}, "options.time_factor is 101; allowed: a number of at most 100"),
        ({"scrape_interval": 86401}, "options.scrape_interval is 86401; allowed: a number of at most 86400"),
        ({"targets": ("a:\u0663",)}, "options.targets holds 'a:\u0663'; allowed: host:port"),
        ({"targets": ("::1:9464",)}, "options.targets holds '::1:9464'; allowed: host:port"),
        ({"targets": ("a\x00:1",)}, "options.targets holds 'a\\x00:1'; allowed: host:port"),
        (
            {"dashboard_base_url": "http://x/?orgId=1"},
            "options.dashboard_base_url is 'http://x/?orgId=1'; all",
        ),
        ({"webhook_token_file": "/secrets/"}, "options.webhook_token_file is '/secrets/'; allowed: the path"),
        ({"webhook_url": "http://x/%zz"}, "options.webhook_url is 'http://x/%zz'; allowed: an http or https"),
        ({"webhook_url": "http://x:a/"}, "options.webhook_url is 'http://x:a/'; allowed: an http or https"),
        ({"webhook_url": "\x00http://x/"}, "options.webhook_url is '\\x00http://x/'; allowed: an http or"),
        ({"webhook_url": "http://u:p@[x"}, "options.webhook_url holds a user name or password"),
        (
            {"runbook_base_url": "http://x/a|b"},
            "options.runbook_base_url is 'http://x/a|b'; allowed: an http",
        ),
    ],
)
def test_what_is_wrong_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Options(**settings)
    assert [problem for problem in caught.value.problems if problem.startswith(said)]


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Options(scrape_interval=-1, targets=("x",), webhook_url="")
    assert len(caught.value.problems) == 3


def test_a_secret_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Options(webhook_url="http://user:hunter2@x/")
    assert "hunter2" not in str(caught.value)


def test_addresses_end_up_where_they_belong(document: dict[str, Any]) -> None:
    bundle = build(
        document,
        Options(
            job="shop-eu",
            cluster="eu",
            targets=("10.0.0.1:9464", "10.0.0.2:9464"),
            alertmanagers=("am-1:9093", "am-2:9093"),
            webhook_url="https://example.org/hook",
            target_labels=(("namespace", "payments"),),
            group_wait=0,
            group_interval=7,
            repeat_interval=3,
        ),
    )
    prometheus = yaml.safe_load(bundle["prometheus/prometheus.yml"])
    assert prometheus["global"]["external_labels"] == {"cluster": "eu"}
    assert prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == [
        "am-1:9093",
        "am-2:9093",
    ]
    scrape = prometheus["scrape_configs"][0]
    assert scrape["job_name"] == "shop-eu"
    assert scrape["static_configs"] == [
        {"targets": ["10.0.0.1:9464", "10.0.0.2:9464"], "labels": {"namespace": "payments"}}
    ]
    alertmanager = yaml.safe_load(bundle["alertmanager/alertmanager.yml"])
    for receiver in alertmanager["receivers"][1:]:
        assert [w["url"] for w in receiver["webhook_configs"]] == ["https://example.org/hook"]
    # A repetition can't come before the next notification of its group.
    for route in alertmanager["route"]["routes"][1:]:
        assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("0s", "7s", "7s")
