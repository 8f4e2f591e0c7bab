"""A scenario from its beginning to its verdict."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.campaigns.told import pace, verdict
from tests.campaigns.told.model import Scenario, Told
from tests.campaigns.told.stand import Stand
from tests.campaigns.told.verdict import Verdict

from reference.demo.processes import StartFailed
from seawall.alerts.alertmanager import WAIT

#: What is sent in the last moment arrives within the longest that a group waits, and these seconds.
AFTERWARDS = 2.0


async def play(scenario: Scenario, seed: int, folder: Path, starting: asyncio.Lock) -> Verdict:
    """Run it, in a folder of its own that is left as it is. Scenarios start one after the other."""
    stand = Stand(scenario, seed, folder)
    try:
        async with starting:
            await stand.start()
        deeds = [asyncio.create_task(stand.do(deed)) for deed in scenario.deeds]
        await _until(stand, stand.at(scenario.minutes))
        for deed in deeds:
            await deed
        fired, slowest = await _asked(stand)
        await _until(stand, time.time() + pace.real(WAIT["info"]) + AFTERWARDS)
        # Before the end, which some of them would tell of.
        came, noted = verdict.arrived(_lines(stand.notifications)), verdict.notes(_lines(stand.notes))
    finally:
        await asyncio.to_thread(stand.end)
    found = verdict.judge(scenario, stand.epoch, pace.real(60), noted, came, fired)
    if slowest > pace.real(pace.SCRAPE):
        found.stalled = max(found.stalled, slowest)
    found.broken += _complaints(folder / "logs")
    return found


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


async def _until(stand: Stand, moment: float) -> None:
    while (left := moment - time.time()) > 0:
        stand.check()
        await asyncio.sleep(min(left, 0.5))


async def _asked(stand: Stand) -> tuple[set[Told], float]:
    """All that fired since the beginning, and the seconds of the slowest scrape. No rule failed."""
    server = stand.prometheus
    try:
        bad = [rule["name"] for rule in await server.rules() if rule.get("lastError")]
        if bad:
            raise StartFailed(f"{stand.scenario.name}: rules that can't be evaluated: {bad}")
        length = int(time.time() - stand.epoch)
        found = await server.at(f'count_over_time(ALERTS{{alertstate="firing"}}[{length}s])', time.time())
        slowest = await server.number(f"max(max_over_time(scrape_duration_seconds[{length}s]))", time.time())
        return {verdict.told(series.labels) for series in found}, slowest
    finally:
        await server.close()


def _complaints(logs: Path) -> list[str]:
    """Replicas that did something else than the scenario says."""
    return [
        f"{log.name}: {text.strip().splitlines()[-1]}"
        for log in sorted(logs.glob("replica-*.log"))
        if "Traceback" in (text := log.read_text(encoding="utf-8", errors="replace"))
    ]
