"""What Prometheus and Alertmanager say of generated files, by their own tools."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.servers_at_hand import INSTALLED

from seawall.alerts import Options, build
from seawall.resilience import (
    Breaker,
    Bulkhead,
    Fallback,
    Objectives,
    RateLimit,
    Registry,
    Retry,
    RetryBudget,
    Timeout,
)

pytestmark = pytest.mark.servers

FAST = Options(scrape_interval=1.0, evaluation_interval=1.0, time_factor=1 / 60)
FLEET = Options(
    cluster_label="cluster", namespace_label="namespace", job_label="service", instance_label="pod"
)


def document(service: str = 'shop {{ .X }}"', bank: str = 'bank "} or x{z="') -> dict[str, Any]:
    """Names that would break out of PromQL, YAML or Go templates, if anything let them."""
    registry = Registry(service=service)
    registry.guard(
        bank,
        criticality="critical",
        breaker=Breaker(slow_after=0.5, slow_ratio=0.8),
        retry=Retry(budget=RetryBudget(ratio=0.2)),
        timeout=Timeout(attempt=1.0, total=5.0, threads=20),
        bulkhead=Bulkhead(limit=20),
        rate_limit=RateLimit(rate=100.0, burst=20),
        fallback=Fallback(stale_for=900.0, default=None),
        objectives=Objectives(success=0.999, undegraded=0.99),
    )
    registry.guard(
        "{{ $labels.job }}\\ `$1` %q \N{SNOWMAN}",
        retry=Retry(attempts=4, budget=None),
        timeout=Timeout(total=0.5),
        objectives=Objectives(success=0.99),
    )
    registry.guard(
        "cache",
        criticality="sheddable",
        breaker=Breaker(open_for=300.0, window_seconds=60.0, consecutive_failures=4),
    )
    registry.guard("files", breaker=Breaker(mode="metrics_only"), fallback=Fallback(queue=print))
    registry.family("partner [x|y] {{ .Y }}", breaker=Breaker(mode="disabled"), criticality="sheddable")
    return registry.describe()


def written(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def generated_tests(bundle: Path, file: str = "*") -> list[Path]:
    """Files with the tests of one file of rules, or of all."""
    return sorted((bundle / "prometheus" / "tests").glob(f"{file}_every_*_test.yml"))


@cache
def plain() -> dict[str, str]:
    """With names of which nothing is feared."""
    return build(document("shop", "bank"))


@pytest.fixture(scope="module", params=["as in production", "as in the demo"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = FAST if request.param == "as in the demo" else Options()
    return written(tmp_path_factory.mktemp("bundle"), build(document(), options))


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("bundle"), plain()) / "alertmanager"


def test_rules_pass_every_lint(bundle: Path) -> None:
    rules = sorted((bundle / "prometheus" / "rules").iterdir())
    said = INSTALLED.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules)
    assert said.count("SUCCESS") == len(rules) == 19


def test_the_configuration_is_accepted(bundle: Path) -> None:
    said = INSTALLED.run("promtool", "check", "config", bundle / "prometheus" / "prometheus.yml")
    assert "19 rule files found" in said


@pytest.mark.timeout(600)
def test_every_alert_fires_stays_quiet_and_recovers(bundle: Path) -> None:
    found = sorted((bundle / "prometheus" / "tests").iterdir())
    assert generated_tests(bundle) == found
    assert INSTALLED.fail(found) == {}


def test_what_boards_ask_for_is_recorded_under_a_fleets_labels(tmp_path: Path) -> None:
    folder = written(tmp_path, build(document(), FLEET))
    assert INSTALLED.fail(generated_tests(folder, "boards")) == {}


@pytest.mark.parametrize(
    ("file", "was", "becomes"),
    [
        ("retries", " > 0.01) and", " > 0.008) and"),
        ("retries", "for: 2m", "for: 20m"),
        ("retries", "severity: warning", "severity: info"),
        ("retries", "humanizePercentage", "humanize"),
        ("watching", "> 0\n", "> 100\n"),
        ("watching", "== 0", "== 2"),
        ("watching", "for: 15m", "for: 3h"),
        (
            "boards",
            "job_dependency_error:seawall_errors:rate5m\n        expr: sum",
            "job_dependency_error:seawall_errors:rate5m\n        expr: max",
        ),
        ("boards", 'outcome!="cancelled"', 'outcome!="success"'),
        ("boards", " offset 15s", " offset 30s"),
        ("boards", 'state=~"half_open|open|forced_open"', 'state=~"half_open|forced_open"'),
    ],
)
def test_the_generated_tests_notice_a_changed_rule(tmp_path: Path, file: str, was: str, becomes: str) -> None:
    files = dict(plain())
    rules = files[f"prometheus/rules/{file}.yml"]
    assert was in rules
    files[f"prometheus/rules/{file}.yml"] = rules.replace(was, becomes)
    folder = written(tmp_path, files)
    said = INSTALLED.fail(generated_tests(folder, file))
    assert "FAILED" in "".join(said.values())


def test_alertmanager_accepts_its_configuration(bundle: Path) -> None:
    said = INSTALLED.run("amtool", "check-config", bundle / "alertmanager" / "alertmanager.yml")
    assert "1 templates" in said
    assert said.count("SUCCESS") == 2


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=SeawallBreakerOpen", "severity=critical", "dependency=bank"), "critical"),
        (("alertname=SeawallTimeouts", "severity=warning"), "warning"),
        (("alertname=SeawallDegradedBudgetBurn", "severity=info"), "info"),
        (("alertname=SeawallWatchdog", "severity=info"), "nobody"),
        (("alertname=Somebodys", "severity=page"), "warning"),
        (("alertname=Somebodys",), "warning"),
    ],
)
def test_who_is_told(alertmanager: Path, labels: tuple[str, ...], receiver: str) -> None:
    INSTALLED.run(
        "amtool", "config", "routes", "test",
        f"--config.file={alertmanager / 'alertmanager.yml'}", f"--verify.receivers={receiver}", *labels,
    )  # fmt: skip


def test_a_notification_reads_well_on_a_phone(alertmanager: Path, tmp_path: Path) -> None:
    alert = {
        "status": "firing",
        "labels": {
            "alertname": "SeawallBreakerOpen",
            "severity": "critical",
            "dependency": "bank",
            "job": "shop",
            "cluster": "eu",
            "criticality": "critical",
        },
        "annotations": {
            "summary": "A circuit breaker is open: calls to a dependency are not made.",
            "description": "bank: breaker open on 100% of the replicas of shop.",
            "dashboard_url": "https://grafana/d/x",
            "runbook_url": "https://runbooks/x.md",
        },
        "startsAt": "2026-11-23T13:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
    }
    data = {
        "receiver": "critical",
        "status": "firing",
        "alerts": [alert],
        "groupLabels": {},
        "commonLabels": alert["labels"],
        "commonAnnotations": alert["annotations"],
    }
    file = tmp_path / "data.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    said = INSTALLED.run(
        "amtool", "template", "render",
        f"--template.glob={alertmanager / 'templates' / '*.tmpl'}",
        f"--template.data={file}",
        '--template.text={{ template "seawall.title" . }}\n{{ template "seawall.text" . }}',
    )  # fmt: skip
    assert said.splitlines()[:7] == [
        "CRITICAL bank: A circuit breaker is open: calls to a dependency are not made.",
        "bank: breaker open on 100% of the replicas of shop.",
        "Where: bank of shop, cluster eu",
        "How bad: critical (dependency: critical)",
        "Since 23 Nov 13:00 UTC",
        "Look: https://grafana/d/x",
        "Act: https://runbooks/x.md",
    ]


def test_an_inhibition_compares_only_labels_that_both_sides_have(alertmanager: Path) -> None:
    """Alertmanager takes a label that both lack for equal: an alert without one must not mute all others."""
    configuration = yaml.safe_load((alertmanager / "alertmanager.yml").read_text(encoding="utf-8"))
    assert len(configuration["inhibit_rules"]) == 3
    for rule in configuration["inhibit_rules"]:
        for side in ("source_matchers", "target_matchers"):
            required = {matcher.partition("=")[0] for matcher in rule[side]}
            # Prometheus writes the cluster on every alert it sends: it is an external label.
            assert set(rule["equal"]) - {"cluster"} <= required


def test_the_linter_of_alertmanagers_finds_nothing(bundle: Path) -> None:
    """amlint finds what amtool does not: bogus keys, unreachable routes, inhibitions that mute too much."""
    pytest.importorskip("amlint")
    run = subprocess.run(
        [
            sys.executable, "-m", "amlint.cli", "check", "--strict",
            # The watchdog is for whoever watches the watchers: nobody is told that all is well.
            "--ignore", "empty-receiver",
            "--rules", f"{bundle}/prometheus/rules/*.yml",
            str(bundle / "alertmanager" / "alertmanager.yml"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "No issues found" in run.stdout
