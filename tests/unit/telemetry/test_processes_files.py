"""Files that can't be read: skipped, counted, and never the end of a page; no total falls."""

from __future__ import annotations

import os
import struct
from array import array
from pathlib import Path

import pytest
from tests.unit.telemetry.workers import Scraper, Worker, files

from seawall.resilience import Breaker
from seawall.telemetry.processes import format as f
from seawall.telemetry.processes import reader as readers
from seawall.telemetry.processes import segment as segments
from seawall.telemetry.processes import shapes, totals
from seawall.telemetry.processes.reader import BadSegment, Reader

HOLD = bytes(4096)


def whole(worker: Worker) -> bytes:
    with open(os.dup(worker.sharing._segment.file), "rb") as file:  # type: ignore[union-attr]
        return os.pread(file.fileno(), 1 << 24, 0)


def read(path: Path, content: bytes) -> readers.Content:
    path.write_bytes(content)
    with open(path, "rb") as file:
        return Reader().read(file.fileno())


def test_a_segment_cut_at_any_length_is_bad_and_nothing_else(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "folder")
    worker.call()
    content = whole(worker)
    cut = tmp_path / "cut"
    assert read(cut, content).directory.places[0].name == "bank"
    lengths = {*range(0, 300), *range(300, len(content), 61), len(content) - 1}
    for length in sorted(lengths):
        with pytest.raises(BadSegment, match=r"^(truncated|garbage)$"):
            read(cut, content[:length])


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"SEAWALL\n", os.urandom(4096), HOLD, HOLD * 40, f.MAGIC + b"\1\0\0\0" + b"\xff" * 4096],
    ids=["empty", "a byte", "magic", "random", "zeros", "more zeros", "magic and format"],
)
def test_garbage_is_skipped_counted_and_set_aside(tmp_path: Path, content: bytes) -> None:
    worker = Worker(tmp_path)
    worker.call(3)
    (tmp_path / "1-x.worker").write_bytes(content)
    scraper = Scraper(tmp_path)
    for _ in range(3):
        assert scraper.calls() == 3
    assert scraper.lost() == 1
    assert files(tmp_path) == [worker.name]
    assert (tmp_path / "1-x.worker.bad").read_bytes() == content


def test_every_byte_of_the_description_may_be_damaged(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "folder")
    worker.call()
    content = whole(worker)
    cut = tmp_path / "cut"
    cold = content.index(f.GUARD)
    places = [*range(0, 64 + 96), *range(cold, cold + 48), *range(cold + 1300, cold + 2600, 7)]
    for at in places:
        for value in (0, 0xFF, content[at] ^ 0x10):
            damaged = bytearray(content)
            damaged[at] = value
            try:
                found = read(cut, bytes(damaged))
            except BadSegment:
                continue
            for place in found.directory.places:
                assert len(array("d", found.slots)) >= place.slots + place.layout.width


@pytest.mark.parametrize("how", ["format", "layout"])
def test_another_version_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    worker = Worker(tmp_path)
    worker.call(3)
    with monkeypatch.context() as patch:
        if how == "format":
            patch.setattr(f, "FORMAT", 2)
        else:
            patch.setattr(segments, "signature", lambda layout: "another")
        foreign = Worker(tmp_path)
        foreign.call(100)
    scraper = Scraper(tmp_path)
    for _ in range(3):
        assert scraper.calls() == 3
    foreign.die()
    assert scraper.calls() == 3
    assert scraper.lost() == 1
    assert foreign.name in files(tmp_path)
    if how == "format":
        with monkeypatch.context() as patch:
            patch.setattr(f, "FORMAT", 2)
            assert Scraper(tmp_path).calls() >= 100
        assert foreign.name not in files(tmp_path)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0])
def test_numbers_that_cannot_have_been_counted_stay_out(tmp_path: Path, number: float) -> None:
    good, bad = Worker(tmp_path), Worker(tmp_path)
    good.call(3)
    bad.call(4)
    scraper = Scraper(tmp_path)
    assert scraper.calls() == 7
    slot = bad.guard.ledger.layout.at("calls", "default", "failure")
    bad.guard.ledger.slots[slot] = number
    assert scraper.calls() == 7
    assert scraper.lost() == 1
    fresh = Scraper(tmp_path)
    assert fresh.calls() == 3
    assert fresh.lost() == 1
    bad.die()
    assert scraper.calls() == 7
    assert Scraper(tmp_path).calls() == 7


def test_a_live_value_that_cannot_be_stays_out(tmp_path: Path) -> None:
    good, bad = Worker(tmp_path), Worker(tmp_path)
    good.call(3)
    bad.call(4)
    bad.sharing._rooms[bad.guard].room.live[0] = float("nan")
    assert Scraper(tmp_path).calls() == 3


def test_a_file_that_may_not_be_read_counts_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path)
    worker.call(3)
    worker.die()
    one = Worker(tmp_path)
    real = os.open

    def refuse(path: str, *rest: int, **more: int) -> int:
        if str(path).endswith(worker.name):
            raise PermissionError(13, "no")
        return real(path, *rest, **more)

    scraper = Scraper(tmp_path, one)
    monkeypatch.setattr(os, "open", refuse)
    assert scraper.calls() == 0
    assert scraper.lost() == 1
    monkeypatch.undo()
    assert scraper.calls() == 3


def test_a_reader_gives_up_when_guards_come_and_go_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path)
    segment = worker.sharing._segment
    assert segment is not None
    reader = Reader()
    assert reader.read(segment.file).directory.places[0].name == "bank"
    real = os.pread

    def busy(file: int, size: int, at: int) -> bytes:
        segment.changed()
        return real(file, size, at)

    monkeypatch.setattr(os, "pread", busy)
    with pytest.raises(BadSegment, match="busy"):
        reader.read(segment.file)
    monkeypatch.undo()
    assert reader.read(segment.file).directory.places[0].name == "bank"


def test_what_was_given_back_and_used_again_meanwhile_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path)
    worker.registry.guard("shop", breaker=Breaker()).call(int)
    segment = worker.sharing._segment
    assert segment is not None
    reader = Reader()
    reader.read(segment.file)
    real, done = os.pread, []

    def while_reading(file: int, size: int, at: int) -> bytes:
        if done:
            return real(file, size, at)
        done.append(1)
        head = real(file, 200, 0)
        worker.registry.remove("shop")
        worker.registry.guard("else", breaker=Breaker())
        return head + real(file, size - 200, 200)

    monkeypatch.setattr(os, "pread", while_reading)
    content = reader.read(segment.file)
    assert [place.name for place in content.directory.places] == ["bank", "else"]


def test_records_are_walked_by_their_sizes() -> None:
    record = f.RECORD.pack(f.FREE, f.RECORD.size, 0, 0, 0, 0, 0, 0)
    assert list(readers._records(record * 3)) == []
    for size in (0, 8):
        with pytest.raises(ValueError, match=r"^$"):
            list(readers._records(struct.pack("<4sI", f.GUARD, size) + record))
    with pytest.raises(ValueError, match=r"^$"):
        list(readers._records(b"ABCD" + record[4:]))


def test_a_text_of_the_wrong_kind_is_garbage() -> None:
    layout = shapes.layout_from([["default"], [], [], [1.0], None])
    good = segments._text({"name": "a", "criticality": "default", "hash": "b", "policies": {}}, "", layout)
    assert readers.described(good)[1] == ""
    for name in ("name", "criticality", "hash", "policies"):
        entry = {"name": "a", "criticality": "default", "hash": "b", "policies": {}} | {name: 7}
        with pytest.raises(TypeError):
            readers.described(segments._text(entry, "", layout))


def test_a_guard_that_cannot_be_shown_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(tmp_path)
    worker.registry.guard("shop").call(int)
    scraper = Scraper(tmp_path)
    real = totals.policy_rows

    def rows(entry: dict[str, object]) -> object:
        if entry["name"] == "bank":
            raise ValueError
        return real(entry)

    monkeypatch.setattr(totals, "policy_rows", rows)
    assert scraper.calls(guard="shop") == 1
    assert scraper.lost("guard_failed") == 1


def test_a_signal_handler_that_asks_in_the_middle_of_an_answer_gets_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path)
    worker.call()
    scraper = Scraper(tmp_path)
    before = scraper.source.views()
    worker.call()
    real, found = os.listdir, []

    def interrupted(path: Path) -> list[str]:
        found.append(scraper.source.views())
        return real(path)

    monkeypatch.setattr(os, "listdir", interrupted)
    after = scraper.source.views()
    assert found == [before]
    slot = worker.guard.ledger.layout.at("calls", "default", "success")
    assert [views[0].reading[slot] for views in (before, after)] == [1, 2]
