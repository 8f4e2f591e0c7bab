"""A folder of worker processes that are hired, called, killed and damaged, and pages made of it by several.

Whatever happens, a page is made, no counter falls, and as long as no file was damaged every total is exact.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.telemetry.workers import Scraper, Totals, Worker, fallen, forget, value

from seawall.resilience import Breaker, Retry, Timeout
from seawall.telemetry.processes import retired

KINDS = (
    {},
    {"breaker": Breaker(), "timeout": Timeout(attempt=9.0)},
    {"breaker": Breaker(), "retry": Retry(attempts=1), "buckets": (0.1, 60)},
)
GARBAGE = st.sampled_from([b"", b"SEAWALL\n", b"x" * 5000, bytes(9000)])
PAGES = 3


class ProcessesMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.workers: list[Worker] = []
        self.scrapers: list[Scraper] = []
        self.seen: dict[Scraper, Totals] = {}
        self.calls = {"success": 0, "failure": 0}
        self.garbage = 0

    @initialize()
    def begin(self) -> None:
        for _ in range(PAGES):
            self.open_page()

    def open_page(self) -> None:
        scraper = Scraper(self.folder)
        self.scrapers.append(scraper)
        self.seen[scraper] = {}

    @rule(kind=st.sampled_from(KINDS))
    def hire(self, kind: dict[str, object]) -> None:
        if len(self.workers) < 6:
            self.workers.append(Worker(self.folder, **kind))

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 5), times=st.integers(1, 5))
    def succeed(self, which: int, times: int) -> None:
        self.workers[which % len(self.workers)].call(times)
        self.calls["success"] += times

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 5), error=st.sampled_from([ValueError, KeyError, OSError]))
    def fail(self, which: int, error: type[Exception]) -> None:
        worker = self.workers[which % len(self.workers)]
        worker.guard.force("closed")
        worker.fail(error)
        self.calls["failure"] += 1

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 5))
    def remove_another_guard(self, which: int) -> None:
        worker = self.workers[which % len(self.workers)]
        worker.registry.guard("passing").call(int)
        worker.registry.remove("passing")

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 5))
    def kill(self, which: int) -> None:
        self.workers.pop(which % len(self.workers)).die()

    @rule(content=GARBAGE)
    def leave_garbage(self, content: bytes) -> None:
        self.garbage += 1
        (self.folder / f"{self.garbage}-x.worker").write_bytes(content)

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 5), content=GARBAGE)
    def kill_and_damage(self, which: int, content: bytes) -> None:
        """Who finds it goes on with what it saw last, and so does then everybody: it is the same for all."""
        worker = self.workers.pop(which % len(self.workers))
        worker.sharing.stop()
        for scraper in self.scrapers:
            self.scrape(scraper)
        worker.die()
        worker.path.write_bytes(content)
        self.scrape(self.scrapers[which % PAGES])

    @rule(copy=st.sampled_from(retired.FILES), content=GARBAGE)
    def damage_what_was_kept(self, copy: str, content: bytes) -> None:
        if (self.folder / copy).exists():
            for scraper in self.scrapers:
                self.scrape(scraper)
            (self.folder / copy).write_bytes(content)
            self.scrape(self.scrapers[0])

    @rule(which=st.integers(0, PAGES - 1))
    def begin_a_page_anew(self, which: int) -> None:
        """Who makes pages may be a process that has just begun, and has seen none."""
        del self.seen[self.scrapers.pop(which)]
        self.open_page()
        self.scrape(self.scrapers[-1])

    @rule(which=st.integers(0, PAGES - 1))
    def look(self, which: int) -> None:
        self.scrape(self.scrapers[which])

    def scrape(self, scraper: Scraper) -> None:
        totals = scraper.scrape()
        lost = {key: by for key, by in fallen(self.seen[scraper], totals).items() if _lasting(key)}
        assert lost == {}, lost
        self.seen[scraper] = totals
        if any(name == "seawall_calls_total" for name, _ in totals):
            for outcome, number in self.calls.items():
                labels = {"dependency": "bank", "operation": "default", "outcome": outcome}
                assert value(totals, "seawall_calls_total", **labels) == number

    @invariant()
    def nothing_unfinished_stays(self) -> None:
        assert list(self.folder.glob("*.new")) == []

    def teardown(self) -> None:
        for worker in self.workers:
            worker.die()
        for scraper in self.scrapers:
            self.scrape(scraper)
        self.workers = []
        forget(self.folder)
        shutil.rmtree(self.folder)


def _lasting(key: tuple[str, tuple[tuple[str, str], ...]]) -> bool:
    """Not a series of the guard that comes and goes, nor a bucket that only some have, nor a page's own."""
    name, labels = key
    return ("dependency", "bank") in labels and not name.endswith("_bucket")


TestProcesses = ProcessesMachine.TestCase
TestProcesses.settings = settings(max_examples=20, stateful_step_count=25)
