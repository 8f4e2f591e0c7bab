"""What the demo sees while it runs: the service's own pages and what the other processes write down."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from reference.demo.lines import Lines
from reference.load import Record
from seawall.telemetry import catalog

RECENT_SECONDS = 5.0
DEPENDENCY = catalog.CALLS.labels[0]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_EXEMPLAR = re.compile(r"^(?P<series>[a-z_]+)\{(?P<labels>.*)\} \S+ # \{(?P<exemplar>[^}]*)\} (?P<value>\S+)")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Exemplar:
    """An exemplar as it stood on the metrics page."""

    series: str
    labels: dict[str, str]
    ids: dict[str, str]

    @property
    def correlation_id(self) -> str:
        return self.ids.get("correlation_id", "")


@dataclass(frozen=True, slots=True)
class Rate:
    """One kind of request over the last seconds; `worst` in seconds."""

    kind: str
    per_second: float
    degraded: float
    failed: float
    worst: float


@dataclass(frozen=True, slots=True)
class Notification:
    """One alert out of what the webhook received; times in Unix seconds."""

    received: float
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")

    @property
    def identity(self) -> str:
        """The same for every notification of one alert."""
        return str(sorted(self.labels.items()))

    @property
    def dependency(self) -> str:
        return self.labels.get(DEPENDENCY, "")


@dataclass(slots=True)
class Watch:
    """Everything seen so far. `look` is called about once a second."""

    exporter: str
    records: Lines[Record]
    notifications: Lines[list[Notification]]
    logs: Lines[dict[str, Any]]
    spans: Lines[dict[str, Any]]
    guards: list[dict[str, Any]] = field(default_factory=list)
    exemplars: dict[tuple[str, str], Exemplar] = field(default_factory=dict)
    page_problems: list[str] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    _client: httpx.AsyncClient | None = None

    async def look(self) -> None:
        """Read on in every file, and ask the exporter."""
        self.records.update()
        self.notifications.update()
        for line in self.logs.update():
            if line.get("event") == catalog.LOG_EVENTS["Transition"]:
                self.transitions.append(line)
        self.spans.update()
        await self._ask()

    async def _ask(self) -> None:
        if self._client is None:
            self._client = httpx.AsyncClient(base_url=self.exporter, timeout=2.0)
        try:
            health = await self._client.get("/api/health/resilience")
            self.guards = health.json()["guards"]
            page = await self._client.get("/metrics", headers={"Accept": OPENMETRICS})
            for exemplar in exemplars_of(page.raise_for_status().text):
                self.exemplars[exemplar.series, exemplar.ids.get("span_id", "")] = exemplar
        except (httpx.HTTPError, ValueError, KeyError) as problem:
            self.page_problems.append(f"{type(problem).__name__} at {time.strftime('%X')}")

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def rates(self, now: float) -> list[Rate]:
        """Every kind of request over the last seconds."""
        recent: dict[str, list[Record]] = {}
        for record in reversed(self.records.values):
            if record.at < now - 4 * RECENT_SECONDS:
                break
            if record.at >= now - RECENT_SECONDS:
                recent.setdefault(record.kind, []).append(record)
        return [
            Rate(
                kind,
                len(found) / RECENT_SECONDS,
                sum(r.degraded or r.waiting for r in found) / len(found),
                sum(not r.accepted for r in found) / len(found),
                max(r.seconds for r in found),
            )
            for kind, found in sorted(recent.items())
        ]

    def notified(self) -> list[Notification]:
        """Every alert of every notification, in the order they came."""
        return [one for several in self.notifications.values for one in several]

    def news(self) -> list[Notification]:
        """Those that said something new: the first of an alert, and those with another status than before."""
        last: dict[str, str] = {}
        found = []
        for one in self.notified():
            if last.get(one.identity) != one.status:
                last[one.identity] = one.status
                found.append(one)
        return found

    def firing(self) -> list[Notification]:
        """Alerts whose last notification says that they fire."""
        last = {one.identity: one for one in self.notified()}
        return [one for one in last.values() if one.status == "firing"]


def exemplars_of(page: str) -> list[Exemplar]:
    """The exemplars of an OpenMetrics page."""
    found = []
    for line in page.splitlines():
        if " # {" in line and (match := _EXEMPLAR.match(line)):
            labels, ids = (dict(_LABEL.findall(match[part])) for part in ("labels", "exemplar"))
            found.append(Exemplar(match["series"], labels, ids))
    return found


def open_watch(exporter: str, *, load: Path, webhook: Path, logs: Path, spans: Path) -> Watch:
    """A watch over an exporter's address and the files of the other processes."""
    return Watch(
        exporter,
        Lines(load, lambda line: Record(**line)),
        Lines(webhook, notifications_of),
        Lines(logs, dict),
        Lines(spans, dict),
    )


def notifications_of(line: dict[str, Any]) -> list[Notification]:
    """The alerts of one webhook call, as `seawall receive` writes it down."""
    body = line.get("notification", line)
    received = float(line.get("received", 0.0))
    return [
        Notification(received, one["status"], one["labels"], one["annotations"])
        for one in body.get("alerts", [])
    ]
