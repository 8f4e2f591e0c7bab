"""Everything that the demo starts, in the order that it is needed, and where it is found."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from reference.demo.bundle import write_bundle
from reference.demo.ports import HOST, Ports
from reference.demo.processes import Processes, Started, python
from reference.demo.prometheus import Prometheus
from reference.dependencies import cache
from reference.settings import PREFIX

PROMETHEUS = ("prometheus",)
ALERTMANAGER = ("prometheus-alertmanager", "alertmanager")


def find(names: tuple[str, ...]) -> str | None:
    """The first of these programs that is on PATH."""
    return next((path for name in names if (path := shutil.which(name))), None)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a run keeps what it makes, all below one folder."""

    run: Path

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def bundle(self) -> Path:
        return self.run / "bundle"

    @property
    def mails(self) -> Path:
        return self.run / "mails"

    @property
    def objects(self) -> Path:
        return self.run / "objects"

    @property
    def data(self) -> Path:
        return self.run / "data"

    @property
    def load(self) -> Path:
        return self.run / "load.jsonl"

    @property
    def spans(self) -> Path:
        return self.run / "spans.jsonl"

    @property
    def notifications(self) -> Path:
        return self.run / "notifications.jsonl"

    @property
    def service_log(self) -> Path:
        return self.logs / "service.log"


class Stand:
    """The processes of one run. Whoever starts one ends it with `end`, whatever happened in between."""

    def __init__(self, ports: Ports, folders: Folders) -> None:
        self.ports = ports
        self.folders = folders
        self.processes = Processes(folders.logs)
        self.prometheus: Prometheus | None = None
        self.notes: list[str] = []
        self.cache_name = ""
        self._load: Started | None = None

    async def start(self) -> None:
        """Generate the bundle and start everything but the load. Raises StartFailed."""
        write_bundle(self.folders.bundle, self.ports)
        await self._dependencies()
        await self._receivers()
        await self._service()
        await self._watchers()

    async def _dependencies(self) -> None:
        ports, folders = self.ports, self.folders
        cache_command, self.cache_name = cache.command(ports.cache_direct)
        dependencies = "reference.dependencies"
        bank = python(f"{dependencies}.bank", "--port", ports.bank_direct)
        store = python(f"{dependencies}.store", "--port", ports.store_direct, "--folder", folders.objects)
        mail = python(f"{dependencies}.mail", "--port", ports.mail_direct, "--folder", folders.mails)
        routes = [
            f"{name}={getattr(ports, name)}:{getattr(ports, f'{name}_direct')}"
            for name in ("bank", "store", "cache", "mail")
        ]
        proxy = python("reference.proxy", "--control", ports.faults, *routes)
        started = [
            (self.processes.start("bank", bank), (ports.bank_direct,)),
            (self.processes.start("store", store), (ports.store_direct,)),
            (self.processes.start("mail", mail), (ports.mail_direct,)),
            (self.processes.start("cache", cache_command, folder=folders.run), (ports.cache_direct,)),
            (
                self.processes.start("proxy", proxy),
                (ports.faults, ports.bank, ports.store, ports.cache, ports.mail),
            ),
        ]
        for process, listening in started:
            await self.processes.listening(process, *listening)

    async def _receivers(self) -> None:
        ports, folders = self.ports, self.folders
        otlp = python(
            "reference.otlp_receiver",
            *("--grpc-port", ports.otlp_grpc, "--http-port", ports.otlp_http, "--file", folders.spans),
        )
        webhook = python(
            "seawall.cli",
            *("receive", "--port", ports.webhook, "--out", folders.notifications),
        )
        started = self.processes.start("otlp-receiver", otlp)
        await self.processes.listening(started, ports.otlp_grpc, ports.otlp_http)
        await self.processes.listening(self.processes.start("webhook", webhook), ports.webhook)

    async def _service(self) -> None:
        ports = self.ports
        settings = {
            "database_url": f"sqlite:///{self.folders.data / 'ledger.sqlite'}",
            "cache_url": f"redis://{HOST}:{ports.cache}/0",
            "bank_url": f"http://{HOST}:{ports.bank}",
            "smtp_host": HOST,
            "smtp_port": ports.mail,
            "store_url": f"objects://{HOST}:{ports.store}",
            "data": self.folders.data,
            "port": ports.service,
            "exporter_port": ports.exporter,
            "otlp_endpoint": f"http://{HOST}:{ports.otlp_grpc}",
        }
        environment = {PREFIX + name.upper(): str(value) for name, value in settings.items()}
        service = self.processes.start("service", python("reference"), environment=environment)
        await self.processes.listening(service, ports.service, ports.exporter)

    async def _watchers(self) -> None:
        prometheus, alertmanager = find(PROMETHEUS), find(ALERTMANAGER)
        missing = [names[0] for names in (PROMETHEUS, ALERTMANAGER) if find(names) is None]
        if missing:
            wanted = " and ".join(missing)
            self.notes.append(f"going on without {wanted} (Debian: apt-get install {' '.join(missing)})")
        if alertmanager is not None:
            await self._alertmanager(alertmanager)
        if prometheus is not None:
            await self._prometheus(prometheus)

    async def _alertmanager(self, program: str) -> None:
        started = self.processes.start(
            "alertmanager",
            [
                program,
                f"--config.file={self.folders.bundle / 'alertmanager' / 'alertmanager.yml'}",
                f"--storage.path={self.folders.data / 'alertmanager'}",
                f"--web.listen-address={HOST}:{self.ports.alertmanager}",
                "--cluster.listen-address=",
            ],
        )
        await self.processes.listening(started, self.ports.alertmanager)

    async def _prometheus(self, program: str) -> None:
        started = self.processes.start(
            "prometheus",
            [
                program,
                f"--config.file={self.folders.bundle / 'prometheus' / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.folders.data / 'prometheus'}",
                f"--web.listen-address={HOST}:{self.ports.prometheus}",
                "--enable-feature=exemplar-storage",
            ],
        )
        await self.processes.listening(started, self.ports.prometheus)
        self.prometheus = Prometheus(f"http://{HOST}:{self.ports.prometheus}")

    @property
    def delivers(self) -> bool:
        """Whether alerts can reach the webhook."""
        return {"prometheus", "alertmanager"} <= self.processes.pids.keys()

    def start_load(self) -> None:
        """Send traffic."""
        url = f"http://{HOST}:{self.ports.service}"
        command = python("reference.load", "--url", url, "--out", self.folders.load)
        self._load = self.processes.start("load", command)

    def end_load(self) -> None:
        """Stop sending, and wait for the answers that are on their way."""
        if self._load is not None:
            self.processes.end(self._load, grace=5.0)
            self._load = None

    def addresses(self) -> dict[str, str]:
        """What people may want to open."""
        ports = self.ports
        found = {
            "service": f"http://{HOST}:{ports.service}/analytics/2026-01-01",
            "metrics": f"http://{HOST}:{ports.exporter}/metrics",
            "health": f"http://{HOST}:{ports.exporter}/api/health/resilience",
        }
        if self.prometheus is not None:
            found["Prometheus"] = f"{self.prometheus.url}/alerts"
        if "alertmanager" in self.processes.pids:
            found["Alertmanager"] = f"http://{HOST}:{ports.alertmanager}"
        return found

    def end(self) -> None:
        """End everything that was started."""
        self.processes.end_all()
