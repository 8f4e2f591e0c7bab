"""What telemetry itself lost: counted here, exposed as a series, never raised."""

from __future__ import annotations

import os
from weakref import WeakSet

from seawall.telemetry.locks import CallLock

#: Every (signal, reason) that can be counted, and what was lost; all exist at 0 from the start.
REASONS = {
    ("spans", "queue_full"): "More spans ended than were sent; the newest are lost.",
    ("spans", "export_failed"): "The collector refused them, or could not be reached in time.",
    ("spans", "shutdown"): "Not known to have arrived when the time to shut down was over.",
    ("logs", "queue_full"): "More records were logged than the collector took; the newest are lost.",
    ("logs", "export_failed"): "The collector refused the records, or could not be reached in time.",
    ("logs", "shutdown"): "Records not known to have arrived when the time to shut down was over.",
    ("logs", "rate_limited"): "More lines of one event and guard than are let through.",
    ("logs", "write_failed"): "The stream could not be written: closed, or its disk is full.",
    ("logs", "stream_blocked"): "Nobody reads the stream: more lines wait for it than are kept.",
    ("metrics", "export_failed"): "The collector took no data points; later ones hold their counts.",
    ("metrics", "shutdown"): "The last data points were not taken before the time to shut down was over.",
    ("series", "guard_failed"): "A guard that could not be read is left out of a page.",
    (
        "series",
        "collector_failed",
    ): "A collector of the service's own raised, or its family can't be written.",
    ("series", "worker_file"): "A file of another process could not be read; its last good numbers count.",
    ("series", "folder"): "The folder of the processes could not be had or written; the last sums are shown.",
    ("series", "no_room"): "No room in the folder: a guard's numbers are left out until there is some.",
}


class Dropped:
    """Counts of lost items by signal and reason. Thread-safe; adding never raises for a declared pair.

    A forked child begins at 0: what the parent lost is counted there.
    """

    def __init__(self) -> None:
        self._lock = CallLock()
        self.clear()
        _all.add(self)

    def add(self, signal: str, reason: str, count: int = 1) -> None:
        """Count ``count`` lost items. ``KeyError`` for a pair that is not in `REASONS`."""
        with self._lock:
            self._counts[signal, reason] += count

    def counts(self) -> dict[tuple[str, str], int]:
        """A copy of all counts."""
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        """All back to 0."""
        self._counts = dict.fromkeys(REASONS, 0)


_all: WeakSet[Dropped] = WeakSet()


def _after_fork_in_child() -> None:
    for dropped in list(_all):
        dropped.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
