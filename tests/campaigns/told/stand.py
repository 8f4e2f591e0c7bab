"""What a scenario runs on: replicas, Prometheus, Alertmanager and `seawall receive`, each a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaigns.told import pace, past
from tests.campaigns.told.guards import registry_of
from tests.campaigns.told.model import Deed, Scenario

from reference.demo.ports import HOST
from reference.demo.processes import GRACE_SECONDS, Processes, Started, StartFailed, python
from reference.demo.prometheus import Prometheus, Series
from reference.demo.stand import ALERTMANAGER, PROMETHEUS, find
from seawall.alerts import build
from seawall.alerts.watching_alerts import WATCHDOG
from seawall.telemetry.promql import window

#: Below the ports that a system gives to outgoing connections: nobody takes one while a replica restarts.
PORTS = range(20_000, 32_000)
#: Seconds in which a scenario's processes are there, and in which a new replica has imported what it needs.
STARTS_WITHIN, IMPORTS_WITHIN = 25.0, 10.0


def free_ports(count: int, chance: random.Random) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = chance.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


@dataclass
class Stand:
    scenario: Scenario
    seed: int
    folder: Path
    processes: Processes = field(init=False)
    epoch: float = 0.0
    ports: list[int] = field(default_factory=list)
    replicas: dict[int, Started] = field(default_factory=dict)
    server: Started | None = None
    #: How many processes are being ended by a deed.
    ending: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.processes = Processes(self.folder / "logs")
        # Not of the seed: another campaign on this machine may have the same.
        self.ports = free_ports(self.scenario.replicas + 3, random.Random())

    @property
    def notifications(self) -> Path:
        return self.folder / "notifications.jsonl"

    @property
    def notes(self) -> Path:
        return self.folder / "notes.jsonl"

    @property
    def prometheus(self) -> Prometheus:
        return Prometheus(f"http://{HOST}:{self.ports[-3]}")

    def at(self, minute: float) -> float:
        """A minute of the scenario as Unix seconds."""
        return self.epoch + pace.real(minute * 60)

    async def start(self) -> None:
        """Everything runs, and minute 0 is not over yet. Raises StartFailed."""
        self.epoch = time.time() + STARTS_WITHIN
        prometheus, alertmanager, webhook = self.ports[-3:]
        self._write_bundle(0)
        for index in range(self.scenario.replicas):
            self._replica(index, begin=0.0, deploy=0)
        receive = python("seawall.cli", "receive", "--port", webhook, "--file", self.notifications)
        servers = [
            (self.processes.start("receive", receive), webhook),
            (self.processes.start("alertmanager", self._alertmanager(alertmanager)), alertmanager),
        ]
        for started, port in servers:
            await self.processes.listening(started, port)
        for index, started in self.replicas.items():
            await self.processes.listening(started, self.ports[index])
        if self.scenario.past:
            await asyncio.to_thread(past.write, self.scenario, self.folder, self.epoch)
        self.server = self.processes.start("prometheus", self._prometheus(prometheus))
        await self.processes.listening(self.server, prometheus)
        await self._watched()
        late = time.time() - self.epoch
        if late > 0:
            raise StartFailed(f"{self.scenario.name}: its processes came {late:.1f} s too late")

    async def _watched(self) -> None:
        """Prometheus finds its targets and its Alertmanager 5 s after it starts, at any pace."""
        server = self.prometheus
        try:
            while True:
                fired: list[Series] = []
                with contextlib.suppress(ValueError):  # no JSON yet: it is not ready
                    fired = await server.at('ALERTS{alertstate="firing"}', time.time())
                if [series.labels["alertname"] for series in fired] == [WATCHDOG.name]:
                    return
                if time.time() > self.epoch:
                    raise StartFailed(f"{self.scenario.name}: fires before it begins: {fired}")
                await asyncio.sleep(0.1)
        finally:
            await server.close()

    async def do(self, deed: Deed) -> None:
        """At its minute."""
        if deed.what in ("start", "restart"):
            await self._until(self.at(deed.minute) - IMPORTS_WITHIN)
            fell = self.replicas.get(deed.replica)
            begin = self.at(deed.minute) + (pace.real(deed.down) if deed.what == "restart" else 0.0)
            self._replica(deed.replica, begin=begin, deploy=deed.deploy)
            await self._until(self.at(deed.minute))
            if deed.what == "restart" and fell is not None:
                await self._end(fell, grace=GRACE_SECONDS)
        else:
            await self._until(self.at(deed.minute))
            if deed.what == "kill":
                await self._end(self.replicas.pop(deed.replica), grace=0.0)
            else:
                self._write_bundle(deed.deploy)
                assert self.server is not None
                self.server.popen.send_signal(signal.SIGHUP)

    def check(self) -> None:
        """Raise StartFailed when a process has ended that nobody ends."""
        if not self.ending:
            self.processes.check()

    async def _end(self, started: Started, grace: float) -> None:
        self.ending += 1
        await asyncio.to_thread(self.processes.end, started, grace=grace)
        self.ending -= 1

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - time.time()))

    def end(self) -> None:
        self.processes.end_all()

    def _write_bundle(self, deploy: int) -> None:
        registry, _ = registry_of(self.scenario.name, self.scenario.guards[deploy])
        _, alertmanager, webhook = self.ports[-3:]
        targets = tuple(f"{HOST}:{port}" for port in self.ports[: self.scenario.replicas])
        options = pace.options(targets, f"{HOST}:{alertmanager}", f"http://{HOST}:{webhook}/notifications")
        for path, text in build(registry.describe(), options).items():
            at = self.folder / "bundle" / path
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text, encoding="utf-8")

    def _replica(self, index: int, *, begin: float, deploy: int) -> None:
        command = python(
            "tests.campaigns.told.replica",
            *("--scenario", self.scenario.name, "--index", index, "--port", self.ports[index]),
            *("--epoch", self.epoch, "--begin", begin, "--deploy", deploy),
            *("--seed", self.seed, "--log", self.notes),
        )
        root = str(Path(__file__).resolve().parents[3])
        path = {"PYTHONPATH": os.pathsep.join([root, f"{root}/deploy", os.environ.get("PYTHONPATH", "")])}
        self.replicas[index] = self.processes.start(f"replica-{index}", command, environment=path)

    def _alertmanager(self, port: int) -> list[str]:
        return [
            program(ALERTMANAGER),
            f"--config.file={self.folder / 'bundle/alertmanager/alertmanager.yml'}",
            f"--storage.path={self.folder / 'alertmanager'}",
            f"--web.listen-address={HOST}:{port}",
            "--cluster.listen-address=",
        ]

    def _prometheus(self, port: int) -> list[str]:
        return [
            program(PROMETHEUS),
            f"--config.file={self.folder / 'bundle/prometheus/prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address={HOST}:{port}",
            f"--query.lookback-delta={window(pace.real(pace.LOOKBACK))}",
            f"--rules.alert.resend-delay={window(pace.real(pace.RESEND))}",
            f"--rules.alert.for-grace-period={window(pace.real(pace.GRACE))}",
        ]


def program(names: tuple[str, ...]) -> str:
    found = find(names)
    if found is None:
        raise StartFailed(f"{names[0]} is not on PATH: make servers")
    return found


def version(names: tuple[str, ...]) -> str:
    """As the program says it, without what distributions add."""
    said = subprocess.run([program(names), "--version"], capture_output=True, text=True, check=True)
    return (said.stdout + said.stderr).split()[2].partition("+")[0]


def tidy(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
