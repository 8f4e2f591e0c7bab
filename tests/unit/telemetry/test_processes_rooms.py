"""Guards move into the shared file and out of it; forks; no room."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from tests.unit.telemetry.workers import Scraper, Worker, files, full_disk, value

from seawall.resilience import Breaker, Registry, Retry
from seawall.telemetry.processes import FolderError, Sharing, shared_folder
from seawall.telemetry.processes import folder as folders
from seawall.telemetry.processes import format as f
from seawall.telemetry.processes import segment as segments
from seawall.telemetry.processes import sharing as sharings


def test_what_was_counted_before_goes_along(tmp_path: Path) -> None:
    registry = Registry("shop")
    guard = registry.guard("bank", breaker=Breaker())
    guard.call(int)
    with pytest.raises(ValueError, match="x"):
        guard.call(int, "x")
    sharing = Sharing(registry, tmp_path)
    sharing.start()
    sharing.start()
    guard.call(int)
    totals = Scraper(tmp_path).scrape()
    assert (
        value(totals, "seawall_calls_total", dependency="bank", operation="default", outcome="success") == 2
    )
    assert value(totals, "seawall_errors_total", dependency="bank", error="ValueError") == 1
    sharing.stop()
    sharing.stop()
    guard.call(int)
    assert Scraper(tmp_path).calls() == 3
    sharing.start()
    assert files(tmp_path) == [sharing.name]
    sharing.stop()


def test_nothing_is_written_any_more_once_it_has_stopped(tmp_path: Path) -> None:
    sharing = Sharing(Registry("shop"), tmp_path)
    before = set(threading.enumerate())
    sharing.start()
    (publisher,) = set(threading.enumerate()) - before
    sharing.stop()
    assert not publisher.is_alive()


def test_guards_that_come_and_go(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    scraper = Scraper(tmp_path)
    scraper.scrape()
    for number in range(12):
        worker.registry.guard(f"shop-{number}", breaker=Breaker()).call(int)
    assert [scraper.calls(guard=f"shop-{number}") for number in range(12)] == [1] * 12
    for number in range(12):
        worker.registry.remove(f"shop-{number}")
    assert {dict(labels).get("dependency") for _, labels in scraper.scrape()} == {"bank", None}
    size = worker.path.stat().st_size
    for round_ in range(5):
        for number in range(12):
            worker.registry.guard(f"other-{round_}-{number:02}", breaker=Breaker())
        assert scraper.calls(guard=f"other-{round_}-11") == 0
        for number in range(12):
            worker.registry.remove(f"other-{round_}-{number:02}")
    assert worker.path.stat().st_size == size
    assert scraper.lost() == 0


def test_a_guard_that_was_removed_counts_on_for_itself(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.call(3)
    worker.registry.remove("bank")
    worker.call()
    layout = worker.guard.ledger.layout
    assert worker.guard.read()[layout.at("calls", "default", "success")] == 4
    assert isinstance(worker.guard.ledger.slots, list)


def test_many_keys_take_no_more_room_than_are_there_at_once(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    clock = [0.0]
    family = worker.registry.family("partner", most=5, idle_for=1, breaker=Breaker(), clock=lambda: clock[0])
    sizes = set()
    for number in range(600):
        clock[0] += 2
        family.get(f"key-{number:05}").call(int)
        if number > 100:
            sizes.add(worker.path.stat().st_size)
    assert len(sizes) == 1
    guards = {dict(labels).get("dependency") for _, labels in Scraper(tmp_path).scrape()}
    members = {f"partner/key-{number:05}" for number in range(595, 600)}
    assert guards == {None, "bank", "partner/other"} | members


def test_few_descriptors_for_many_guards(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(300):
        worker.registry.guard(f"shop-{number}", breaker=Breaker())
    assert len(os.listdir("/proc/self/fd")) - before < 20


def test_settings_that_change_are_described_anew(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.fail(KeyError)
    scraper = Scraper(tmp_path)

    def setting() -> float:
        return value(
            scraper.scrape(), "seawall_policy_setting", dependency="bank", policy="retry", setting="attempts"
        )

    assert setting() == 1
    worker.guard.reconfigure(retry=Retry(attempts=7, base_delay=0.0001))
    assert setting() == 7
    worker.fail(OSError)
    totals = scraper.scrape()
    assert (
        "seawall_policy_info",
        tuple(
            sorted(
                {
                    "criticality": "default",
                    "dependency": "bank",
                    "policy_hash": worker.guard.describe()["hash"],
                }.items()
            )
        ),
    ) in totals
    assert value(totals, "seawall_errors_total", dependency="bank", error="KeyError") == 1
    assert value(totals, "seawall_errors_total", dependency="bank", error="OSError") == 7


def test_settings_of_a_family_are_described_anew_with_the_next_round(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    family = worker.registry.family("partner", breaker=Breaker(minimum_calls=5))
    family.get("a")
    family.reconfigure(breaker=Breaker(minimum_calls=6))
    worker.sharing.publish()
    totals = Scraper(tmp_path).scrape()
    for name in ("partner/a", "partner/other"):
        setting = {"policy": "breaker", "setting": "minimum_calls"}
        assert value(totals, "seawall_policy_setting", dependency=name, **setting) == 6


def test_two_records_of_one_guard_are_one_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while its settings were described anew: the old record is still there."""
    worker = Worker(tmp_path)
    worker.call(3)
    monkeypatch.setattr(segments.Segment, "_free", lambda *_: None)
    worker.guard.reconfigure(retry=Retry(attempts=7, base_delay=0.0001))
    assert Scraper(tmp_path).calls() == 3


def test_a_full_disk_at_the_start_is_an_error_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry("shop")
    guard = registry.guard("bank", breaker=Breaker())
    guard.call(int)
    for after in range(4):
        sharing = Sharing(registry, tmp_path)
        with full_disk(monkeypatch, after=after), pytest.raises(FolderError, match="no space left"):
            sharing.start()
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
        assert sharing.name == ""
        assert isinstance(guard.ledger.slots, list)
    guard.call(int)
    sharing.start()
    assert Scraper(tmp_path).calls() == 2
    sharing.stop()


def test_a_guard_without_room_is_counted_and_gets_some_when_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path)
    monkeypatch.setattr(segments, "_SMALLEST", 4096)
    scraper = Scraper(tmp_path)
    with full_disk(monkeypatch):
        guards = [worker.registry.guard(f"shop-{number}", breaker=Breaker()) for number in range(12)]
        for guard in guards:
            guard.call(int)
        lost = worker.dropped.counts()["series", "no_room"]
        assert 0 < lost <= 12
        worker.sharing._seek_room()
        worker.call(1)
        assert scraper.calls() == 1
    worker.sharing._seek_room()
    worker.sharing._seek_room()
    assert [scraper.calls(guard=guard.name) for guard in guards] == [1] * 12
    assert scraper.lost() == 0


def test_a_table_of_extents_that_is_full_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f, "MOST_EXTENTS", 2)
    registry = Registry("shop")
    registry.guard("bank")
    with pytest.raises(FolderError, match="file too large"):
        Sharing(registry, tmp_path).start()


def test_where_nothing_can_be_allocated_ahead_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_here(file: int, offset: int, size: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", not_here)
    worker = Worker(tmp_path)
    worker.call(2)
    assert Scraper(tmp_path).calls() == 2
    monkeypatch.setattr(os, "pwrite", lambda *_: 1)
    with pytest.raises(FolderError, match="no space left"):
        Worker(tmp_path)


@pytest.mark.parametrize("where", ["file/below", "file"])
def test_a_folder_that_cannot_be_is_an_error_that_says_why(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"can't use folder '.*file.*': (not a directory|file exists)"):
        Sharing(Registry("shop"), tmp_path / where)


def test_the_environment_names_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEAWALL_PROCESSES_DIR", raising=False)
    assert shared_folder(None) is None
    assert shared_folder("") is None
    assert shared_folder("a") == "a"
    monkeypatch.setenv("SEAWALL_PROCESSES_DIR", "b")
    assert shared_folder(None) == "b"
    assert shared_folder("a") == "a"
    assert shared_folder("") is None


def test_a_folder_is_had_by_one_thread_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folders.folder_of(tmp_path)
    monkeypatch.setattr(folders, "_PATIENCE", 0.01)
    said: list[str] = []

    def other() -> None:
        try:
            with folder.locked():
                said.append("had")
        except FolderError as error:
            said.append(str(error))

    with folder.locked(), folder.locked():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert said == [f"folder {str(tmp_path)!r} is locked by another thread"]
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert said[1:] == ["had"]


def test_what_was_not_finished_is_cleared_up(tmp_path: Path) -> None:
    Worker(tmp_path)
    (tmp_path / "1-x.new").write_text("")
    (tmp_path / "retired.new").write_text("")
    Scraper(tmp_path).scrape()
    assert list(tmp_path.glob("*.new")) == []


def test_a_guard_that_cannot_be_read_does_not_keep_the_others_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path)
    other = worker.registry.guard("shop", breaker=Breaker())
    other.force("forced_open")
    monkeypatch.setattr(worker.guard, "pass_time", None)
    worker.sharing.publish()
    assert worker.dropped.counts()["series", "guard_failed"] == 1
    monkeypatch.undo()
    totals = Scraper(tmp_path).scrape()
    assert value(totals, "seawall_breaker_state", dependency="shop", state="forced_open") == 1


def test_the_thread_writes_every_second_what_time_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharings, "INTERVAL", 0.001)
    rounds = threading.Semaphore(0)
    monkeypatch.setattr(Sharing, "publish", lambda self: rounds.release())
    worker = Worker(tmp_path)
    for _ in range(3):
        assert rounds.acquire(timeout=10)
    monkeypatch.undo()
    worker.sharing.stop()
