"""What Prometheus holds of the day before a scenario, for rules that ask about yesterday.

It is written by promtool as blocks, as if the rules had been evaluated then.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.campaigns.told import pace
from tests.campaigns.told.guards import registry_of
from tests.campaigns.told.model import Scenario

from seawall.alerts.context import Context
from seawall.alerts.document import parse
from seawall.alerts.fit_records import FitRecords
from seawall.alerts.records import LONG_INTERVAL, Records

#: Minutes before the scenario that are told about: more than a day and the time around it that rules ask for.
BEGINS, ENDS = 27 * 60.0, 1.0
#: Seconds between two samples, in production.
EVERY = LONG_INTERVAL


def write(scenario: Scenario, folder: Path, epoch: float) -> None:
    """Blocks below ``folder``/prometheus, before a server begins to read there."""
    (folder / "past.txt").write_text("\n".join([*lines(scenario, epoch), "# EOF", ""]), encoding="utf-8")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "past.txt", "prometheus"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)


def lines(scenario: Scenario, epoch: float) -> Iterator[str]:
    """OpenMetrics, oldest first."""
    registry, _ = registry_of(scenario.name, scenario.guards[0])
    context = Context(pace.options(("past:1",), "past:1", "http://past"), parse(registry.describe()))
    records = Records(context)
    fits = FitRecords(records)
    for key, values in scenario.past.items():
        name = getattr(records if hasattr(records, key) else fits, key).name
        yield f"# TYPE {name} unknown"
        for dependency, value in values.items():
            moment = epoch - pace.real(BEGINS * 60)
            while moment < epoch - pace.real(ENDS * 60):
                yield f'{name}{{job="{scenario.name}",dependency="{dependency}"}} {value:g} {moment:.3f}'
                moment += pace.real(EVERY)
