"""A Prometheus that holds an hour of what real guards reported, played against a manual clock.

Guards, ledgers and the /metrics page are the real ones; only time is ours. Each page is stamped with the
moment it was rendered at and backfilled, so that nothing waits.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration import rule_history

from seawall import alerts, dashboards
from seawall.resilience import (
    Breaker,
    Bulkhead,
    Fallback,
    Guard,
    Objectives,
    RateLimit,
    Registry,
    Rejected,
    Retry,
    RetryBudget,
    Timeout,
)
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source
from seawall.testing import ManualClock

STEP = 15.0
LASTS = 3600.0
CALLS = 10
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?", re.MULTILINE)


class Instance:
    """One process of a service: its guards, and the trouble that its dependencies are in."""

    def __init__(self, name: str, seed: int, cache_open_for: float = 30.0) -> None:
        self.name = name
        self.cache_open_for = cache_open_for
        self.clock = ManualClock(0.0)
        self.random = random.Random(seed)
        self.registry = Registry(service="payments")
        self.dropped = Dropped()
        service = Service(name="payments", instance_id=name)
        self.page = MetricsPage(Source(self.registry, service=service, dropped=self.dropped))
        self.registry.subscribe(self._broken, name="broken")
        self.guards = self._guards()

    def _guards(self) -> list[Guard]:
        def guard(name: str, **settings: object) -> Guard:
            waits = {"clock": self.clock, "sleep": self.clock.sleep}
            return Guard(name, registry=self.registry, **waits, **settings)  # type: ignore[arg-type]

        return [
            guard(
                "bank-api",
                operations=("statements", "transfer"),
                criticality="critical",
                breaker=Breaker(
                    window_calls=40, minimum_calls=10, open_for=60.0, slow_after=0.4, slow_ratio=0.8
                ),
                retry=Retry(attempts=3, budget=RetryBudget(ratio=0.2)),
                timeout=Timeout(attempt=1.0, total=4.0),
                rate_limit=RateLimit(rate=50.0, burst=20, max_wait=0.1),
                bulkhead=Bulkhead(limit=20, max_queue=5, max_wait=0.2),
                fallback=Fallback(stale_for=600.0, default=None, key=lambda *_: "all"),
                objectives=Objectives(success=0.999, undegraded=0.95),
            ),
            guard(
                "ledger-db",
                criticality="critical",
                breaker=Breaker(window_calls=60, open_for=30.0),
                timeout=Timeout(attempt=0.5, total=1.0),
                bulkhead=Bulkhead(limit=8, max_queue=16, max_wait=0.5),
                objectives=Objectives(success=0.999),
            ),
            guard(
                "cache",
                criticality="sheddable",
                breaker=Breaker(window_calls=30, minimum_calls=5, open_for=self.cache_open_for),
                fallback=Fallback(default=None),
            ),
            guard('mail "} or x{z="', retry=Retry(attempts=2), fallback=Fallback(queue=lambda *_: None)),
        ]

    def _broken(self, event: object) -> None:
        """A listener that fails, and an exporter of spans that can't keep up."""
        self.dropped.add("spans", "queue_full")
        raise ValueError(event)

    def trouble(self, name: str, at: float) -> tuple[float, float, type[Exception]]:
        """(chance of failure, seconds an attempt takes, error) of a dependency at a moment of the hour."""
        noise = self.random.lognormvariate(0, 0.4)
        if name == "bank-api" and 900 <= at < 1200:
            return 0.05, 0.5 * noise, TimeoutError
        if name == "bank-api" and 1200 <= at < 2100:
            return 1.0, 0.9, ConnectionError if self.random.random() < 0.8 else TimeoutError
        if name == "cache" and 2400 <= at < 2520:
            return 1.0, 0.002, ConnectionResetError
        if name.startswith("mail") and 2700 <= at < 2900:
            return 0.9, 0.1, OSError
        usual = {"bank-api": 0.08, "ledger-db": 0.01, "cache": 0.001}.get(name, 0.05)
        return 0.004, usual * noise, ConnectionError

    def live(self, at: float) -> None:
        """The traffic of one step."""
        for guard in self.guards:
            for _ in range(CALLS if guard.name != "cache" else CALLS * 3):
                operation = self.random.choice(guard.operations)
                with contextlib.suppress(OSError, TimeoutError, Rejected):
                    guard.operation(operation).call(self._attempt, guard.name, at)
        self.clock.now = max(self.clock.now, at + STEP)

    def _attempt(self, name: str, at: float) -> str:
        chance, seconds, error = self.trouble(name, at)
        self.clock.advance(seconds)
        if self.random.random() < chance:
            raise error("played")
        return "answer"


def history(until: float) -> str:
    """Pages of two instances over an hour as one OpenMetrics text with times, for `promtool tsdb`."""
    # The second was left behind by a roll-out: its cache has another policy.
    instances = [Instance("10.0.0.1:9464", 1), Instance("10.0.0.2:9464", 2, cache_open_for=45.0)]
    pages = []
    for step in range(int(LASTS / STEP)):
        at = step * STEP
        for instance in instances:
            instance.live(at)
            pages.append(_stamped(instance, until - LASTS + at + STEP))
    return "\n".join(pages) + "\n# EOF\n"


def _stamped(instance: Instance, when: float) -> str:
    """One scrape: the page, and what Prometheus itself adds to it."""
    lines = instance.page.text().decode().splitlines()
    target = f'job="payments",instance="{instance.name}"'

    def labelled(found: re.Match[str]) -> str:
        return f"{found[1]}{{{target}," if found[2] else f"{found[1]}{{{target}}}"

    lines += ["up 1", "scrape_duration_seconds 0.004", f"scrape_samples_scraped {len(lines)}"]
    return "\n".join(f"{SAMPLE.sub(labelled, line)} {when:.3f}" for line in lines if line and line[0] != "#")


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The guards whose hour is in `prometheus`."""
    return Instance("one", 0).registry


@pytest.fixture(scope="session")
def until() -> float:
    """The end of the hour."""
    return float(int(time.time()))


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory, until: float) -> Iterator[Callable[[str], bytes]]:
    """Asks a real Prometheus for a path of its HTTP API, the error's body where it refuses."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.fail("prometheus and promtool are not on PATH: run `make servers`")
    folder = tmp_path_factory.mktemp("prometheus")
    _backfill(folder, history(until))
    # What one rule records another may ask for: they are evaluated over the hour one after the other.
    document = Instance("one", 0).registry.describe()
    for rules in rule_history.stages(alerts.build(document), dashboards.build(document)):
        with _running(folder) as base:
            rule_history.evaluate(folder, base, rules, until - LASTS, until, STEP)
    with _running(folder) as base:
        yield lambda path: _get(base + path)


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[str]:
    """A server on what is in the folder, at an address of its own."""
    port = _free_port()
    base = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(_command(folder, port), stdout=log, stderr=subprocess.STDOUT)
    try:
        _ready(base, process, folder / "log")
        yield base
    finally:
        process.terminate()
        process.wait(timeout=30)


def _backfill(folder: Path, text: str) -> None:
    (folder / "hour.om").write_text(text)
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", "hour.om", "data"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)


def _command(folder: Path, port: int) -> list[str]:
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    return [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    pause = threading.Event()
    while time.monotonic() < deadline and process.poll() is None:
        try:
            _get(base + "/-/ready")
        except OSError:
            pause.wait(0.1)
        else:
            return
    pytest.fail(f"prometheus did not start: {log.read_text()[-2000:]}")


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        return error.read()
