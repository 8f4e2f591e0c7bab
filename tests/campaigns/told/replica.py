"""A replica of a scenario's service: real guards over a dependency that does as the scenario says.

``python -m tests.campaigns.told.replica --scenario NAME ...``: one process, with an exporter of its own. What
happens first is written to a file as lines of JSON: failed calls, transitions of breakers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from starlette.types import ASGIApp, Receive, Scope, Send
from tests.campaigns.told.guards import TooMany, Unknown, registry_of
from tests.campaigns.told.model import Scenario, Served, Trouble
from tests.campaigns.told.pace import FACTOR, SCRAPE, real
from tests.campaigns.told.scenarios import SCENARIOS
from tests.campaigns.told.verdict import STALLED

from seawall.exporter import ExporterServer, ExporterSettings, ServerError, create_app
from seawall.resilience import Family, Guard, Registry, ResilienceError
from seawall.resilience.events import Event, Transition
from seawall.telemetry.service import Service

#: Seconds without a turn that are worth a note: half of the time between two scrapes.
STALL = real(SCRAPE) / 2
#: What the callers of this service live with: they are the load, and do not mind.
EXPECTED = (OSError, TimeoutError, TooMany, Unknown, ResilienceError)


@dataclass(eq=False)
class Replica:
    scenario: Scenario
    index: int
    epoch: float
    chance: random.Random
    registry: Registry
    log: TextIO
    logged: set[tuple[str, str, float]] = field(default_factory=set)
    taken: dict[str, float] = field(default_factory=dict)

    def minute(self) -> float:
        return (time.time() - self.epoch) * FACTOR / 60

    def trouble(self, dependency: str) -> Trouble | None:
        now = self.minute()
        return next(
            (
                t
                for t in self.scenario.troubles
                if t.begin <= now < t.end and t.concerns(dependency, self.index)
            ),
            None,
        )

    def note(self, what: str, dependency: str, once: float | None = None) -> None:
        """Written down; with ``once`` only the first time."""
        if once is not None:
            if (what, dependency, once) in self.logged:
                return
            self.logged.add((what, dependency, once))
        line = {"at": time.time(), "what": what, "dependency": dependency, "replica": self.index}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()

    def on_event(self, event: Event) -> None:
        if isinstance(event, Transition):
            self.note(f"{event.from_state}>{event.to_state}", event.dependency)

    def decide(self, served: Served) -> tuple[float, Exception | None]:
        """How long a call takes here, and what it ends with."""
        trouble = self.trouble(served.name)
        seconds = served.takes * self.chance.lognormvariate(0, 0.3)
        failed: Exception | None = None
        slow, slow_takes = served.slow, served.slow_takes
        if self.chance.random() < served.fails:
            failed = ConnectionError("noise")
        if trouble is not None:
            if trouble.slow:
                slow, slow_takes = trouble.slow, trouble.slow_takes
            if self.chance.random() < trouble.fails:
                failed = trouble.error("scripted")
            elif trouble.capacity is not None and not self._has_room(served.name, trouble.capacity):
                failed = TooMany(real(4.0))
        if self.chance.random() < slow:
            seconds = slow_takes * self.chance.lognormvariate(0, 0.1)
            if trouble is not None and trouble.slow:
                self.note("slow", served.name, trouble.begin)
        if failed is not None and trouble is not None:
            self.note("failed", served.name, trouble.begin)
        return real(seconds), failed

    def _has_room(self, name: str, per_minute: float) -> bool:
        """A bucket of the upstream's own: five calls at once, and so many a minute."""
        each, now = real(60.0 / per_minute), time.monotonic()
        due = max(self.taken.get(name, 0.0), now - 5 * each) + each
        if due > now:
            return False
        self.taken[name] = due
        return True

    async def ask(self, served: Served) -> str:
        seconds, failed = self.decide(served)
        await asyncio.sleep(seconds)
        if failed is not None:
            raise failed
        return "answer"

    def ask_on_thread(self, served: Served) -> str:
        seconds, failed = self.decide(served)
        time.sleep(seconds)
        if failed is not None:
            raise failed
        return "answer"

    async def watch(self) -> None:
        """Notes when the machine has not let this process run, and for how long."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(STALL / 5)
            if (late := time.monotonic() - before - STALL / 5) > STALL:
                self.note(STALLED, f"{late:.2f}")

    async def call(self, served: Served, guard: Guard) -> None:
        with contextlib.suppress(*EXPECTED):
            if served.threads:
                await asyncio.to_thread(guard.call, self.ask_on_thread, served)
            else:
                await guard.acall(self.ask, served)

    async def load(self, served: Served, of: Guard | Family) -> None:
        """Callers who come by chance, whatever becomes of those before them."""
        busiest = max([1.0, *(t.traffic for t in self.scenario.troubles if t.dependency == served.name)])
        under_way: set[asyncio.Task[None]] = set()
        forced = ""
        while True:
            await asyncio.sleep(self.chance.expovariate(busiest * served.per_minute / real(60.0)))
            trouble = self.trouble(served.name)
            wanted = trouble.forced if trouble else ""
            if isinstance(of, Guard) and wanted != forced:
                of.force(wanted or "closed")
                forced = wanted
                self.note("forced", served.name)
            traffic = trouble.traffic if trouble else 1.0
            if trouble and traffic != 1.0:
                self.note("traffic", served.name, trouble.begin)
            if self.chance.random() * busiest < traffic:
                guard = of.get(f"key-{self.chance.randrange(served.keys)}") if isinstance(of, Family) else of
                task = asyncio.create_task(self.call(served, guard))
                under_way.add(task)
                task.add_done_callback(under_way.discard)


class Gaps:
    """The exporter, which does not answer while the scenario says so."""

    def __init__(self, app: ASGIApp, replica: Replica) -> None:
        self._app, self._replica = app, replica

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._silent():
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._app(scope, receive, send)

    def _silent(self) -> bool:
        mine, now = self._replica, self._replica.minute()
        silent = any(
            gap.begin <= now < gap.end
            and (not gap.replicas or mine.index in gap.replicas)
            and mine.chance.random() < gap.share
            for gap in mine.scenario.gaps
        )
        if silent:
            mine.note("unanswered", "")
        return silent


async def listen(app: Any, port: int) -> ExporterServer:
    """On the port as soon as it is free: the process before may still have it."""
    while True:
        server = ExporterServer(app, ExporterSettings(port=port))
        try:
            server.start()
            return server
        except ServerError:
            await asyncio.sleep(0.02)


async def run(arguments: argparse.Namespace, log: TextIO) -> None:
    scenario = SCENARIOS[arguments.scenario]
    served = scenario.guards[arguments.deploy]
    registry, members = registry_of(scenario.name, served)
    chance = random.Random(f"{arguments.seed} {scenario.name} {arguments.index} {arguments.begin}")
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    replica = Replica(scenario, arguments.index, arguments.epoch, chance, registry, log)
    registry.subscribe(replica.on_event, name="notes")
    if scenario.bad_listener:
        registry.subscribe(_raises, name="audit")
    app = Gaps(create_app(registry, service=Service(name=scenario.name)), replica)
    # All that takes a while is done: from here on it is as if it had just been started.
    await asyncio.sleep(max(0.0, arguments.begin - time.time()))
    server = await listen(app, arguments.port)
    replica.note("listening", "")
    loads = [asyncio.create_task(replica.load(each, members[each.name])) for each in served]
    loads.append(asyncio.create_task(replica.watch()))
    stopped = asyncio.create_task(done.wait())
    ended, _ = await asyncio.wait([stopped, *loads], return_when=asyncio.FIRST_COMPLETED)
    for task in ended - {stopped}:
        task.result()
    server.stop()


def _raises(event: Event) -> None:
    raise RuntimeError("this listener is broken")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("scenario", str), ("index", int), ("port", int), ("epoch", float), ("begin", float),
                       ("deploy", int), ("seed", int), ("log", str)):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, required=True)
    arguments = parser.parse_args()
    with Path(arguments.log).open("a", encoding="utf-8") as log:
        asyncio.run(run(arguments, log))


if __name__ == "__main__":
    main()
