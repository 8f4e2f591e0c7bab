"""From breakers that open to their notifications, over real servers: exporter, Prometheus with the generated
rules, Alertmanager with the generated configuration, `seawall receive`.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.benchmarks import opening
from tests.benchmarks.rows import Row
from tests.benchmarks.waits import Kept, Told
from tests.integration.prometheus_server import free_port

from reference.demo.ports import HOST
from reference.demo.processes import Processes, StartFailed, python
from reference.demo.prometheus import Prometheus, Series
from reference.demo.stand import ALERTMANAGER, PROMETHEUS, find
from seawall.alerts import Options, build
from seawall.alerts.alertmanager import WAIT

WHAT = "breaker opens to notification received, less the wait for scrape and evaluation, slowest of {n}"
GATE, AIM = 1.0, 0.3
#: Openings, each of a guard of its own; seconds between two scrapes and between two evaluations; seconds
#: between two openings; seconds to wait for anything.
OPENINGS, INTERVAL, PAUSE, PATIENCE = 30, 1.0, (0.2, 1.2), 60.0
OPEN = 'ALERTS{alertname="SeawallBreakerOpen",alertstate="firing",severity="critical"}'


@dataclass(frozen=True)
class Place:
    """Where things are while they run."""

    prometheus: Prometheus
    notifications: Path
    alertmanager: str
    service: asyncio.subprocess.Process

    async def line(self) -> dict[str, Any]:
        """The next that the service says."""
        assert self.service.stdout is not None
        said: dict[str, Any] = json.loads(await asyncio.wait_for(self.service.stdout.readline(), PATIENCE))
        return said

    async def open(self, name: str) -> float:
        """Let a breaker open. Gives the time at which it did."""
        assert self.service.stdin is not None
        self.service.stdin.write(f"{name}\n".encode())
        await self.service.stdin.drain()
        said = await self.line()
        assert said["dependency"] == name
        return float(said["at"])

    def received(self) -> dict[str, float]:
        """When the first critical notification of each dependency came, by the receiver's clock."""
        found: dict[str, float] = {}
        text = self.notifications.read_text(encoding="utf-8") if self.notifications.exists() else ""
        for entry in map(json.loads, text.splitlines()):
            for alert in entry["notification"]["alerts"]:
                labels = alert["labels"]
                if (labels["alertname"], labels["severity"]) == ("SeawallBreakerOpen", "critical"):
                    found.setdefault(labels["dependency"], entry["received"])
        return found


def row() -> tuple[Row, list[str]]:
    """The slowest opening, and words about all of them; no figure where servers are missing."""
    what = WHAT.format(n=OPENINGS)
    absent = [names[0] for names in (PROMETHEUS, ALERTMANAGER) if find(names) is None]
    if absent:
        missing = f"{' and '.join(absent)} not on PATH (make servers)"
        return Row.skipped(what, GATE, AIM, "s", missing), []
    with tempfile.TemporaryDirectory(prefix="seawall-notified-") as folder:
        told = asyncio.run(_measure(Path(folder)))
    return Row(what, max(t.rest for t in told), GATE, AIM, unit="s"), _words(told)


async def _measure(folder: Path) -> list[Told]:
    chance = random.Random()
    async with _running(folder) as place:
        opened: dict[str, float] = {}
        for guard in opening.registry(OPENINGS):
            await asyncio.sleep(chance.uniform(*PAUSE))
            opened[guard.name] = await place.open(guard.name)

        async def all_told() -> bool:
            return place.received().keys() >= opened.keys()

        await _until("every notification", all_told)
        kept = await _kept(place.prometheus)
        received = place.received()
    return [kept.told(name, at, received[name]) for name, at in opened.items()]


async def _kept(server: Prometheus) -> Kept:
    """Samples have the times of their scrapes, those of alerts the times of their evaluations."""

    async def samples(query: str) -> list[Series]:
        return await server.at(f"{query}[10m]", time.time())

    took = [point for series in await samples("scrape_duration_seconds") for point in series.points]
    states = await samples('seawall_breaker_state{state="open"}')
    seen = {series.labels["dependency"]: min(at for at, value in series.points if value) for series in states}
    evaluation = max(at for series in await samples(OPEN) for at, _ in series.points)
    return Kept(dict(took), evaluation, INTERVAL, seen)


def _words(told: Sequence[Told]) -> list[str]:
    def seconds(of: Callable[[Told], float]) -> str:
        figures = sorted(map(of, told))
        return f"{statistics.median(figures):.3f} s, at most {figures[-1]:.3f} s"

    return [
        f"Notifications: {len(told)} breakers of one service open at random moments. Prometheus scrapes and"
        f" evaluates every {INTERVAL:g} s; rules, routes and waits of Alertmanager are as generated"
        f" (`group_wait` of a critical alert: {WAIT['critical']:g} s). From opening to receipt, median:"
        f" {seconds(lambda t: t.received)}. The intervals' own part, from the times that Prometheus kept:"
        " until the first scrape after the opening began"
        f" ({seconds(lambda t: t.scrape)}), it was in, and then the next evaluation was due"
        f" (all in all {seconds(lambda t: t.floor)}). The rest, which the gate is for:"
        f" {seconds(lambda t: t.rest)}."
    ]


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[Place]:
    """Everything runs, knows the guards and has told Alertmanager of its watchdog."""
    processes = Processes(folder / "logs")
    program = [sys.executable, str(Path(opening.__file__)), str(OPENINGS)]
    service = await asyncio.create_subprocess_exec(
        *program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    ports = [free_port() for _ in range(3)]
    prometheus, alertmanager, webhook = ports
    server = Prometheus(f"http://{HOST}:{prometheus}")
    place = Place(server, folder / "notifications.jsonl", f"http://{HOST}:{alertmanager}", service)
    try:
        exporter = (await place.line())["port"]
        _write_bundle(folder, exporter, alertmanager, webhook)
        commands = _commands(folder, place.notifications, prometheus, alertmanager, webhook)
        for (name, command), port in zip(commands.items(), reversed(ports), strict=True):
            await processes.listening(processes.start(name, command), port)
        await _until("everything knows everything", lambda: _knows(place))
        yield place
    finally:
        await server.close()
        processes.end_all()
        assert service.stdin is not None
        service.stdin.close()
        await service.wait()


def _write_bundle(folder: Path, exporter: int, alertmanager: int, webhook: int) -> None:
    options = Options(
        targets=(f"{HOST}:{exporter}",),
        alertmanagers=(f"{HOST}:{alertmanager}",),
        webhook_url=f"http://{HOST}:{webhook}/notifications",
        scrape_interval=INTERVAL,
        evaluation_interval=INTERVAL,
    )
    for path, text in build(opening.registry(OPENINGS).describe(), options).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _commands(
    folder: Path, notifications: Path, prometheus: int, alertmanager: int, webhook: int
) -> Mapping[str, list[str]]:
    programs = find(PROMETHEUS), find(ALERTMANAGER)
    assert programs[0] is not None
    assert programs[1] is not None
    return {
        "receive": python("seawall.cli", "receive", "--port", webhook, "--file", notifications),
        "alertmanager": [
            programs[1],
            f"--config.file={folder / 'alertmanager/alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager-data'}",
            f"--web.listen-address={HOST}:{alertmanager}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            programs[0],
            f"--config.file={folder / 'prometheus/prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus-data'}",
            f"--web.listen-address={HOST}:{prometheus}",
        ],
    }


async def _knows(place: Place) -> bool:
    """The guards are recorded, and a first alert has gone all the way to Alertmanager."""
    known = await place.prometheus.number(
        "count(job_dependency_criticality:seawall_policy_info:count)", time.time()
    )
    async with httpx.AsyncClient() as client:
        told = (await client.get(f"{place.alertmanager}/api/v2/alerts")).json()
    return known == OPENINGS and any(alert["labels"]["alertname"] == "SeawallWatchdog" for alert in told)


async def _until(what: str, holds: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if await holds():
                return
        except (httpx.TransportError, ValueError):  # not ready yet
            pass
        await asyncio.sleep(0.1)
    raise StartFailed(f"not within {PATIENCE:g} s: {what}")
