"""What the intervals alone make an opening wait for, from the times that Prometheus itself kept."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """Seconds from one opening to the first scrape after it, to the evaluation after that, and to the
    receiver's own time of the notification.
    """

    scrape: float
    evaluation: float
    received: float

    @property
    def floor(self) -> float:
        return self.evaluation

    @property
    def rest(self) -> float:
        """What servers, rules and exporter took beyond it."""
        return self.received - self.evaluation


@dataclass(frozen=True)
class Kept:
    """What Prometheus wrote down: ``scrapes`` by their beginning, with how long each took; one evaluation
    of the alert's group, which come ``interval`` apart; when each dependency was first seen open.
    """

    scrapes: Mapping[float, float]
    evaluation: float
    interval: float
    seen: Mapping[str, float]

    def told(self, dependency: str, opened: float, received: float) -> Told:
        begins: Sequence[float] = sorted(self.scrapes)
        # A scrape that began a moment before the opening may have read its page after it.
        first = begins[bisect.bisect_left(begins, min(opened, self.seen[dependency]))]
        held = max(opened, first) + self.scrapes[first]
        return Told(max(0.0, first - opened), self._evaluated(held) - opened, received - opened)

    def _evaluated(self, moment: float) -> float:
        """When the first evaluation is due that can see what was there at a moment."""
        past = math.ceil((moment - self.evaluation) / self.interval)
        return self.evaluation + past * self.interval
