"""Plays the scenario against a stand that runs, and gathers what was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import httpx

from reference.demo.ports import HOST
from reference.demo.promise import Evidence
from reference.demo.promises_bank import is_breaker_alert
from reference.demo.queries import Result, dashboard_queries, rule_queries, run
from reference.demo.scenario import Phase, Played, Story
from reference.demo.stand import Stand
from reference.demo.view import View
from reference.demo.watch import Watch
from reference.guards import registry
from reference.proxy import Toxics, switch
from reference.settings import Settings

WARM_UP_SECONDS = 3.0
WIRES = ("bank", "store", "cache", "mail")
LOOK_EVERY = 1.0
SHOW_EVERY = 0.25
EMPTY_WITHIN = 20.0
ARRIVED_WITHIN = 20.0


async def play(stand: Stand, watch: Watch, view: View, phases: Sequence[Phase]) -> Story:
    """Play all phases. Raises StartFailed when one of the processes ends meanwhile."""
    stand.start_load()
    story = Story()
    await _pass_time(stand, watch, view, Phase("warm-up", WARM_UP_SECONDS, "first requests"))
    for phase in phases:
        for wire in WIRES:
            await switch(stand.ports.faults, wire, phase.toxics.get(wire, Toxics()))
        view.phase(phase)
        began = time.time()
        await _pass_time(stand, watch, view, phase)
        story.played.append(Played(phase, began, time.time()))
    return story


async def _pass_time(stand: Stand, watch: Watch, view: View, phase: Phase) -> None:
    until = time.monotonic() + phase.seconds
    looked = 0.0
    while (left := until - time.monotonic()) > 0:
        stand.processes.check()
        if time.monotonic() - looked >= LOOK_EVERY:
            looked = time.monotonic()
            await watch.look()
        view.show(phase, left)
        await asyncio.sleep(min(SHOW_EVERY, left))


async def gather(stand: Stand, watch: Watch, story: Story) -> Evidence:
    """Let the work that was kept go out and the last notifications arrive, then collect everything."""
    await asyncio.to_thread(stand.end_load)
    left = await _emptied(f"http://{HOST}:{stand.ports.service}")
    until = time.monotonic() + ARRIVED_WITHIN
    await watch.look()
    while stand.delivers and _breaker_alerts(watch) and time.monotonic() < until:
        await asyncio.sleep(LOOK_EVERY)
        await watch.look()
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"http://{HOST}:{stand.ports.exporter}/metrics")).text
    results = await _asked(stand, story)
    return Evidence(
        story=story,
        records=watch.records.values,
        notifications=watch.news(),
        logs=watch.logs.values,
        spans=watch.spans.values,
        exemplars=list(watch.exemplars.values()),
        mails=stand.folders.mails,
        objects=stand.folders.objects,
        bundle=stand.folders.bundle,
        metrics_page=page,
        request_timeout=Settings().request_timeout,
        prometheus=stand.prometheus,
        delivers=stand.delivers,
        results=results,
        left_waiting=left,
    )


async def _asked(stand: Stand, story: Story) -> list[Result]:
    """What every query of the bundle returned of the scenario."""
    server = stand.prometheus
    if server is None:
        return []
    boards = dashboard_queries(stand.folders.bundle / "dashboards", [guard.name for guard in registry])
    queries = [*boards, *await rule_queries(server)]
    return [await run(server, query, story.began, story.ended) for query in queries]


def _breaker_alerts(watch: Watch) -> bool:
    """Whether a breaker that was open is still told about; budgets take longer to mend than a demo does."""
    return any(is_breaker_alert(one) for one in watch.firing())


async def _emptied(service: str) -> dict[str, int]:
    """What still waits to be sent when nothing does, or when the time is over."""
    until = time.monotonic() + EMPTY_WITHIN
    async with httpx.AsyncClient(base_url=service) as client:
        while True:
            left: dict[str, int] = (await client.get("/waiting")).json()
            if not any(left.values()) or time.monotonic() > until:
                return left
            await asyncio.sleep(0.25)
