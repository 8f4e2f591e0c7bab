"""Alerts on calls that do not come, although they came at this time yesterday."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from seawall.alerts.context import Context
from seawall.alerts.fit_records import ago, no_members
from seawall.alerts.model import Alert, Mishap, Runbook, Scenario, Signal
from seawall.alerts.options import BASE_WINDOW
from seawall.alerts.records import Records
from seawall.alerts.scenes import QUIET, samples, scene, sparsely
from seawall.alerts.text import Label, Value, text
from seawall.telemetry import catalog
from seawall.telemetry.promql import Expr, max_by, over_time, sum_by

HOLD = 600.0
DAY = 86400.0
WEEK = 7 * DAY
#: Around this time on another day: an hour for daylight saving, and a quarter for what ends late.
AROUND = 9000.0
#: So long after its last call a dependency was not just idle as it may be on a holiday.
LATELY = 6 * 3600.0
#: Calls in each shortest window yesterday. With so many expected, none at all is chance once in 22,000.
EXPECTED = 10

_THRESHOLD = (
    "No call within the shortest window (5 minutes), for 10 minutes, though yesterday there were at least "
    f"{EXPECTED} in each such window from 75 minutes before this time to 75 minutes after it, there was one "
    "within the last 6 hours, and a week ago, if that was recorded, there was no pause at this time either. "
    "So neither nights nor weekends, holidays, early Fridays or daylight saving raise it, nor what runs once "
    "a day, nor the first day of a service. By chance alone so long a pause comes once in a million million."
)
SILENT = Runbook(
    name="SeawallDependencySilent",
    meaning="Nobody calls the dependency any more, while the rest of the service has calls and yesterday "
    "there were many at this time.",
    impact="Nothing fails, and something is not done: a job that does not run, a path that is not taken, a "
    "feature that was switched off.",
    diagnosis=(
        "Calls by operation on the dependency's dashboard: when did they end, and was that a deployment?",
        "What calls it: a scheduler, a consumer of a queue, a feature flag?",
        "Do requests fail before they come so far? See the other dependencies of the service.",
    ),
    mitigation=(
        "Start again what has stopped, or roll back what took the calls away.",
        "Is it meant? Silence this alert for a day: tomorrow there is no yesterday with calls.",
    ),
    threshold=_THRESHOLD + " Members of keyed families are left out: a tenant may well be quiet.",
)
NO_CALLS = Runbook(
    name="SeawallServiceSilent",
    meaning="The service makes no calls to any dependency, while its exporters answer and yesterday there "
    "were many calls at this time.",
    impact="Most likely nobody reaches the service: what is in front of it sends its requests nowhere.",
    diagnosis=(
        "Does the service get requests? Look at the load balancer, DNS, certificates, the message broker.",
        "Did it start with a deployment, of the service or of what is in front of it?",
    ),
    mitigation=("Restore the way to the service.", "Is it meant? Silence this alert for a day."),
    threshold=_THRESHOLD,
)


def alerts(context: Context, records: Records) -> Iterator[Alert]:
    each = context.recorded(records.calls, *no_members(context))
    alive = sum_by(context.recorded(records.calls), *context.service).above(0)
    for criticality, guard in samples(context, fits=lambda guard: not guard.family):
        silent = _silent(context, each, context.by).where(alive, context.service)
        yield Alert(
            runbook=SILENT,
            expr=context.of_criticality(silent, criticality),
            severity=QUIET[criticality],
            summary="Nobody calls a dependency that has calls at this time.",
            description=text(
                Label("dependency"),
                ": no call since more than ",
                context.window(BASE_WINDOW + HOLD),
                ". Yesterday at this time there were at least ",
                Value("number"),
                " a second. Meanwhile the rest of ",
                Label("job"),
                " goes on.",
            ),
            hold=context.seconds(HOLD),
            labels={"criticality": criticality},
            scenario=_day(
                context,
                scene(
                    context,
                    guard,
                    [_calls(context, guard.name, 0), _calls(context, f"{guard.name} 2", _RATE)],
                    value=_RATE,
                    hold=HOLD,
                    over=AROUND,
                    # The same for all: what may happen to them is replayed on the first.
                    mishaps=_MISHAPS if criticality == context.document.criticalities[0] else (),
                ),
            ),
        )
    if context.document.guards:
        yield _no_calls(context, context.recorded(records.calls))


#: Calls a second in tests; a power of two, so that averages are exact.
_RATE = 8.0
_MISHAPS: tuple[Mishap, ...] = ("counter reset", "missed scrape", "target vanishes")


def _silent(context: Context, calls: Expr, by: tuple[str, ...]) -> Expr:
    """Calls a second yesterday, where there are none now and were some today.

    Of several dependencies the sum of their least is less than the least of their sum: it says no more.
    """
    around, expected = context.window(AROUND), EXPECTED / context.seconds(BASE_WINDOW)
    yesterday = sum_by(ago("min", calls, around, context.window(DAY - AROUND / 2)), *by).above(expected)
    paused = sum_by(ago("min", calls, around, context.window(WEEK - AROUND / 2)), *by).binary("==", 0)
    lately = max_by(over_time("max", calls, context.window(LATELY)), *by).above(0)
    return yesterday.where(sum_by(calls, *by).binary("==", 0), by).where(lately, by).unless(paused, by)


def _no_calls(context: Context, calls: Expr) -> Alert:
    return Alert(
        runbook=NO_CALLS,
        expr=_silent(context, calls, context.service),
        severity="critical" if "critical" in context.document.criticalities else "warning",
        summary="A service makes no calls at all, at a time when it makes many.",
        description=text(
            Label("job"),
            ": no call to any dependency since more than ",
            context.window(BASE_WINDOW + HOLD),
            ". Yesterday at this time there were at least ",
            Value("number"),
            " a second. Meanwhile its exporters answer: it runs, and has nothing to do.",
        ),
        hold=context.seconds(HOLD),
        scenario=_day(
            context,
            scene(
                context,
                None,
                [_calls(context, context.document.guards[0].name, 0)],
                value=_RATE,
                hold=HOLD,
                over=AROUND,
                mishaps=_MISHAPS,
            ),
        ),
    )


def _calls(context: Context, dependency: str, firing: float) -> Signal:
    labels = {
        **context.own,
        "instance": "replica-1:9464",
        "dependency": dependency,
        "operation": "default",
        "outcome": "success",
    }
    return Signal(catalog.CALLS.name, labels, "counter", _RATE, firing)


def _day(context: Context, scenario: Scenario) -> Scenario:
    """After a day with calls, a pause that is long enough."""
    window = context.seconds(BASE_WINDOW)
    pause = replace(
        scenario,
        lead=context.seconds(DAY + AROUND),
        bad=window + context.seconds(HOLD) + 2 * scenario.step,
        tail=window + 3 * scenario.step,
    )
    return sparsely(context, pause)
