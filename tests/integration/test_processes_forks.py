"""Processes that fork: on their own at once, whatever their parents were doing."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.telemetry.workers import MADE, Scraper, Totals, Worker, calls, fallen, files, value

from seawall.resilience import Breaker, Registry
from seawall.telemetry.processes import FolderError, Sharing


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "processes"
    while MADE:
        MADE.pop().die()


def forked(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid


def ended(pid: int, seconds: float = 20) -> int:
    """Its exit status; a child that does not end in time is killed, and an error."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError("the child hangs")


def test_a_fork_of_a_fork_counts_on_its_own(folder: Path) -> None:
    worker = Worker(folder)
    worker.call(5)

    def child() -> None:
        worker.call(20)
        assert ended(forked(lambda: worker.call(300))) == 0
        worker.call(20)
        os.kill(os.getpid(), signal.SIGKILL)

    assert ended(forked(child)) == -signal.SIGKILL
    scraper = Scraper(folder, worker)
    assert scraper.calls() == 345
    worker.call()
    assert scraper.calls() == Scraper(folder).calls() == 346
    assert files(folder) == [worker.name]


def test_a_child_of_a_process_that_shares_no_more_shares_nothing_until_it_starts(folder: Path) -> None:
    worker = Worker(folder)
    worker.call(5)
    worker.sharing.stop()

    def child() -> None:
        worker.call(20)
        assert worker.sharing.name == ""
        worker.sharing.start()
        worker.call(300)

    assert ended(forked(child)) == 0
    assert Scraper(folder).calls() == 325
    worker.call()
    assert Scraper(folder).calls() == 326


def test_a_child_does_not_report_what_its_parent_lost(folder: Path) -> None:
    worker = Worker(folder)
    worker.dropped.add("spans", "queue_full", 3)

    def child() -> None:
        worker.dropped.add("spans", "queue_full", 40)
        worker.sharing.publish()

    assert ended(forked(child)) == 0
    for scraper in (Scraper(folder, worker), Scraper(folder, worker)):
        totals = scraper.scrape()
        assert value(totals, "seawall_telemetry_dropped_total", signal="spans", reason="queue_full") == 43


def test_forks_in_the_middle_of_scrapes_and_rounds_of_writing_do_not_hang(folder: Path) -> None:
    worker = Worker(folder)
    scraper = Scraper(folder, worker)
    over = threading.Event()

    def on_and_on(work: Callable[[], object]) -> None:
        while not over.is_set():
            work()

    work = (scraper.page.text, worker.sharing.publish, worker.call, lambda: worker.guard.force("closed"))
    threads = [threading.Thread(target=on_and_on, args=(each,)) for each in work]
    for thread in threads:
        thread.start()

    def child() -> None:
        worker.call(2)
        scraper.page.text()
        worker.sharing.publish()
        worker.registry.guard("late", breaker=Breaker()).call(int)
        scraper.page.text()

    try:
        for _ in range(40):
            assert ended(forked(child)) == 0
    finally:
        over.set()
        for thread in threads:
            thread.join()
    totals = scraper.scrape()
    assert (
        value(totals, "seawall_calls_total", dependency="late", operation="default", outcome="success") == 40
    )
    assert scraper.lost() == 0


def test_threads_that_scrape_at_once_see_no_total_fall(folder: Path) -> None:
    worker = Worker(folder)
    scrapers = [Scraper(folder, worker), Scraper(folder)]
    problems: list[object] = []

    def scrape(scraper: Scraper) -> None:
        before: Totals = {}
        for _ in range(60):
            after = scraper.scrape()
            problems.extend(fallen(before, after))
            before = after

    threads = [threading.Thread(target=scrape, args=(scraper,)) for scraper in scrapers * 2]
    for thread in threads:
        thread.start()
    for _ in range(10):
        assert ended(forked(lambda: worker.call(10))) == 0
        worker.call(3)
    for thread in threads:
        thread.join()
    assert problems == []
    assert scrapers[0].calls() == scrapers[1].calls() == 130


@pytest.mark.parametrize("length", [0, 40, 4096, 5000])
def test_a_living_process_whose_file_is_cut_counts_with_its_last_good_numbers(
    folder: Path, length: int
) -> None:
    worker = Worker(folder)
    worker.call(2)
    ready, begun = os.pipe()

    def child() -> None:
        worker.call(5)
        os.write(begun, b"x")
        time.sleep(60)

    pid = forked(child)
    os.read(ready, 1)
    scraper = Scraper(folder, worker)
    before = scraper.scrape()
    assert calls(before) == 7
    (other,) = set(files(folder)) - {worker.name}
    os.truncate(folder / other, length)
    for _ in range(3):
        assert fallen(before, scraper.scrape()) == {}
        assert scraper.calls() == 7
    assert scraper.lost() == 1
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert scraper.calls() == Scraper(folder).calls() == 7
    assert files(folder) == [worker.name]
    os.close(ready)
    os.close(begun)


def test_a_file_that_may_not_grow_is_an_error_at_the_start(folder: Path) -> None:
    registry = Registry("shop")
    guard = registry.guard("bank", breaker=Breaker())

    def child() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(FolderError, match="file too large"):
            Sharing(registry, folder).start()
        guard.call(int)

    assert ended(forked(child)) == 0
    assert files(folder) == []


def test_a_worker_with_no_room_left_for_the_child_serves_all_the_same(folder: Path) -> None:
    worker = Worker(folder)
    worker.call()

    def child() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        def grandchild() -> None:
            worker.call(7)
            assert worker.dropped.counts()["series", "no_room"] == 1
            assert worker.sharing.name == ""
            assert Scraper(folder, worker).calls() == 1

        assert ended(forked(grandchild)) == 0

    assert ended(forked(child)) == 0
    assert Scraper(folder).calls() == 1
