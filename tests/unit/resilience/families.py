"""A family on a manual clock, and its counters summed."""

from __future__ import annotations

from typing import Any

import pytest

from seawall.resilience import (
    Guard,
    Registry,
)
from seawall.testing import ManualClock


class Boom(Exception): ...


class World:
    """A family of at most two on a manual clock."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.registry = Registry("t")
        settings = {"most": 2, "idle_for": 60.0, "clock": self.clock, "sleep": self.clock.sleep} | settings
        self.family = self.registry.family("partner", **settings)

    @property
    def names(self) -> list[str]:
        return sorted(guard.name for guard in self.registry)

    def fail(self, key: str, error: Exception | None = None) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever was asked for
            self.family[key].call(raising, error or Boom())

    def sums(self, key: str) -> dict[tuple[str, ...], float]:
        """Counters of one member, errors by name."""
        found: dict[tuple[str, ...], float] = {}
        guard = self.registry.get(f"partner/{key}")
        if guard is not None:
            reading = guard.read()
            for entry in guard.ledger.layout.entries:
                if entry.field.kind == "gauge":
                    continue
                labels: tuple[str | None, ...] = entry.labels
                if entry.field.name == "errors":
                    labels = (guard.ledger.error_names[int(entry.labels[0])],)
                for i in range(entry.size):
                    key = (entry.field.name, *map(str, labels), str(i))
                    found[key] = found.get(key, 0) + reading[entry.offset + i]
        return found


def raising(error: Exception) -> None:
    raise error


def count(guard: Guard, field: str, *labels: str) -> float:
    return guard.read()[guard.ledger.layout.at(field, *labels)]
