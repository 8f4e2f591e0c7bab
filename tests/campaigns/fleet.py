"""Every board on a Prometheus that holds hundreds of replicas: ``make campaign-fleet``. Seconds by panel.

Histories of real guards, some hours long, are sent to a Prometheus by remote write, each as that of many
replicas; the bundle's own recording rules are evaluated over that time by promtool. Then every query of every
panel is asked as Grafana would ask it: over the last hour and the last six, at the step that it chooses for
the panel's width on a wide screen, the queries of a panel one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx
from tests.campaigns import generating, remote_write
from tests.campaigns.fleet_queries import Asked, every_panel
from tests.campaigns.fleet_report import HELD, HOURS, Row, report
from tests.campaigns.fleet_service import SERVICE, Replica, Trouble, history
from tests.integration import rule_history
from tests.integration.prometheus_server import free_port, until

from seawall import alerts, dashboards

REPORT = Path(__file__).resolve().parents[2] / "docs/reference/campaigns/fleet.md"
#: Seconds between two scrapes, and between two evaluations of the rules.
SCRAPE, EVALUATION = 15.0, 15.0
#: Samples of a series that one request carries: a Prometheus takes none that is an hour behind another.
TOGETHER = 80
CLUSTERS = ("eu-1", "eu-2", "us-1")
#: How many histories there are; a replica lives one of them. Those of the last few replicas are their own.
HISTORIES = 16
ILL: tuple[tuple[Trouble, ...], ...] = (
    (Trouble("", 0.80, 1.0, 0.6, 0.3),),
    (Trouble("ledger-db", 0.90, 1.0, 1.0, 0.4, TimeoutError),),
    (Trouble("users-db", 0.50, 0.98, 0.3, 0.05),),
)


@dataclass
class Server:
    """A Prometheus on a folder of data."""

    url: str
    http: httpx.Client

    def api(self, path: str, **parameters: Any) -> Any:
        found = self.http.get(f"/api/v1/{path}", params=parameters).json()
        if found["status"] != "success":
            raise RuntimeError(f"{found.get('error')}: {parameters}")
        return found["data"]


@contextlib.contextmanager
def server(folder: Path, *flags: str) -> Iterator[Server]:
    port = free_port()
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", "--storage.tsdb.path=data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", *flags]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=540.0) as http:
                until(lambda: http.get("/-/ready").status_code == 200)
                yield Server(url, http)
        finally:
            process.terminate()
            process.wait(300.0)


def fill(folder: Path, arguments: argparse.Namespace, end: float) -> tuple[int, int]:
    """Hours of many replicas into the folder's data; series and samples that there are then."""
    steps = int((arguments.hours * 3600 + 1800) / SCRAPE)
    chance = random.Random(arguments.seed)
    owns = [(), *(() for _ in range(HISTORIES - 1)), *ILL]
    histories = [history(arguments.seed + n, own, steps, SCRAPE) for n, own in enumerate(owns)]
    usual = range(arguments.replicas - 2 * len(ILL))
    lived: list[list[tuple[bytes, bytes]]] = [[] for _ in owns]
    for number in range(arguments.replicas):
        which = chance.randrange(HISTORIES) if number in usual else HISTORIES + number % len(ILL)
        instance = remote_write.target(b"instance", f"10.0.{number // 250}.{number % 250}:9464")
        lived[which].append((CLUSTERS[number % len(CLUSTERS)].encode(), instance))
    known: dict[tuple[bytes, bytes], remote_write.Labelled] = {}
    count = {"series": 0, "samples": 0}

    def bodies(first: int, many: int) -> Iterator[bytes]:
        times = [int(1000 * (end - (steps - n) * SCRAPE)) for n in range(first, first + many)]
        for pages, replicas in zip(histories, lived, strict=True):
            together = remote_write.steps([next(pages) for _ in range(many)], times)
            together |= {name: dict.fromkeys(times, value) for name, value in ADDED.items()}
            for series, values in together.items():
                data = remote_write.packed(values)
                count["samples"] += len(values) * len(replicas)
                count["series"] += len(replicas) if not first else 0
                for cluster, instance in replicas:
                    labelled = known.get((series, cluster))
                    if labelled is None:
                        more = {b"job": SERVICE.encode(), b"cluster": cluster}
                        labelled = known[series, cluster] = remote_write.Labelled(series, more, b"instance")
                    yield labelled.of(instance, data)

    flags = ("--web.enable-remote-write-receiver", "--web.enable-admin-api")
    with server(folder, *flags) as filled:
        for first in range(0, steps, TOGETHER):
            for body in remote_write.requests(bodies(first, min(TOGETHER, steps - first))):
                answer = filled.http.post("/api/v1/write", content=body, headers=remote_write.HEADERS)
                if answer.status_code != 204:
                    raise SystemExit(f"not taken: {answer.text}")
            print(f"{count['samples']:,} samples of {count['series']:,} series", flush=True)
        made = filled.http.post("/api/v1/admin/tsdb/snapshot").json()["data"]["name"]
        shutil.move(folder / "data/snapshots" / made, folder / "snapshot")
    shutil.rmtree(folder / "data")
    shutil.move(folder / "snapshot", folder / "data")
    return count["series"], count["samples"]


#: What Prometheus adds to every scrape.
ADDED = {b"up": b"1", b"scrape_duration_seconds": b"0.004", b"scrape_samples_scraped": b"1800"}


def record(folder: Path, bundle: dict[str, str], boards: dict[str, str], begin: float, end: float) -> int:
    """The rules that boards ask for over the same time; how many there are."""
    stages = rule_history.stages(bundle, boards)
    for rules in stages:
        with server(folder, "--query.max-samples=500000000", "--query.timeout=9m") as one:
            for rule in rules:
                began = time.monotonic()
                rule_history.evaluate(folder, one.url, [rule], begin, end, EVALUATION)
                print(f"{rule['record']}: {time.monotonic() - began:.1f} s", flush=True)
    return sum(map(len, stages))


def ask(one: Server, asked: Asked) -> tuple[float, int]:
    """Seconds of all queries of a panel one after the other, and series that they returned."""
    found = 0
    began = time.perf_counter()
    for query in asked.queries:
        data = one.api(query.path, **query.parameters)
        found += len(data["result"] if isinstance(data, dict) else data)
    return time.perf_counter() - began, found


def measure(folder: Path, panels: Sequence[Asked], rounds: int) -> list[Row]:
    """Each panel once; those of Overview and Fleet some times more."""
    rows = []
    with server(folder) as one:
        for asked in panels:
            row = Row(asked, math.nan, math.nan, 0)
            rows.append(row)
            try:
                row.cold, row.series = ask(one, asked)
            except (RuntimeError, httpx.HTTPError) as refused:
                print(f"{asked.board}: {asked.title}: {refused}", flush=True)
                continue
            if row.held:
                row.warm = statistics.median(ask(one, asked)[0] for _ in range(rounds))
            print(f"{asked.board}: {asked.title}, {asked.hours} h: {row.cold:.2f} {row.warm:.2f}", flush=True)
    return rows


def run(arguments: argparse.Namespace, folder: Path) -> tuple[list[Row], dict[str, int]]:
    end = float(int(time.time()) // 60 * 60)
    document = Replica(0).registry.describe()
    rules = alerts.Options(cluster_label="cluster", evaluation_interval=EVALUATION)
    made = dashboards.build(document, dashboards.Options(cluster_label="cluster"))
    boards = {name.removesuffix(".json"): text for name, text in made.items()}
    series, samples = fill(folder, arguments, end)
    recorded = record(folder, alerts.build(document, rules), boards, end - arguments.hours * 3600, end)
    panels = [
        asked
        for hours in HOURS
        for name, text in boards.items()
        if name in HELD or hours == HOURS[0]
        for asked in every_panel(
            name,
            json.loads(text),
            end=end,
            hours=hours,
            least=SCRAPE,
            dependency="bank-api" if name == "dependency" else "",
        )
    ]
    panels.sort(key=lambda asked: asked.board not in HELD)
    rows = measure(folder, panels, arguments.rounds)
    facts = {"series": series, "samples": samples, "rules": recorded}
    facts |= {"guards": len(document["guards"]), "clusters": len(CLUSTERS), "histories": HISTORIES + len(ILL)}
    return rows, facts | {"scrape": int(SCRAPE), "evaluation": int(EVALUATION)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=300)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--write", action="store_true", help="keep the report in docs/reference/campaigns")
    arguments = parser.parse_args()
    os.nice(max(0, 10 - os.nice(0)))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        made = generating.twice(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        rows, facts = run(arguments, Path(folder))
    text = report(rows, made, arguments, facts, time.monotonic() - began)
    print(text)
    if arguments.write:
        REPORT.write_text(text, encoding="utf-8")
    return 0 if all(row.good for row in rows if row.held) else 1


if __name__ == "__main__":
    sys.exit(main())
