"""Faults that prometheus_client's multiprocess mode had with the files of its workers."""

from __future__ import annotations

import os
from pathlib import Path

from tests.unit.telemetry.workers import MADE, Scraper, Worker, files, parsed

from seawall.telemetry.processes import format as f


def end() -> None:
    while MADE:
        MADE.pop().die()


def test_client_python_367_thousands_of_ended_workers_leave_no_file_behind(tmp_path: Path) -> None:
    """Each worker left its files for ever, and each scrape read them all."""
    worker = Worker(tmp_path)
    worker.call(2)
    assert worker.sharing._segment is not None
    content = bytearray(os.pread(worker.sharing._segment.file, 1 << 20, 0))
    for number in range(2_000):
        content[f.ID_AT : f.GENERATION_AT] = number.to_bytes(16, "little")
        (tmp_path / f"{number}-x.worker").write_bytes(content)
    assert Scraper(tmp_path).calls() == 4_002
    assert files(tmp_path) == [worker.name]
    assert len(list(tmp_path.iterdir())) == 4  # with the lock, and both copies of what has ended
    assert Scraper(tmp_path).calls() == 4_002
    end()


def test_client_python_604_an_empty_file_does_not_cost_the_page(tmp_path: Path) -> None:
    """A worker that was killed before it had written anything made every scrape fail."""
    worker = Worker(tmp_path)
    worker.call(2)
    (tmp_path / "7-x.worker").touch()
    scraper = Scraper(tmp_path)
    assert [scraper.calls() for _ in range(3)] == [2, 2, 2]
    assert scraper.lost() == 1
    end()


def test_client_python_898_a_process_id_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    """Files were named by process id: in containers each worker is number 1, and wrote into another's file.

    Here all workers have this process's id, whether they live or have ended.
    """
    gone, alive, third = Worker(tmp_path), Worker(tmp_path), Worker(tmp_path)
    gone.call(1)
    alive.call(20)
    third.call(300)
    gone.die()
    scraper = Scraper(tmp_path)
    assert scraper.calls() == 321
    assert files(tmp_path) == sorted([alive.name, third.name])
    again = Worker(tmp_path)
    again.call(4_000)
    assert scraper.calls() == 4_321
    assert {name.partition("-")[0] for name in files(tmp_path)} == {str(os.getpid())}
    end()


def test_client_python_996_files_of_another_format_are_left_to_who_can_read_them(tmp_path: Path) -> None:
    """After an upgrade the files of the old version made every scrape fail, until the folder was wiped."""
    worker, old = Worker(tmp_path), Worker(tmp_path)
    worker.call(2)
    assert old.sharing._segment is not None
    os.pwrite(old.sharing._segment.file, b"\x63", 8)
    scraper = Scraper(tmp_path)
    assert [scraper.calls() for _ in range(3)] == [2, 2, 2]
    old.die()
    assert [scraper.calls() for _ in range(3)] == [2, 2, 2]
    assert scraper.lost() == 1
    assert old.name in files(tmp_path)
    end()


def test_resilience4j_1020_a_guard_that_was_removed_has_no_series_on_any_page(tmp_path: Path) -> None:
    worker, other = Worker(tmp_path), Worker(tmp_path)
    worker.registry.guard("shop")
    pages = [Scraper(tmp_path), Scraper(tmp_path, worker), Scraper(tmp_path, other)]

    def guards(scraper: Scraper) -> set[str]:
        labels = [dict(key[1]) for key in parsed(scraper.page.text().decode())]
        return {of["dependency"] for of in labels if "dependency" in of}

    assert [guards(page) for page in pages] == [{"bank", "shop"}] * 3
    worker.registry.remove("shop")
    assert [guards(page) for page in pages] == [{"bank"}] * 3
    end()
