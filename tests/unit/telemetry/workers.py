"""Workers in one process: each with its own registry and segment; one can die as if it had been killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from seawall.resilience import Breaker, Guard, Registry, Retry
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.processes import ProcessSource, Sharing
from seawall.telemetry.processes import folder as folders
from seawall.telemetry.processes.folder import folder_of

#: Those that a test has made, to be stopped after it.
MADE: list[Worker] = []
Totals = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Worker:
    """One process with one guard, ``bank``, unless other settings are given."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.registry = Registry("shop")
        self.dropped = Dropped()
        settings = settings or {"breaker": Breaker(minimum_calls=100), "retry": Retry(attempts=1)}
        self.guard: Guard = self.registry.guard("bank", **settings)
        self.sharing = Sharing(self.registry, folder, dropped=self.dropped)
        self.sharing.start()
        self.name = self.sharing.name
        self.path = folder / self.name
        MADE.append(self)

    def call(self, times: int = 1) -> None:
        for _ in range(times):
            self.guard.call(int)

    def fail(self, error: type[Exception] = ValueError, times: int = 1) -> None:
        def work() -> None:
            raise error

        for _ in range(times):
            with pytest.raises(error):
                self.guard.call(work)

    def die(self) -> None:
        """What the kernel does to a process that is killed: its lock is gone, its file stays."""
        self.sharing.stop()
        segment = folder_of(self.folder).own.pop(self.name, None)
        if segment is not None:
            segment.close()


class Scraper:
    """A page of a folder's sums, parsed."""

    def __init__(self, folder: Path, worker: Worker | None = None) -> None:
        registry = worker.registry if worker else Registry("scraper")
        self.dropped = worker.dropped if worker else Dropped()
        sharing = worker.sharing if worker else None
        self.source = ProcessSource(folder, registry, sharing=sharing, dropped=self.dropped)
        self.page = MetricsPage(self.source)

    def scrape(self) -> Totals:
        return parsed(self.page.text().decode())

    def calls(self, outcome: str = "success", guard: str = "bank") -> float:
        return value(
            self.scrape(), "seawall_calls_total", dependency=guard, operation="default", outcome=outcome
        )

    def lost(self, reason: str = "worker_file") -> int:
        return self.dropped.counts()["series", reason]


def parsed(text: str) -> Totals:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(totals: Totals, series: str, **labels: str) -> float:
    return totals[series, tuple(sorted(labels.items()))]


def counters(totals: Totals) -> Totals:
    """What must never fall."""
    ends = ("_total", "_bucket", "_count", "_sum")
    return {key: number for key, number in totals.items() if key[0].endswith(ends)}


def fallen(before: Totals, after: Totals) -> Totals:
    """Counters that have fallen, or gone, by how much."""
    return {
        key: after.get(key, -1) - number
        for key, number in counters(before).items()
        if after.get(key, -1) < number
    }


def forget(folder: Path) -> None:
    """Close what a process keeps open of a folder for as long as it lives: thousands are too many."""
    os.close(folders._folders.pop(folder.resolve())._file)
    MADE[:] = [worker for worker in MADE if worker.folder != folder]


def files(folder: Path) -> list[str]:
    """Names of segments."""
    return sorted(path.name for path in folder.glob("*.worker"))


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, *, after: int = 0) -> Iterator[None]:
    """No room for any allocation beyond the next few."""
    real: Callable[[int, int, int], None] = os.posix_fallocate
    left = after

    def fallocate(file: int, offset: int, size: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, offset, size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", fallocate)
        yield


def calls(totals: Totals) -> float:
    return value(totals, "seawall_calls_total", dependency="bank", operation="default", outcome="success")
