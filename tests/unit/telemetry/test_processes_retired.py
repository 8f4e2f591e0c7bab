"""Processes that have ended: counted exactly once, whatever dies while it is written down."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.telemetry.workers import Scraper, Worker, fallen, files, value

from seawall.resilience import Breaker, Family
from seawall.telemetry.processes import retired as retirement
from seawall.telemetry.processes.reader import BadSegment


class Killed(BaseException):
    """What stands for ``kill -9``: nothing after it happens."""


def steps(monkeypatch: pytest.MonkeyPatch, kill_at: int) -> list[str]:
    """Let every change of the folder be a step, and the one of this number the last that is not done."""
    done: list[str] = []

    def step(name: str, real: Any) -> Any:
        def change(*arguments: Any, **more: Any) -> Any:
            if len(done) == kill_at:
                raise Killed
            done.append(name)
            return real(*arguments, **more)

        return change

    for name in ("replace", "unlink", "fsync"):
        monkeypatch.setattr(os, name, step(name, getattr(os, name)))
    return done


def test_an_ended_process_is_counted_and_its_file_deleted(tmp_path: Path) -> None:
    one, two = Worker(tmp_path), Worker(tmp_path)
    one.call(3)
    two.call(4)
    before = Scraper(tmp_path).scrape()
    one.die()
    scraper = Scraper(tmp_path)
    for _ in range(3):
        assert scraper.calls() == 7
    assert files(tmp_path) == [two.name]
    two.die()
    after = scraper.scrape()
    assert fallen(before, after) == {}
    assert value(after, "seawall_calls_total", dependency="bank", operation="default", outcome="success") == 7
    assert files(tmp_path) == []
    assert Scraper(tmp_path).calls() == 7


@pytest.mark.parametrize("kill_at", range(8))
def test_who_is_killed_at_any_step_leaves_what_the_next_one_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    workers = [Worker(tmp_path) for _ in range(3)]
    for number, worker in enumerate(workers):
        worker.call(10**number)
    workers[0].die()
    assert Scraper(tmp_path).calls() == 111
    workers[1].die()
    workers[2].die()
    with monkeypatch.context() as patch:
        done = steps(patch, kill_at)
        scraper = Scraper(tmp_path)
        if kill_at < 6:
            with pytest.raises(Killed):
                scraper.scrape()
        else:
            scraper.scrape()
        assert done == ["fsync", "replace", "fsync", "replace", "unlink", "unlink"][:kill_at]
    for _ in range(3):
        assert Scraper(tmp_path).calls() == 111
    assert files(tmp_path) == []
    assert list(tmp_path.glob("*.new")) == []


@pytest.mark.parametrize("damaged", [retirement.FILES[:1], retirement.FILES[1:], retirement.FILES])
@pytest.mark.parametrize("content", [b"", b"{}", b"abc\n{}"])
def test_a_damaged_copy_costs_nothing(tmp_path: Path, damaged: tuple[str, ...], content: bytes) -> None:
    worker = Worker(tmp_path)
    worker.call(3)
    worker.die()
    scraper = Scraper(tmp_path)
    assert scraper.calls() == 3
    for name in damaged:
        (tmp_path / name).write_bytes(content)
    assert scraper.calls() == 3
    assert scraper.lost() == (0 if damaged == retirement.FILES[1:] else 1)
    assert Scraper(tmp_path).calls() == 3


def test_when_both_copies_are_damaged_they_are_kept_for_whoever_looks(tmp_path: Path) -> None:
    for name in retirement.FILES:
        (tmp_path / name).write_bytes(b"damaged")
    worker = Worker(tmp_path)
    worker.call()
    scraper = Scraper(tmp_path)
    assert scraper.calls() == 1
    assert scraper.lost() == 1
    assert [(tmp_path / f"{name}.bad").read_bytes() for name in retirement.FILES] == [b"damaged"] * 2


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["guards"][0].update(numbers=[1.0]),
        lambda d: d["guards"][0].update(numbers=[float("nan")] * len(d["guards"][0]["numbers"])),
        lambda d: d["guards"][0].update(names=[]),
        lambda d: d["guards"][0].update(entry=7),
        lambda d: d["guards"][0].pop("spec"),
        lambda d: d.pop("folded"),
        lambda d: d.update(own=[7]),
    ],
)
def test_what_cannot_be_is_damage(tmp_path: Path, change: Any) -> None:
    import hashlib

    worker = Worker(tmp_path)
    worker.die()
    Scraper(tmp_path).scrape()
    first, second = (tmp_path / name for name in retirement.FILES)
    document = json.loads(first.read_bytes().partition(b"\n")[2])
    change(document)
    body = json.dumps(document).encode()
    first.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    assert retirement.load(tmp_path)[1] == 1
    second.unlink()
    with pytest.raises(BadSegment):
        retirement.load(tmp_path)


def test_what_another_version_wrote_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Worker(tmp_path)
    old.call(5)
    old.die()
    with monkeypatch.context() as patch:
        patch.setattr(retirement, "signature", lambda layout: "another")
        assert Scraper(tmp_path).calls() == 5
    new = Worker(tmp_path)
    new.call(2)
    new.die()
    assert Scraper(tmp_path).calls() == 2
    with monkeypatch.context() as patch:
        patch.setattr(retirement, "signature", lambda layout: "another")
        assert Scraper(tmp_path).calls() == 5


def test_on_a_full_disk_the_page_is_right_and_nothing_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path)
    worker.call(3)
    worker.die()
    scraper = Scraper(tmp_path)
    with monkeypatch.context() as patch:

        def full(file: int) -> None:
            raise OSError(errno.ENOSPC, "full")

        patch.setattr(os, "fsync", full)
        for times in range(1, 4):
            assert scraper.calls() == 3
            assert scraper.lost("folder") == times
        assert files(tmp_path) == [worker.name]
        assert list(tmp_path.glob("*.new")) == []
    for _ in range(2):
        assert scraper.calls() == 3
    assert files(tmp_path) == []


def test_a_file_that_cannot_be_deleted_is_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path)
    worker.call(3)
    worker.die()
    scraper = Scraper(tmp_path)
    with monkeypatch.context() as patch:

        def refuse(path: str) -> None:
            raise PermissionError(errno.EPERM, "no")

        patch.setattr(os, "unlink", refuse)
        for _ in range(3):
            assert scraper.calls() == 3
        assert Scraper(tmp_path).calls() == 3
    assert Scraper(tmp_path).calls() == 3
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_had_shows_the_last_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seawall.telemetry.processes import folder as folders

    worker = Worker(tmp_path)
    worker.call(3)
    scraper = Scraper(tmp_path)
    assert scraper.calls() == 3
    worker.call()
    monkeypatch.setattr(folders, "_PATIENCE", 0.01)
    monkeypatch.setattr(folders, "lock", lambda file: False)
    assert scraper.calls() == 3
    assert scraper.lost("folder") == 1
    monkeypatch.undo()
    assert scraper.calls() == 4


def test_an_ended_process_in_which_nobody_can_read_is_what_it_was_last(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.call(3)
    scraper = Scraper(tmp_path)
    assert scraper.calls() == 3
    worker.die()
    worker.path.write_bytes(b"garbage")
    assert scraper.calls() == 3
    assert files(tmp_path) == []
    assert Scraper(tmp_path).calls() == 3


def test_members_of_families_are_kept_for_the_worker_that_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worker() -> tuple[Worker, Family]:
        made = Worker(tmp_path)
        return made, made.registry.family("partner", breaker=Breaker())

    def calls(scraper: Scraper) -> dict[str, float]:
        return {
            dict(labels)["dependency"]: n
            for (name, labels), n in scraper.scrape().items()
            if name == "seawall_calls_total" and ("outcome", "success") in labels and n
        }

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    one, ones = worker()
    two, twos = worker()
    for key in "ab":
        ones.get(key).call(int)
    twos.get("a").call(int)
    scraper = Scraper(tmp_path)
    assert calls(scraper) == {"partner/a": 2, "partner/b": 1}
    one.die()
    assert calls(scraper) == {"partner/a": 2, "partner/b": 1}
    now += retirement.KEEP
    assert calls(scraper) == calls(Scraper(tmp_path)) == {"partner/a": 2, "partner/b": 1}
    two.registry.remove("partner/a")
    assert calls(scraper) == {"partner/a": 1, "partner/b": 1}
    twos.get("b").call(int)
    now += 1
    assert calls(scraper) == calls(Scraper(tmp_path)) == {"partner/b": 2}
    two.die()
    assert calls(scraper) == {"partner/b": 2}
    now -= 3600
    assert calls(scraper) == {}


def test_many_ended_processes_are_one_file(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.call(2)
    worker.sharing.publish()
    content = os.pread(worker.sharing._segment.file, 1 << 20, 0)  # type: ignore[union-attr]
    for number in range(200):
        copy = bytearray(content)
        copy[24:40] = number.to_bytes(16, "little")
        (tmp_path / f"{number}-x.worker").write_bytes(copy)
    scraper = Scraper(tmp_path)
    assert scraper.calls() == 402
    assert files(tmp_path) == [worker.name]


def test_what_one_sets_aside_another_may_have_seen_before(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.call(3)
    knows = [Scraper(tmp_path), Scraper(tmp_path)]
    assert [scraper.calls() for scraper in knows] == [3, 3]
    worker.die()
    worker.path.write_bytes(b"garbage")
    Scraper(tmp_path).scrape()
    assert files(tmp_path) == []
    assert [path.name for path in tmp_path.glob("*.bad")] == [f"{worker.name}.bad"]
    for scraper in (*knows, Scraper(tmp_path), *knows):
        assert scraper.calls() == 3
    assert list(tmp_path.glob("*.bad")) == []
