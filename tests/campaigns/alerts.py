"""Scenarios on real servers, and which notifications they bring: ``make campaign-alerts``.

Exits with 1 when an alert that must come is missing, or one comes that must not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy"))

from tests.campaigns.told.model import Scenario
from tests.campaigns.told.play import play
from tests.campaigns.told.report import Run, lines
from tests.campaigns.told.scenarios import SCENARIOS
from tests.campaigns.told.stand import tidy, version
from tests.campaigns.told.verdict import Verdict

from reference.demo.processes import StartFailed
from reference.demo.stand import ALERTMANAGER, PROMETHEUS

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs/reference/campaigns/alerts.md"
#: How often a scenario is repeated in which something was wrong and the machine stood still.
AGAIN = 2


async def run(scenarios: Sequence[Scenario], seed: int, at_once: int, folder: Path) -> list[Verdict]:
    """The longest first, so many at a time; in the order given."""
    places, starting = asyncio.Semaphore(at_once), asyncio.Lock()

    async def one(scenario: Scenario) -> Verdict:
        former: list[Verdict] = []
        while True:
            async with places:
                verdict = await play(scenario, seed, folder / f"{scenario.name}-{len(former)}", starting)
            verdict.former = list(former)
            print(said(verdict), flush=True)
            # What a machine that stands still does to a service is no matter of the rules.
            if verdict.clean or not verdict.stalled or len(former) == AGAIN:
                return verdict
            former.append(verdict)

    longest = sorted(scenarios, key=lambda s: -s.minutes)
    verdicts = await asyncio.gather(*map(one, longest))
    return [v for s in scenarios for v in verdicts if v.scenario is s]


def said(verdict: Verdict) -> str:
    """A line, and one for each thing that is wrong."""
    scenario = verdict.scenario
    head = f"{scenario.name}: {len(verdict.hits)} of {len(scenario.must)}, {len(verdict.false_alarms)} false"
    stall = f", stalled for {verdict.stalled:.2f} s" if verdict.stalled else ""
    return "\n".join([head + stall, *(f"  {what}" for what in verdict.wrong)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument(
        "--only", action="append", choices=sorted(SCENARIOS), metavar="NAME", help="again and again"
    )
    parser.add_argument("--at-once", type=int, default=5, help="scenarios that run at the same time")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave logs and notifications there")
    parser.add_argument("--write", action="store_true", help=f"keep the report in {REPORT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("--write wants all scenarios")
    chosen = [s for s in SCENARIOS.values() if not arguments.only or s.name in arguments.only]
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="seawall-alerts-"))
    began = time.monotonic()
    try:
        versions = f"Prometheus {version(PROMETHEUS)}, Alertmanager {version(ALERTMANAGER)}"
        verdicts = asyncio.run(run(chosen, arguments.seed, arguments.at_once, folder))
    except StartFailed as problem:
        print(f"campaign: {problem}", file=sys.stderr)
        return 1
    finally:
        if arguments.keep is None:
            tidy(folder)
    seconds = time.monotonic() - began
    text = "\n".join(
        [
            *lines(
                Run(
                    command=f"make campaign-alerts ARGS='--seed {arguments.seed} "
                    f"--at-once {arguments.at_once} --write'",
                    at_once=arguments.at_once,
                    niceness=os.nice(0),
                    seconds=seconds,
                    versions=versions,
                ),
                verdicts,
            ),
            "",
        ]
    )
    if arguments.write:
        REPORT.write_text(text, encoding="utf-8")
    else:
        print(text)
    print(f"{len(verdicts)} scenarios in {timedelta(seconds=round(seconds))}")
    return int(not all(verdict.clean for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
