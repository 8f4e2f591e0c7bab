"""From a breaker that opens to the notification: real exporter, Prometheus, Alertmanager, receiver."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from seawall.alerts import Options, build
from seawall.exporter import ExporterServer, ExporterSettings, create_app
from seawall.resilience import Breaker, Fallback, Registry, ResilienceError, Retry, Timeout
from seawall.telemetry.service import Service

pytestmark = pytest.mark.servers

PATIENCE = 60.0
#: Seconds that a busy machine may add.
BUSY = 10.0
BANK = 'bank "} or x{z="{{ .X }}'
MAIL = "mail"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, ready: Callable[[], Any]) -> Any:
    """The first true answer; fails, saying what was waited for."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if found := ready():
                return found
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    pytest.fail(f"not within {PATIENCE:g} s: {what}")


@contextmanager
def running(folder: Path, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own, with its output in a file, that is ended at the end."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class Place:
    """A service with two guards, watched by real servers."""

    registry: Registry
    kept: Path
    prometheus: str
    alertmanager: str

    def fail(self, name: str) -> float:
        """Let calls of a guard fail until its breaker is open. Gives the time at which it opened."""

        def broken() -> None:
            raise ConnectionError

        guard = self.registry.get(name)
        assert guard is not None
        while guard.state == "closed":
            with suppress(ConnectionError, ResilienceError):
                guard.call(broken)
        assert guard.state == "open"
        return time.time()

    def heal(self, name: str) -> None:
        """Call successfully until the breaker has closed."""
        guard = self.registry.get(name)
        assert guard is not None

        def closed() -> bool:
            try:
                guard.call(lambda: "fine")
            except ResilienceError:
                return False
            return guard.state == "closed"

        wait_for("the breaker closes", closed)

    def alerts(self, status: str, dependency: str) -> list[tuple[float, dict[str, Any]]]:
        """Alerts received so far, with the time of their notification."""
        if not self.kept.exists():
            return []
        lines = self.kept.read_text(encoding="utf-8").splitlines()
        return [
            (entry["received"], alert)
            for entry in map(json.loads, lines)
            for alert in entry["notification"]["alerts"]
            if alert["status"] == status and alert["labels"].get("dependency") == dependency
        ]

    def firing(self) -> set[tuple[str, str]]:
        """Name and severity of every alert that fires in Prometheus."""
        found = httpx.get(f"{self.prometheus}/api/v1/alerts").json()["data"]["alerts"]
        return {(a["labels"]["alertname"], a["labels"]["severity"]) for a in found if a["state"] == "firing"}


def program(*names: str) -> str:
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"{names[0]} is not on PATH: make servers")
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    prometheus_program = program("prometheus")
    alertmanager_program = program("prometheus-alertmanager", "alertmanager")
    registry = Registry(service="shop {{ .X }}")
    breaker = Breaker(window_calls=10, minimum_calls=5, open_for=0.5, half_open_permits=1)
    fallback = Fallback(default=None)
    registry.guard(
        BANK, criticality="critical", breaker=breaker, retry=Retry(attempts=2, base_delay=0.001),
        timeout=Timeout(total=5.0), fallback=fallback,
    )  # fmt: skip
    registry.guard(MAIL, breaker=breaker)
    exporter = ExporterServer(
        create_app(registry, service=Service(name=registry.service)), ExporterSettings(port=0)
    )
    exporter.start()
    prometheus, alertmanager, webhook = free_port(), free_port(), free_port()
    bundle = build(
        registry.describe(),
        Options(
            targets=(f"127.0.0.1:{exporter.port}",),
            alertmanagers=(f"127.0.0.1:{alertmanager}",),
            webhook_url=f"http://127.0.0.1:{webhook}/notifications",
            scrape_interval=0.25,
            evaluation_interval=0.25,
            time_factor=1 / 150,
        ),
    )
    for path, text in bundle.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    kept = tmp_path / "notifications.jsonl"
    receive = (sys.executable, "-m", "seawall.cli", "receive", "--port", str(webhook), "--file", str(kept))
    alertmanager_command = (
        alertmanager_program,
        f"--config.file={tmp_path / 'alertmanager' / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'alertmanager-data'}",
        f"--web.listen-address=127.0.0.1:{alertmanager}",
        "--cluster.listen-address=",
    )
    prometheus_command = (
        prometheus_program,
        f"--config.file={tmp_path / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'prometheus-data'}",
        f"--web.listen-address=127.0.0.1:{prometheus}",
    )
    with ExitStack() as stack:
        stack.callback(exporter.stop)
        stack.enter_context(running(tmp_path, "receive", *receive))
        stack.enter_context(running(tmp_path, "alertmanager", *alertmanager_command))
        stack.enter_context(running(tmp_path, "prometheus", *prometheus_command))
        made = Place(registry, kept, f"http://127.0.0.1:{prometheus}", f"http://127.0.0.1:{alertmanager}")
        ready = (f"{made.prometheus}/-/ready", f"{made.alertmanager}/-/ready")
        for url in ready:
            wait_for(url, lambda url=url: httpx.get(url).status_code == 200)  # type: ignore[misc]
        wait_for("the watchdog fires", lambda: ("SeawallWatchdog", "info") in made.firing())
        yield made


def test_an_opened_breaker_is_notified_and_so_is_its_end(place: Place) -> None:
    opened = place.fail(BANK)
    received, alert = wait_for("the notification", lambda: place.alerts("firing", BANK))[0]
    labels, notes = alert["labels"], alert["annotations"]
    assert labels == {
        "alertname": "SeawallBreakerOpen",
        "cluster": "local",
        "criticality": "critical",
        "dependency": BANK,
        "job": "shop {{ .X }}",
        "severity": "critical",
    }
    assert notes["description"] == (
        f"{BANK}: breaker open on 100% of the replicas of shop {{{{ .X }}}}. It opens at 50% failed calls "
        "and asks again every 500ms. Meanwhile callers get degraded answers from its fallback (default)."
    )
    # One scrape and one evaluation may pass before; how long the rest takes, `make bench` measures.
    assert received - opened < 0.5 + BUSY

    place.heal(BANK)
    resolved = wait_for("the resolved notification", lambda: place.alerts("resolved", BANK))
    assert resolved[0][1]["labels"] == labels


def test_the_warning_is_silent_during_the_critical_alert_of_its_dependency_only(place: Place) -> None:
    place.fail(BANK)
    place.fail(MAIL)
    wait_for("both are notified", lambda: place.alerts("firing", BANK) and place.alerts("firing", MAIL))
    found = httpx.get(f"{place.prometheus}/api/v1/alerts").json()["data"]["alerts"]
    opened = {
        (alert["labels"]["dependency"], alert["labels"]["severity"])
        for alert in found
        if alert["labels"]["alertname"] == "SeawallBreakerOpen"
    }
    assert opened == {(BANK, "critical"), (MAIL, "warning")}
    told = {alert["labels"]["severity"] for _, alert in place.alerts("firing", BANK)}
    assert told == {"critical"}
    assert {alert["labels"]["severity"] for _, alert in place.alerts("firing", MAIL)} == {"warning"}


def test_a_warning_that_comes_all_the_same_is_muted_for_its_dependency_only(place: Place) -> None:
    """For the moment in which both begin."""
    place.fail(BANK)
    wait_for("it is notified", lambda: place.alerts("firing", BANK))
    common = {"alertname": "SeawallBreakerOpen", "severity": "warning", "cluster": "local"}
    sent = [
        {"labels": {**common, "job": "shop {{ .X }}", "dependency": dependency}}
        for dependency in (BANK, MAIL)
    ]
    assert httpx.post(f"{place.alertmanager}/api/v2/alerts", json=sent).status_code == 200
    wait_for("the other is notified", lambda: place.alerts("firing", MAIL))
    muted = httpx.get(f"{place.alertmanager}/api/v2/alerts", params={"inhibited": "true"}).json()
    inhibited = {
        (a["labels"]["dependency"], a["labels"]["severity"])
        for a in muted
        if a["status"]["inhibitedBy"] and a["labels"]["alertname"] == "SeawallBreakerOpen"
    }
    assert inhibited == {(BANK, "warning")}
    assert {alert["labels"]["severity"] for _, alert in place.alerts("firing", BANK)} == {"critical"}


def test_every_rule_is_evaluated_without_an_error(place: Place) -> None:
    place.fail(BANK)
    wait_for("the notification", lambda: place.alerts("firing", BANK))
    found = httpx.get(f"{place.prometheus}/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in found for rule in group["rules"]]
    assert len(rules) > 30
    assert [rule["name"] for rule in rules if rule.get("lastError")] == []
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
