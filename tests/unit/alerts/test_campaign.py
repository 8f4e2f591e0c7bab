"""What `make campaign-alerts` declares, and how it judges."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import pairwise

import pytest
from tests.campaigns.told import pace, past
from tests.campaigns.told.guards import POLICIES, registry_of
from tests.campaigns.told.model import May, Must, Scenario, Told
from tests.campaigns.told.scenarios import NEVER, SCENARIOS
from tests.campaigns.told.verdict import Arrived, Note, Verdict, judge

import seawall.alerts
from seawall.alerts import build
from seawall.alerts.context import Context
from seawall.alerts.document import parse
from seawall.alerts.model import Alert, Runbook
from seawall.alerts.rulefiles import groups
from seawall.resilience import Breaker, Objectives, Retry, RetryBudget

OPEN = Told("SeawallBreakerOpen", "critical", "bank")
SLOW = Told("SeawallDependencySlow", "warning", "bank")
WATCHDOG = Told("SeawallWatchdog", "info")


def catalogue() -> set[str]:
    """The name of every alert that there is, with or without a policy that wants it."""
    modules = [
        importlib.import_module(m.name)
        for m in pkgutil.walk_packages(seawall.alerts.__path__, "seawall.alerts.")
    ]
    return {each.name for module in modules for each in vars(module).values() if isinstance(each, Runbook)}


def possible(scenario: Scenario) -> Iterator[Told]:
    """Whatever the scenario's own bundles could tell."""
    for guards in scenario.guards:
        registry, members = registry_of(scenario.name, guards)
        options = pace.options(("a:1",), "a:2", "http://a")
        rules = [
            rule for group in groups(Context(options, parse(registry.describe()))) for rule in group.rules
        ]
        for alert in (rule for rule in rules if isinstance(rule, Alert)):
            for name in ["", *members, *(f"{name}/other" for name in members)]:
                yield Told(alert.name, alert.severity, name)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_only_alerts_that_exist_are_declared(scenario: Scenario) -> None:
    declared = {must.told for must in scenario.must} | {may.told for may in scenario.may}
    assert declared - set(possible(scenario)) == set()
    assert len(declared) == len(scenario.must) + len(scenario.may)
    assert all(may.why for may in scenario.may)
    assert all(each.begin < each.end < scenario.minutes for each in (*scenario.troubles, *scenario.gaps))
    assert all(deed.minute < scenario.minutes for deed in scenario.deeds)


def test_every_alert_is_expected_somewhere_or_it_is_said_why_not() -> None:
    expected = {must.told.name for scenario in SCENARIOS.values() for must in scenario.must}
    # Without the watchdog no scenario counts.
    assert expected | NEVER.keys() | {WATCHDOG.name} == catalogue()
    assert expected & NEVER.keys() == set()


def test_every_number_of_a_policy_is_known_for_a_time_or_for_none() -> None:
    known = (pace.SECONDS, pace.PER_SECOND, pace.TIMELESS)
    assert sum(map(len, known)) == len(frozenset().union(*known))
    numbers = {
        field.name
        for policy in (*POLICIES, RetryBudget, Objectives)
        for field in fields(policy)
        if "int" in str(field.type) or "float" in str(field.type)
    }
    assert numbers - frozenset().union(*known) == set()


def test_policies_are_shortened() -> None:
    breaker = pace.shortened(Breaker(open_for=60.0, minimum_calls=7, slow_after=3.0))
    assert (breaker.open_for, breaker.minimum_calls, breaker.slow_after) == (2.0, 7, 0.1)
    assert breaker.window_seconds is None
    retry = pace.shortened(Retry(budget=RetryBudget(ratio=0.3, floor_per_second=0.5)))
    assert retry.budget == RetryBudget(ratio=0.3, floor_per_second=15.0, ttl=10.0 / 30)


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.past])
def test_what_is_told_of_the_day_before_is_what_rules_ask_for(name: str) -> None:
    scenario = SCENARIOS[name]
    written = list(past.lines(scenario, epoch=1e9))
    recorded = {line.split()[2] for line in written if line.startswith("#")}
    samples = [line for line in written if not line.startswith("#")]
    assert len(recorded) == len(scenario.past)
    registry, _ = registry_of(name, scenario.guards[0])
    bundle = build(registry.describe(), pace.options(("a:1",), "a:2", "http://a"))
    asked = "".join(text for path, text in bundle.items() if path.startswith("prometheus/rules/"))
    assert [each for each in recorded if f"{each}{{" not in asked] == []
    # A day and an hour and a half ago, and a minute ago; at most a window apart.
    times = sorted(float(line.split()[-1]) for line in samples)
    assert times[0] < 1e9 - pace.real(25.5 * 3600)
    assert times[-1] > 1e9 - pace.real(300)
    assert max(later - former for former, later in pairwise(times)) < pace.real(300)


def verdict(
    *came: tuple[float, Told], fired: tuple[Told, ...] = (), watched: bool = True, **changes: object
) -> Verdict:
    """Of a scenario that wants to be told of OPEN from minute 10 on, with a minute of two seconds."""
    own = replace(SCENARIOS["healthy"], must=(Must(OPEN, 10),), **changes)
    notes = [Note(1020.5, "failed", "bank"), Note(1021.0, "closed>open", "bank"), Note(1020.1, "failed", "x")]
    told = [Arrived(at, each, firing=True) for at, each in came]
    return judge(own, 1000.0, 2.0, notes, told, {*fired, *([WATCHDOG] if watched else [])})


def test_a_hit_is_timed_from_the_first_bad_call_and_from_the_opening() -> None:
    found = verdict((1022.0, OPEN), (1040.0, OPEN), fired=(OPEN,))
    assert found.clean
    (hit,) = found.hits
    assert (hit.after, hit.after_opening, hit.times, hit.ended) == (1.5, 1.0, 2, False)


def test_the_end_is_told_when_it_is_the_last_that_is_told() -> None:
    came = [Arrived(1022.0, OPEN, firing=True), Arrived(1030.0, OPEN, firing=False)]
    own = replace(SCENARIOS["healthy"], must=(Must(OPEN, 10),))
    assert judge(own, 1000.0, 2.0, [], came, {WATCHDOG}).hits[0].ended


def test_what_does_not_come_is_missed() -> None:
    assert [must.told for must in verdict().misses] == [OPEN]
    assert not verdict(fired=(OPEN,)).clean


def test_too_early_is_a_false_alarm_and_no_hit() -> None:
    found = verdict((1015.0, OPEN))
    assert found.false_alarms == [(OPEN, "5.0 s before its cause")]
    assert len(found.misses) == 1


def test_nobody_asked_for_it() -> None:
    found = verdict((1022.0, OPEN), (1023.0, SLOW))
    assert found.false_alarms == [(SLOW, "told")]
    assert verdict((1022.0, OPEN), fired=(SLOW,)).false_alarms == [(SLOW, "fired")]
    # Before minute 0 Prometheus has not found its targets yet.
    assert verdict((999.0, SLOW), (1022.0, OPEN)).clean


def test_what_may_come_and_what_may_only_fire() -> None:
    loud = verdict((1022.0, OPEN), (1023.0, SLOW), may=(May(SLOW, "reason"),))
    assert loud.clean
    assert loud.allowed == {SLOW}
    muted = (May(SLOW, "reason", muted=True),)
    assert verdict((1022.0, OPEN), fired=(SLOW,), may=muted).clean
    assert verdict((1022.0, OPEN), (1023.0, SLOW), may=muted).false_alarms == [(SLOW, "told")]


def test_once_is_once_and_a_scenario_without_a_watchdog_says_nothing() -> None:
    own = replace(SCENARIOS["healthy"], must=(Must(OPEN, 10, once=True),))
    came = [Arrived(at, OPEN, firing=True) for at in (1022.0, 1022.0, 1030.0)]
    assert judge(own, 1000.0, 2.0, [], came, {WATCHDOG}).false_alarms == [(OPEN, "told 2 times")]
    assert verdict((1022.0, OPEN), watched=False).broken == ["SeawallWatchdog did not fire"]
