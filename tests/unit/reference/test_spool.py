"""The spool keeps files whole, in order, and their names as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.open()
    return spool


@pytest.mark.parametrize("name", ["a.csv", "2026/01/a-b.csv", "..", "ä %2F", "-", "7-x"])
def test_names_and_contents_come_back(spool: Spool, name: str) -> None:
    spool.add(name, b"\0content")
    (waiting,) = spool.waiting()
    assert (waiting.name, waiting.path.read_bytes()) == (name, b"\0content")
    assert spool.holds(name)


def test_files_wait_in_the_order_they_came(spool: Spool) -> None:
    for name in ("z", "a", "z"):
        spool.add(name, name.encode())
    assert [one.name for one in spool.waiting()] == ["z", "a", "z"]


def test_removing_one_version_leaves_the_other(spool: Spool) -> None:
    spool.add("a", b"1")
    spool.add("a", b"2")
    spool.remove(spool.waiting()[0])
    assert [one.path.read_bytes() for one in spool.waiting()] == [b"2"]


def test_a_new_process_goes_on_counting_and_forgets_half_written_files(spool: Spool, tmp_path: Path) -> None:
    last = spool.add("a", b"1")
    (tmp_path / "spool" / ".part-00000009").write_bytes(b"half")
    again = Spool(tmp_path / "spool")
    again.open()
    assert again.add("b", b"2").number == last.number + 1
    assert [one.name for one in again.waiting()] == ["a", "b"]
    assert not list((tmp_path / "spool").glob(".part-*"))
