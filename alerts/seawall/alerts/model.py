"""What a bundle is made of: recordings, alerts, the scenarios that test them, the runbooks they link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from seawall.alerts.text import Text
from seawall.telemetry.promql import Expr
from seawall.telemetry.recorded import Recorded

Severity = Literal["critical", "warning", "info"]
#: Things that happen to a scrape or a process, replayed on an alert's firing scenario.
Mishap = Literal["counter reset", "missed scrape", "first error from nothing", "target vanishes"]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule. ``level:metric:operations`` names it; ``labels`` are what its series carry."""

    name: str
    expr: Expr

    @property
    def labels(self) -> frozenset[str]:
        return self.expr.labels


def recording(kept: Recorded) -> Recording:
    """The rule of what boards ask for, too."""
    return Recording(kept.name, kept.expr)


@dataclass(frozen=True, slots=True)
class Signal:
    """One input series of a test: per second for a counter, the level itself for a gauge.

    ``quiet`` while all is well, ``firing`` while it is not, ``near`` just below the threshold.
    """

    name: str
    labels: Mapping[str, str]
    kind: Literal["counter", "gauge"]
    quiet: float
    firing: float
    near: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How to make one alert fire. Times are seconds, already scaled.

    ``lead`` of quiet, ``bad`` of firing input, after which the alert fires with ``labels`` and ``value``,
    then ``tail`` of quiet, after which it does not. ``settings`` and ``modes`` are
    what its description asks for.
    """

    signals: tuple[Signal, ...]
    labels: Mapping[str, str]
    value: float
    lead: float
    bad: float
    tail: float
    step: float
    settings: Mapping[tuple[str, str], float] = field(default_factory=dict)
    modes: tuple[str, ...] = ()
    mishaps: tuple[Mishap, ...] = ()
    #: A share of a few calls does not make it fire.
    few: bool = False
    #: Rules of the same name that begin to fire at less than this are expected to fire with it.
    bad_as: float = inf
    fires_from: float = 0.0
    #: Distance of evaluations, where that of samples would make too many of a long test.
    pace: float = 0.0
    #: It fires on quiet input too.
    always: bool = False
    #: It fires when its target is gone, where others fall silent.
    fires_unseen: bool = False

    @property
    def every(self) -> float:
        """Distance of evaluations."""
        return max(self.step, self.pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """What to know when an alert of this name arrives, in Markdown; ``policy`` chooses its numbers."""

    name: str
    meaning: str
    impact: str
    diagnosis: tuple[str, ...]
    mitigation: tuple[str, ...]
    threshold: str
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alerting rule with what belongs to it. ``hold``: ``for``, ``keep``: ``keep_firing_for``; scaled."""

    runbook: Runbook
    expr: Expr
    severity: Severity
    summary: str
    description: Text
    scenario: Scenario
    hold: float = 0.0
    keep: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    #: An open breaker of the same dependency explains it, so that its notification is muted.
    follows_open: bool = False
    #: The shorter of the windows that it asks about, unscaled; 0: the shortest of all rules.
    looks_back: float = 0.0
    #: What it asks of raw series, recorded for all criticalities just before it and in its group: not late.
    asks: tuple[Recording, ...] = ()
    #: Name and severity of the alerts during which this one is silent.
    causes: tuple[tuple[str, Severity], ...] = ()

    @property
    def name(self) -> str:
        return self.runbook.name

    @property
    def static_labels(self) -> dict[str, str]:
        return {"severity": self.severity, **self.labels}


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other. ``file`` is the rule file's name without suffix."""

    file: str
    name: str
    rules: tuple[Recording | Alert, ...]
    interval: float | None = None
