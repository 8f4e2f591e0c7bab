"""The scenario: which wires break, when, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reference.proxy import Toxics

HEALTHY = "healthy"
SLOW_BANK = "slow bank"
DEAD_BANK = "dead bank"
CACHE_GONE = "cache gone"
MAIL_GONE = "mail gone"
RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the scenario; wires that are not named are healthy. `seconds` long."""

    name: str
    seconds: float
    story: str
    toxics: Mapping[str, Toxics] = field(default_factory=dict)


SCENARIO = (
    Phase(HEALTHY, 20.0, "everything answers"),
    Phase(
        SLOW_BANK,
        20.0,
        "the bank takes 0.1 to 0.42 s: some attempts time out at 0.4 s and are retried",
        {"bank": Toxics(latency=0.1, jitter=0.32)},
    ),
    Phase(
        DEAD_BANK,
        28.0,
        "the bank accepts connections and says nothing: the breaker opens, older statements are served",
        {"bank": Toxics(black_hole=True)},
    ),
    Phase(
        CACHE_GONE,
        14.0,
        "the bank is back; nobody listens where the cache was: totals are computed again each time",
        {"cache": Toxics(refused=True)},
    ),
    Phase(
        MAIL_GONE,
        16.0,
        "no mail server, and the object store resets connections: both kinds of work are kept for later",
        {"mail": Toxics(refused=True), "store": Toxics(reset=0.8)},
    ),
    Phase(RECOVERY, 26.0, "everything answers again: what was kept goes out, breakers close"),
)


@dataclass(frozen=True, slots=True)
class Played:
    """A phase as it was played: Unix seconds of its beginning and end."""

    phase: Phase
    began: float
    ended: float


@dataclass(slots=True)
class Story:
    """What was played so far."""

    played: list[Played] = field(default_factory=list)

    def of(self, name: str) -> Played:
        """The phase of this name. Raises KeyError when it was not played."""
        for played in self.played:
            if played.phase.name == name:
                return played
        raise KeyError(name)

    @property
    def began(self) -> float:
        return self.played[0].began

    @property
    def ended(self) -> float:
        return self.played[-1].ended
