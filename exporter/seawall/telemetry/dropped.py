"""What telemetry itself lost: counted here, exposed as a series, never raised."""

from __future__ import annotations

from seawall.telemetry.locks import CallLock

#: Every (signal, reason) that can be counted; all exist at 0 from the start.
REASONS = (
    ("spans", "queue_full"),
    ("spans", "export_failed"),
    ("spans", "shutdown"),
    ("logs", "rate_limited"),
    ("logs", "write_failed"),
    ("series", "guard_failed"),
    ("series", "collector_failed"),
)


class Dropped:
    """Counts of lost items by signal and reason. Thread-safe; adding never raises for a declared pair."""

    def __init__(self) -> None:
        self._lock = CallLock()
        self._counts = dict.fromkeys(REASONS, 0)

    def add(self, signal: str, reason: str, count: int = 1) -> None:
        """Count ``count`` lost items. ``KeyError`` for a pair that is not in `REASONS`."""
        with self._lock:
            self._counts[signal, reason] += count

    def counts(self) -> dict[tuple[str, str], int]:
        """A copy of all counts."""
        with self._lock:
            return dict(self._counts)
