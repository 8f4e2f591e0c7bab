"""The bundle that the demo runs on: generated from the service's own policies, at the demo's pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reference.demo.ports import HOST, Ports
from reference.guards import registry

SCRAPE_SECONDS = 1.0
TIME_FACTOR = 1 / 60
"""An hour of the rules' windows is a minute here: the demo lasts two."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the bundle's parts find each other."""

    exporter: str
    alertmanager: str
    webhook: str

    @classmethod
    def of(cls, ports: Ports) -> Addresses:
        """On this machine, on these ports."""
        return cls(
            f"{HOST}:{ports.exporter}",
            f"{HOST}:{ports.alertmanager}",
            f"http://{HOST}:{ports.webhook}/notifications",
        )


def write_bundle(folder: Path, addresses: Addresses) -> None:
    """Write dashboards, rules and configuration below `folder`."""
    from seawall import alerts, dashboards

    document = registry.describe()
    options = alerts.Options(
        targets=(addresses.exporter,),
        alertmanagers=(addresses.alertmanager,),
        webhook_url=addresses.webhook,
        scrape_interval=SCRAPE_SECONDS,
        evaluation_interval=SCRAPE_SECONDS,
        time_factor=TIME_FACTOR,
    )
    _write(folder, alerts.build(document, options))
    _write(folder / "dashboards", dashboards.build(document))


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
