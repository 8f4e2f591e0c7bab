"""Workers under load, killed at random instants: ``make campaign-kill``.

Each worker notes, in memory of its own that it shares with this program alone, each call before it is made
and after it was. After every kill the page is made by another process, and by this one: every total has to
lie between what all workers, dead or alive, had finished before and what they had begun after. No counter may
ever fall. Processes that make pages are killed too: what they were adding up then must count once.
"""

from __future__ import annotations

import argparse
import contextlib
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.unit.telemetry.workers import Scraper, Totals, fallen, value

from seawall.resilience import Breaker, Registry, Retry
from seawall.telemetry.processes import Sharing

REPORT = Path(__file__).resolve().parents[2] / "docs/reference/campaigns/kill.md"
COMMAND = "make campaign-kill ARGS='--kills {kills} --workers {workers} --seed {seed} --write'"
#: What workers count, and the series that has to say the same.
OUTCOMES = ("success", "failure")


@dataclass
class Worker:
    """A process and what it has noted: calls begun, and calls finished, by outcome."""

    pid: int
    notes: memoryview[int]

    def begun(self) -> list[int]:
        return list(self.notes[: len(OUTCOMES)])

    def finished(self) -> list[int]:
        return list(self.notes[len(OUTCOMES) :])


@dataclass
class Campaign:
    folder: Path
    chance: random.Random
    workers: list[Worker] = field(default_factory=list)
    scrapers: list[int] = field(default_factory=list)
    ended: list[Worker] = field(default_factory=list)
    scrapers_killed: int = 0
    calls: int = 0
    widest: int = 0

    def hire(self) -> None:
        notes = memoryview(mmap.mmap(-1, 4096)).cast("Q")[: 2 * len(OUTCOMES)]
        seed = self.chance.random()
        pid = _forked(lambda: work(self.folder, notes, random.Random(seed)))
        self.workers.append(Worker(pid, notes))

    def hire_scraper(self) -> None:
        self.scrapers.append(_forked(lambda: scrape_on(self.folder)))

    def kill(self) -> None:
        worker = self.workers.pop(self.chance.randrange(len(self.workers)))
        _kill(worker.pid)
        self.ended.append(worker)

    def kill_scraper(self) -> None:
        _kill(self.scrapers.pop(0))
        self.scrapers_killed += 1

    def check(self, scraper: Scraper, before: Totals) -> Totals:
        """A page that agrees with the notes of all workers; the last one was ``before``."""
        everybody = [*self.workers, *self.ended]
        low = [sum(numbers) for numbers in zip(*(w.finished() for w in everybody), strict=True)]
        totals = scraper.scrape()
        high = [sum(numbers) for numbers in zip(*(w.begun() for w in everybody), strict=True)]
        found = [int(calls(totals, outcome)) for outcome in OUTCOMES]
        for outcome, least, total, most in zip(OUTCOMES, low, found, high, strict=True):
            if not least <= total <= most:
                raise SystemExit(f"{outcome}: {total}, but {least} had ended before and {most} begun after")
        lost = fallen(before, totals)
        if lost:
            raise SystemExit(f"fallen: {lost}")
        self.calls = sum(found)
        return totals


def work(folder: Path, notes: memoryview[int], chance: random.Random) -> None:
    registry = Registry("campaign")
    guards = [
        registry.guard(f"guard-{i}", breaker=Breaker(failure_ratio=1), retry=Retry(attempts=1))
        for i in range(2)
    ]
    Sharing(registry, folder).start()
    bodies: list[Callable[[], object]] = [int, _fail]
    while True:
        kind = int(chance.random() < 0.1)
        notes[kind] += 1
        with contextlib.suppress(ValueError):
            chance.choice(guards).call(bodies[kind])
        notes[len(OUTCOMES) + kind] += 1


def scrape_on(folder: Path) -> None:
    scraper = Scraper(folder)
    before: Totals = {}
    while True:
        totals = scraper.scrape()
        if fallen(before, totals):
            os.write(2, b"a page in another process has fallen\n")
            os.kill(os.getppid(), signal.SIGTERM)
        before = totals


def calls(totals: Totals, outcome: str) -> float:
    labels = {"operation": "default", "outcome": outcome}
    guards = {dict(labels)["dependency"] for name, labels in totals if name == "seawall_calls_total"}
    return sum(value(totals, "seawall_calls_total", dependency=guard, **labels) for guard in guards)


def run(kills: int, workers: int, seed: int) -> Campaign:
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), random.Random(seed))
        for _ in range(workers):
            campaign.hire()
        campaign.hire_scraper()
        scraper, before = Scraper(campaign.folder), Totals()
        try:
            for number in range(1, kills + 1):
                time.sleep(campaign.chance.random() * 0.05)
                campaign.kill()
                before = campaign.check(scraper, before)
                campaign.check(Scraper(campaign.folder), before)
                if number % 5 == 0:
                    campaign.kill_scraper()
                    before = campaign.check(scraper, before)
                    campaign.hire_scraper()
                campaign.hire()
                if number % 100 == 0:
                    print(f"{number} killed, {campaign.calls:,} calls", flush=True)
        finally:
            for pid in [*campaign.scrapers, *(worker.pid for worker in campaign.workers)]:
                _kill(pid)
        campaign.ended += campaign.workers
        campaign.workers = []
        campaign.check(Scraper(campaign.folder), before)
        campaign.widest = sum(
            begun - finished
            for worker in campaign.ended
            for begun, finished in zip(worker.begun(), worker.finished(), strict=True)
        )
        left = [path.name for path in campaign.folder.iterdir() if path.suffix in (".worker", ".new", ".bad")]
        if left:
            raise SystemExit(f"left behind: {left}")
        return campaign


def report(campaign: Campaign, arguments: argparse.Namespace, seconds: float) -> str:
    command = COMMAND.format(**vars(arguments))
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    rows = [
        ("`kill -9` of workers", arguments.kills),
        ("`kill -9` of processes that made pages", campaign.scrapers_killed),
        ("workers under load at a time", arguments.workers),
        ("calls", campaign.calls),
        ("calls under way in killed workers, which may or may not be counted", campaign.widest),
        ("totals below what had ended, or above what had begun", 0),
        ("counters that fell", 0),
        ("files left behind", 0),
        ("seconds", round(seconds)),
    ]
    table = "\n".join(f"| {what} | {number:,} |" for what, number in rows)
    return (
        f"# Workers killed under load\n\n`{command}`, {made}: after every kill a page is made by one who has "
        "seen all pages before, and by one who has seen none; every total is compared with what each worker "
        f"noted by itself, dead or alive.\n\n| what | |\n|---|--:|\n{table}\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--write", action="store_true", help="keep the report in docs/reference/campaigns")
    arguments = parser.parse_args()
    began = time.monotonic()
    campaign = run(arguments.kills, arguments.workers, arguments.seed)
    text = report(campaign, arguments, time.monotonic() - began)
    print(text)
    if arguments.write:
        REPORT.write_text(text, encoding="utf-8")
    return 0


def _fail() -> NoReturn:
    raise ValueError


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _forked(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        os.nice(19)  # the program that kills and compares must get its turn
        try:
            work()
        finally:
            os._exit(1)
    return pid


if __name__ == "__main__":
    sys.exit(main())
