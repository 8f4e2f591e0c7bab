"""What a scenario came to: who was told of what and when, beside what was declared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.campaigns.told.model import Must, Scenario, Told

from seawall.alerts.watching_alerts import WATCHDOG

#: What replicas note when something begins to go wrong.
CAUSES = ("failed", "slow", "traffic", "forced")
OPENED = "closed>open"
#: The machine gave a replica no turn; where a dependency would stand, for how many seconds.
STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One alert in a notification: when it was received, Unix seconds, and whether it begins or ends."""

    at: float
    told: Told
    firing: bool


@dataclass(frozen=True, slots=True)
class Note:
    """What a replica wrote down."""

    at: float
    what: str
    dependency: str


@dataclass(frozen=True, slots=True)
class Hit:
    """Seconds until somebody was told: from the first bad call (or deed), and from the breaker's opening."""

    must: Must
    after: float
    after_opening: float | None
    times: int
    ended: bool


@dataclass
class Verdict:
    scenario: Scenario
    hits: list[Hit] = field(default_factory=list)
    misses: list[Must] = field(default_factory=list)
    #: What came and was not declared, and how it came.
    false_alarms: list[tuple[Told, str]] = field(default_factory=list)
    #: Which of those that may come did so.
    allowed: set[Told] = field(default_factory=set)
    #: What did not work as a scenario has to: then it says nothing.
    broken: list[str] = field(default_factory=list)
    #: The longest time for which the machine gave a replica no turn, as it or a scrape noticed; seconds.
    #: 0: none worth a note.
    stalled: float = 0.0
    #: What former runs of the same scenario came to that were repeated for such a stall.
    former: list[Verdict] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """All that is, in words."""
        found = [f"missed {must.told}" for must in self.misses]
        return [*found, *(f"{told}, {how}" for told, how in self.false_alarms), *self.broken]

    @property
    def clean(self) -> bool:
        return not (self.misses or self.false_alarms or self.broken)


def arrived(lines: Iterable[str]) -> list[Arrived]:
    """From the file of `seawall receive`."""
    return [
        Arrived(entry["received"], told(alert["labels"]), alert["status"] == "firing")
        for entry in map(json.loads, lines)
        for alert in entry["notification"]["alerts"]
    ]


def notes(lines: Iterable[str]) -> list[Note]:
    return [Note(line["at"], line["what"], line["dependency"]) for line in map(json.loads, lines)]


def told(labels: Mapping[str, Any]) -> Told:
    return Told(labels["alertname"], labels["severity"], labels.get("dependency", ""))


def judge(
    scenario: Scenario,
    epoch: float,
    minute: float,
    noted: Sequence[Note],
    came: Sequence[Arrived],
    fired: Iterable[Told],
) -> Verdict:
    """``minute``: seconds of it. ``fired``: all that fired in Prometheus since minute 0, muted or not.

    What was told before minute 0 counts for those only whose cause is there before that.
    """
    verdict = Verdict(scenario)
    verdict.stalled = max((float(n.dependency) for n in noted if n.what == STALLED), default=0.0)
    begun = [a for a in came if a.firing and a.at >= epoch]
    for must in scenario.must:
        since = epoch + must.since * minute
        mine = [a for a in came if a.firing and a.told == must.told and a.at >= min(since, epoch)]
        if early := [a for a in mine if a.at < since]:
            verdict.false_alarms.append((must.told, f"{since - early[0].at:.1f} s before its cause"))
        if not (due := [a for a in mine if a.at >= since]):
            verdict.misses.append(must)
            continue
        times = len({a.at for a in due})
        if must.once and times > 1:
            verdict.false_alarms.append((must.told, f"told {times} times"))
        ends = [a for a in came if a.told == must.told and not a.firing]
        verdict.hits.append(
            Hit(
                must,
                due[0].at - _first(noted, must, since, CAUSES),
                due[0].at - _first(noted, must, since, (OPENED,)) if _opens(must) else None,
                times,
                bool(ends) and ends[-1].at > due[-1].at,
            )
        )
    wanted = {must.told for must in scenario.must}
    may = {each.told for each in scenario.may}
    may_be_told = wanted | {each.told for each in scenario.may if not each.muted}
    watchdog = Told(WATCHDOG.name, "info")
    fired = set(fired)
    heard = {a.told for a in begun}
    verdict.false_alarms += [(each, "told") for each in sorted(heard - may_be_told)]
    verdict.false_alarms += [(each, "fired") for each in sorted(fired - wanted - may - heard - {watchdog})]
    verdict.allowed = (heard | fired) & may
    if watchdog not in fired:
        verdict.broken.append(f"{WATCHDOG.name} did not fire")
    return verdict


def _opens(must: Must) -> bool:
    return must.told.name == "SeawallBreakerOpen"


def _first(noted: Sequence[Note], must: Must, since: float, what: tuple[str, ...]) -> float:
    """The first such note about the dependency; where there is none, the beginning of the cause."""
    mine = (n.at for n in noted if n.dependency == must.told.dependency and n.what in what and n.at >= since)
    return min(mine, default=since)
