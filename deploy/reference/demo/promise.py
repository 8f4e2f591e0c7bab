"""What the scenario promises, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reference.demo.prometheus import Prometheus
from reference.demo.queries import Result
from reference.demo.scenario import DEAD_BANK, HEALTHY, RECOVERY, SLOW_BANK, Played, Story
from reference.demo.watch import Exemplar, Notification
from reference.load import Record

SETTLING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Promise:
    """`kept` None: could not be checked, and `figures` says why."""

    text: str
    kept: bool | None
    figures: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was seen of a run. Times in Unix seconds."""

    story: Story
    records: Sequence[Record]
    notifications: Sequence[Notification]
    logs: Sequence[dict[str, Any]]
    spans: Sequence[dict[str, Any]]
    exemplars: Sequence[Exemplar]
    mails: Path
    objects: Path
    bundle: Path
    metrics_page: str
    request_timeout: float
    prometheus: Prometheus | None
    delivers: bool
    results: Sequence[Result] = ()
    left_waiting: dict[str, int] = field(default_factory=dict)

    def during(self, name: str, *, after: float = 0.0) -> list[Record]:
        """Requests that were due in a phase, not counting its first `after` seconds."""
        played = self.story.of(name)
        return [r for r in self.records if played.began + after <= r.at < played.ended]

    @property
    def healthy(self) -> list[Record]:
        """Requests before and after all outages, when nothing is left to be sent later."""
        return [*self.during(HEALTHY), *self.during(RECOVERY, after=SETTLING_SECONDS)]

    @property
    def outage(self) -> list[Record]:
        """Requests of both of the bank's bad phases."""
        return [*self.during(SLOW_BANK), *self.during(DEAD_BANK)]

    @property
    def dead_bank(self) -> Played:
        return self.story.of(DEAD_BANK)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed (nearest rank); 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def milliseconds(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1000:.0f} ms"
