"""Telemetry's own counters, by what they count and its labels: of all processes, as those of the guards."""

from __future__ import annotations

from collections.abc import Mapping

from seawall.resilience import Registry
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.rows import Row, own_rows

Own = dict[tuple[str, ...], float]


def own_counts(dropped: Dropped, registry: Registry) -> Own:
    """What telemetry lost, and errors of listeners, by what is counted and its labels."""
    counts: Own = {("dropped", *pair): count for pair, count in dropped.counts().items()}
    return counts | {("listener", name): count for name, count in dict(registry.listener_errors).items()}


def add_up(counts: Own, more: Mapping[tuple[str, ...], float], sign: int = 1) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + sign * count


def rows_of(counts: Own) -> tuple[Row, ...]:
    """As they stand on the page."""
    dropped = {(k[1], k[2]): int(n) for k, n in counts.items() if k[0] == "dropped" and len(k) == 3}
    errors = {k[1]: int(n) for k, n in counts.items() if k[0] == "listener" and len(k) == 2}
    return own_rows(dropped, errors)
