"""Alertmanager after a restart: it knows no cause yet, and tells of what the cause explains."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
import yaml

from seawall.alerts import Options, build
from seawall.resilience import Breaker, Fallback, Objectives, Registry, Retry, RetryBudget, Timeout

pytestmark = pytest.mark.servers

PATIENCE = 30.0
BANK = "bank"


def bundle(webhook: int = 9465) -> dict[str, str]:
    registry = Registry(service="shop")
    registry.guard(
        BANK,
        criticality="critical",
        breaker=Breaker(slow_after=0.5),
        retry=Retry(budget=RetryBudget(ratio=0.2)),
        timeout=Timeout(attempt=1.0, total=5.0),
        fallback=Fallback(default=None),
        objectives=Objectives(success=0.999, undegraded=0.99),
    )
    # An hour of waiting for more of a group: it does not help.
    options = Options(webhook_url=f"http://127.0.0.1:{webhook}/", group_wait=3600.0)
    return build(registry.describe(), options)


def written(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def program(*names: str) -> str:
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"{names[0]} is not on PATH: make servers")
    return found


def until(what: str, answer: Callable[[], Any]) -> Any:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            if found := answer():
                return found
        except httpx.TransportError:
            pass
        Event().wait(0.05)
    pytest.fail(f"not within {PATIENCE:g} s: {what}")


@contextmanager
def receiver() -> Iterator[tuple[int, list[str]]]:
    """A webhook: its port, and the names of the alerts that it was told of."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.extend(alert["labels"]["alertname"] for alert in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, told
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def alertmanager(folder: Path) -> Iterator[httpx.Client]:
    """It runs on the bundle in the folder, and keeps there what it keeps."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (
        program("prometheus-alertmanager", "alertmanager"),
        f"--config.file={folder / 'alertmanager' / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                until("Alertmanager is ready", lambda: client.get("/-/ready").status_code == 200)
                yield client
        finally:
            process.terminate()
            process.wait(PATIENCE)


def fires(client: httpx.Client, name: str, severity: str) -> None:
    """Send an alert that has been firing for two hours, as Prometheus does again and again."""
    labels = {"alertname": name, "severity": severity, "cluster": "local", "job": "shop", "dependency": BANK}
    since = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    answer = client.post("/api/v2/alerts", json=[{"labels": labels, "startsAt": since}])
    assert answer.status_code == 200, answer.text


def muted(client: httpx.Client) -> set[str]:
    found = client.get("/api/v2/alerts").json()
    return {alert["labels"]["alertname"] for alert in found if alert["status"]["inhibitedBy"]}


def test_alertmanager_4064_after_a_restart_it_tells_of_what_was_inhibited(tmp_path: Path) -> None:
    """Why an inhibition is not enough: the fault, on a real Alertmanager. Should it be gone one day, then so
    may `seawall.alerts.causes`."""
    with receiver() as (port, told):
        written(tmp_path, bundle(port))
        with alertmanager(tmp_path) as client:
            fires(client, "SeawallBreakerOpen", "critical")
            until("the cause is told", lambda: told == ["SeawallBreakerOpen"])
            fires(client, "SeawallRetryStorm", "warning")
            until("what it explains is muted", lambda: muted(client) == {"SeawallRetryStorm"})
            assert told == ["SeawallBreakerOpen"]
        with alertmanager(tmp_path) as client:
            # Prometheus sends the alerts of one rule at a time: this one may well be the first.
            fires(client, "SeawallRetryStorm", "warning")
            until("it is told all the same", lambda: told == ["SeawallBreakerOpen", "SeawallRetryStorm"])


def rules_of(files: dict[str, str]) -> list[dict[str, Any]]:
    groups = [
        group
        for path, text in files.items()
        if path.startswith("prometheus/rules/")
        for group in yaml.safe_load(text)["groups"]
    ]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def silent_cases(files: dict[str, str]) -> dict[str, str]:
    """The bundle, of whose tests only those are left in which a cause fires."""
    found = {path: text for path, text in files.items() if not path.startswith("prometheus/tests/")}
    for path in files.keys() - found.keys():
        document = yaml.safe_load(files[path])
        cases = [case for case in document["tests"] if " silent while " in case["name"]]
        if cases:
            found[path] = yaml.safe_dump({**document, "tests": cases})
    return found


def tried(folder: Path) -> str:
    tests = sorted((folder / "prometheus" / "tests").iterdir())
    run = subprocess.run(
        [program("promtool"), "test", "rules", *map(str, tests)], capture_output=True, text=True, check=False
    )
    return run.stdout + run.stderr


def test_alertmanager_4064_what_a_cause_explains_is_not_sent_while_the_cause_fires(tmp_path: Path) -> None:
    """Every alert that an inhibition would mute does not fire at all while its cause does: there is nothing
    that a restarted Alertmanager could tell too early."""
    files = bundle()
    names = {case.split(" ")[0] for case in silent_names(files)}
    assert names == {
        "SeawallBreakerOpen",
        "SeawallDegradedBudgetBurn",
        "SeawallDependencySlow",
        "SeawallFailureBudgetBurn",
        "SeawallRetryBudgetExhausted",
        "SeawallRetryStorm",
        "SeawallTimeouts",
    }
    (follows,) = (
        matcher.partition("=~")[2].strip('"').split("|")
        for rule in yaml.safe_load(files["alertmanager/alertmanager.yml"])["inhibit_rules"]
        if 'alertname="SeawallBreakerOpen"' in rule["source_matchers"]
        for matcher in rule["target_matchers"]
        if matcher.startswith("alertname=~")
    )
    assert set(follows) <= names
    assert "FAILED" not in tried(written(tmp_path / "as it is", silent_cases(files)))


def test_alertmanager_4064_a_rule_that_forgets_its_cause_is_found(tmp_path: Path) -> None:
    blind = {
        path: text.replace('alertstate="firing"', 'alertstate="never"') if "/rules/" in path else text
        for path, text in silent_cases(bundle()).items()
    }
    said = tried(written(tmp_path, blind))
    assert said.count("FAILED") > 1
    assert 'alertname=\\"SeawallRetryStorm\\"' in said


def silent_names(files: dict[str, str]) -> list[str]:
    """Names of the cases in which a cause fires."""
    cases = [
        case["name"]
        for path, text in files.items()
        if path.startswith("prometheus/tests/")
        for case in yaml.safe_load(text)["tests"]
    ]
    return [name for name in cases if " silent while " in name]


def test_alertmanager_4064_a_quieter_alert_is_not_sent_while_a_louder_one_of_its_name_fires() -> None:
    order = ("critical", "warning", "info")
    rules = rules_of(bundle())
    quieter = [
        rule
        for rule in rules
        for other in rules
        if other["alert"] == rule["alert"]
        and order.index(other["labels"]["severity"]) < order.index(rule["labels"]["severity"])
    ]
    assert len(quieter) > 4
    for rule in quieter:
        assert (
            f'ALERTS{{job="shop", alertname="{rule["alert"]}", alertstate="firing", severity' in rule["expr"]
        )
