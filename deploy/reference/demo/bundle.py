"""The bundle that the demo runs on: generated from the service's own policies, at the demo's pace."""

from __future__ import annotations

import subprocess
from pathlib import Path

from reference.demo.ports import HOST, Ports
from reference.demo.processes import StartFailed, python

SOURCE = "reference.guards:registry"
SCRAPE_SECONDS = 1.0
TIME_FACTOR = 1 / 60
"""An hour of the rules' windows is a minute here: the demo lasts two."""


def command(folder: Path, ports: Ports) -> list[str]:
    """The `seawall generate` that writes the bundle."""
    return python(
        "seawall.cli",
        "generate",
        *("--from", SOURCE, "--out", folder),
        *("--exporter", f"{HOST}:{ports.exporter}"),
        *("--alertmanager", f"{HOST}:{ports.alertmanager}"),
        *("--webhook-url", f"http://{HOST}:{ports.webhook}/notifications"),
        *("--prometheus-url", f"http://{HOST}:{ports.prometheus}"),
        *("--scrape-interval", SCRAPE_SECONDS, "--evaluation-interval", SCRAPE_SECONDS),
        *("--time-factor", TIME_FACTOR),
    )


def write_bundle(folder: Path, ports: Ports) -> None:
    """Generate dashboards, rules and configuration below `folder`. Raises StartFailed with what it said."""
    done = subprocess.run(command(folder, ports), capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartFailed(f"the bundle could not be generated: {done.stderr.strip()}")
