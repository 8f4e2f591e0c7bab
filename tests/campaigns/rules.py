"""What the generated rules cost a Prometheus as guards and replicas grow: ``make campaign-rules``.

Pages of real guards are sent to a real Prometheus by remote write, each as that of many replicas, first some
minutes of the past and then as time passes; the server evaluates the generated rules by itself, and says how
long each group and each rule took.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx
from tests.campaigns import generating, remote_write
from tests.campaigns.rules_report import Rung, report
from tests.integration.prometheus_server import free_port, until

from seawall.alerts import Options, build
from seawall.resilience import PolicyWarning, Rejected
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source

REPORT = Path(__file__).resolve().parents[2] / "docs/reference/campaigns/rules.md"
JOB = "thousand"
#: Seconds between two samples, as between two evaluations; minutes of the past: a window, and one.
INTERVAL, PAST = 15.0, 6.0
LADDER = ("30x10", "100x10", "30x100", "100x30", "100x100", "300x30")
ADDED = {b"up": b"1", b"scrape_duration_seconds": b"0.004", b"scrape_samples_scraped": b"1800"}


class Fleet:
    """Real guards whose page each replica shows."""

    def __init__(self, guards: int, replicas: int, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)
            self.registry = generating.registry(guards)
        self.page = MetricsPage(Source(self.registry, service=Service(name=JOB)))
        self.chance = random.Random(seed)
        self.instances = [
            remote_write.target(b"instance", f"10.0.{n // 250}.{n % 250}:9464") for n in range(replicas)
        ]
        self.known: dict[bytes, remote_write.Labelled] = {}

    def live(self) -> bytes:
        """Some calls of each guard, and the page after them."""
        for guard in self.registry:
            for operation in guard.operations:
                with contextlib.suppress(ConnectionError, Rejected):
                    guard.operation(operation).call(self._attempt)
        return self.page.text()

    def bodies(self, pages: Sequence[bytes], times: Sequence[int]) -> Iterator[bytes]:
        """Requests that say the same of every replica."""
        together = remote_write.steps(pages, times)
        together |= {name: dict.fromkeys(times, value) for name, value in ADDED.items()}
        return remote_write.requests(self._series(together))

    def _series(self, together: dict[bytes, dict[int, bytes]]) -> Iterator[bytes]:
        for series, values in together.items():
            data = remote_write.packed(values)
            labelled = self.known.get(series)
            if labelled is None:
                labelled = remote_write.Labelled(series, {b"job": JOB.encode()}, b"instance")
                self.known[series] = labelled
            for instance in self.instances:
                yield labelled.of(instance, data)

    def _attempt(self) -> str:
        if self.chance.random() < 0.01:
            raise ConnectionError
        return "answer"


@contextlib.contextmanager
def server(folder: Path) -> Iterator[httpx.Client]:
    program = shutil.which("prometheus")
    if program is None:
        raise SystemExit("prometheus is not on PATH: make servers")
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        program, f"--config.file={folder / 'prometheus/prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={url.removeprefix('http://')}",
        "--web.enable-remote-write-receiver", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "log").open("w") as log, httpx.Client(base_url=url, timeout=120.0) as http:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until(lambda: http.get("/-/ready").status_code == 200)
            yield http
        finally:
            process.terminate()
            process.wait(120.0)


def send(http: httpx.Client, bodies: Iterator[bytes]) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    for body in bodies:
        answer = http.post("/api/v1/write", content=body, headers=remote_write.HEADERS)
        if answer.status_code != 204:
            raise SystemExit(f"not taken: {answer.text}")
    return time.monotonic() - began


def measure(guards: int, replicas: int, minutes: float, seed: int) -> Rung:
    """One step of the ladder, on a server of its own."""
    fleet = Fleet(guards, replicas, seed)
    rung = Rung(guards, replicas)
    with tempfile.TemporaryDirectory(prefix="seawall-rules-") as name:
        folder = Path(name)
        # Nothing is scraped: what a scrape would bring is sent.
        options = Options(targets=("127.0.0.1:1",), scrape_interval=INTERVAL, evaluation_interval=INTERVAL)
        for path, text in build(fleet.registry.describe(), options).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(_without_targets(path, text), encoding="utf-8")
        with server(folder) as http:
            steps = int(PAST * 60 / INTERVAL)
            now = time.time()
            times = [int(1000 * (now - (steps - 1 - n) * INTERVAL)) for n in range(steps)]
            send(http, fleet.bodies([fleet.live() for _ in times], times))
            ends = time.monotonic() + minutes * 60
            while time.monotonic() < ends:
                began = time.monotonic()
                page = fleet.live()
                rung.sent.append(send(http, fleet.bodies([page], [int(1000 * time.time())])))
                read(http, rung)
                time.sleep(max(0.0, INTERVAL - (time.monotonic() - began)))
    return rung


def _without_targets(path: str, text: str) -> str:
    if path != "prometheus/prometheus.yml":
        return text
    return text[: text.index("scrape_configs:")]


def read(http: httpx.Client, rung: Rung) -> None:
    """What the server says of itself."""
    own: dict[str, float] = {}
    for line in http.get("/metrics").text.splitlines():
        if not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            own[series] = float(value)
    rung.series = max(rung.series, own["prometheus_tsdb_head_series"])
    rung.memory = max(rung.memory, own["process_resident_memory_bytes"])
    rung.missed = sum(v for k, v in own.items() if k.startswith("prometheus_rule_group_iterations_missed"))
    for group in http.get("/api/v1/rules").json()["data"]["groups"]:
        rung.intervals[group["name"]] = group["interval"]
        rung.groups.setdefault(group["name"], []).append(group["evaluationTime"])
        for number, rule in enumerate(group["rules"]):
            own_name = f"{rule['name']} ({number + 1} of {group['name']})"
            rung.rules.setdefault(own_name, []).append(rule["evaluationTime"])
            if rule["health"] == "err":
                rung.errors[rule["name"]] = rule["lastError"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ladder", nargs="+", default=LADDER, metavar="GUARDSxREPLICAS")
    parser.add_argument("--minutes", type=float, default=4.0, help="of live data for each step")
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--write", action="store_true", help="keep the report in docs/reference/campaigns")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    rungs = []
    for step in arguments.ladder:
        guards, _, replicas = step.partition("x")
        rungs.append(measure(int(guards), int(replicas), arguments.minutes, arguments.seed))
        print(rungs[-1].line, f"sending took {statistics.median(rungs[-1].sent):.1f} s", flush=True)
    text = report(rungs, arguments, load)
    print(text)
    if arguments.write:
        REPORT.write_text(text, encoding="utf-8")
    return int(any(rung.errors for rung in rungs))


if __name__ == "__main__":
    sys.exit(main())
