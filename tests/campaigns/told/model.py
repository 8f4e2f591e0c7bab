"""What a scenario is: who calls what, what goes wrong and when, and which alerts that has to bring.

Times are minutes of production from the scenario's beginning, lengths of a call are seconds of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

#: A minute of warming up: the shortest window of the rules is five long.
WARM = 12.0
EVERY = ""
FROM_THE_START = -30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A dependency as it is when it is well, and its guard's settings.

    ``takes``: seconds of a usual call. ``fails``, ``slow``: shares of calls that fail, or take ``slow_takes``
    seconds, although nothing is wrong. ``threads``: it is called from threads, by a ``def``.
    ``keys``: it is a family, called with so many keys.
    """

    name: str
    settings: Mapping[str, Any]
    per_minute: float = 30.0
    takes: float = 0.15
    fails: float = 0.001
    slow: float = 0.0
    slow_takes: float = 2.0
    threads: bool = False
    keys: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """From one minute to another a dependency is not well, on all replicas or on some.

    ``fails`` of its calls fail with ``error``, ``slow`` of the others take ``slow_takes`` seconds.
    ``traffic``: times as many calls as usual. ``capacity``: calls a minute and replica that it takes, the
    others are answered with 429. ``forced``: the state that somebody puts its breaker into.
    """

    dependency: str
    begin: float
    end: float
    fails: float = 0.0
    error: type[Exception] = ConnectionError
    slow: float = 0.0
    slow_takes: float = 2.0
    traffic: float = 1.0
    capacity: float | None = None
    forced: str = ""
    replicas: tuple[int, ...] = ()

    def concerns(self, dependency: str, replica: int) -> bool:
        return self.dependency in (EVERY, dependency) and (not self.replicas or replica in self.replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """From one minute to another ``share`` of the scrapes of some exporters are not answered."""

    begin: float
    end: float
    share: float = 1.0
    replicas: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What happens to processes at a minute.

    ``kill``: SIGKILL. ``start``: the replica is there again. ``restart``: SIGTERM, and there again after
    ``down`` seconds, with policies of this ``deploy``. ``load``: Prometheus gets the bundle of ``deploy``.
    """

    minute: float
    what: Literal["kill", "start", "restart", "load"]
    replica: int = 0
    down: float = 20.0
    deploy: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """An alert as somebody is told of it."""

    name: str
    severity: str
    dependency: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.severity}" + (f" ({self.dependency})" if self.dependency else "")


@dataclass(frozen=True, slots=True)
class Must:
    """It has to come, after minute ``since``, at which its cause begins; ``once``: and not again.

    A cause that is there from the start begins before minute 0, in which all processes run.
    """

    told: Told
    since: float
    once: bool = False


@dataclass(frozen=True, slots=True)
class May:
    """It may come, for a reason. ``muted``: it may fire, and nobody may be told."""

    told: Told
    why: str
    muted: bool = False


def muted_before_the_rest(*dependencies: str) -> tuple[May, ...]:
    """Of critical dependencies that all replicas lose."""
    why = "Replicas notice one after the other: for a moment it is open on fewer than half of them."
    return tuple(
        May(Told("SeawallBreakerOpen", "warning", dependency), why, muted=True) for dependency in dependencies
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``guards``: one list for each deployment. ``past``: recordings that Prometheus holds of the day before,
    by the name that the generator has for a recording, and its value by dependency."""

    name: str
    story: str
    minutes: float
    guards: Sequence[Sequence[Served]]
    replicas: int = 3
    troubles: tuple[Trouble, ...] = ()
    gaps: tuple[Gap, ...] = ()
    deeds: tuple[Deed, ...] = ()
    must: tuple[Must, ...] = ()
    may: tuple[May, ...] = ()
    past: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    #: A listener of its events that raises.
    bad_listener: bool = False
