"""Alerts on breakers that are kept in a state by someone's decision, and might be forgotten there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seawall.alerts.context import Context
from seawall.alerts.document import GuardPolicy
from seawall.alerts.fit_records import FitRecords
from seawall.alerts.model import Alert, Runbook
from seawall.alerts.scenes import GAUGE_MISHAPS, QUIET, TICKET, samples, scene
from seawall.alerts.text import Label, Meanwhile, Part, text
from seawall.telemetry import catalog
from seawall.telemetry.promql import Expr, Matcher, equal, max_by, over_time, quoted, regex_literal

KEEP = 120.0
HELD_FOR = 3600.0
DAY = 86400.0
TRIAL = 7 * DAY

_AN_HOUR = "An hour: longer than a maintenance, short enough not to be forgotten overnight."

FORCED = Runbook(
    name="SeawallBreakerForcedOpen",
    meaning="Someone forced the breaker open and it still is. It will not close by itself.",
    impact="The dependency is not used at all. Callers get the fallback's answer or an error.",
    diagnosis=("Logs `breaker.transition` to `forced_open` say when it was forced and from which request.",),
    mitigation=(
        "Reset the breaker when the reason is gone, or write down why it stays and silence this alert.",
    ),
    threshold=_AN_HOUR,
    policy="breaker",
)
DISABLED = Runbook(
    name="SeawallBreakerDisabled",
    meaning="Someone disabled the breaker and it still is.",
    impact="Nothing stops calls to the dependency when it fails: callers wait for their timeouts.",
    diagnosis=("Logs `breaker.transition` to `disabled` say when it was disabled.",),
    mitigation=("Enable the breaker again, or write down why it stays and silence this alert.",),
    threshold=f"{_AN_HOUR} Guards whose policy says `disabled` are left out: that was decided in the code.",
    policy="breaker",
)
METRICS_ONLY = Runbook(
    name="SeawallBreakerMetricsOnly",
    meaning="Someone set the breaker to `metrics_only` and it still is: it counts whom it would refuse, and "
    "refuses nobody.",
    impact="Nothing stops calls to the dependency when it fails: callers wait for their timeouts.",
    diagnosis=(
        "Logs `breaker.transition` to `metrics_only` say when it was set.",
        f"`{catalog.BREAKER_WOULD_REJECT.name}` on the dependency's dashboard: whom it would have refused.",
    ),
    mitigation=("Enable the breaker again, or write down why it stays and silence this alert.",),
    threshold=f"{_AN_HOUR} Guards whose policy says `metrics_only` are on trial, and have a week "
    "(SeawallBreakerTrialOver).",
    policy="breaker",
)
TRIAL_OVER = Runbook(
    name="SeawallBreakerTrialOver",
    meaning="The guard's policy says `metrics_only`, as for a first week in production, and the week is "
    "over.",
    impact="The breaker has not protected anybody yet: callers wait for their timeouts when the dependency "
    "fails.",
    diagnosis=(
        f"`{catalog.BREAKER_WOULD_REJECT.name}` on the dependency's dashboard: did it grow when the "
        "dependency was well? Then the threshold is too low. Did it stay when the dependency failed? Then it "
        "is too high.",
    ),
    mitigation=(
        "Set `mode` to `on`, with the thresholds that the trial has shown to be right.",
        "Is it to go on? Silence this alert for as long, with the reason.",
    ),
    threshold="A week on some replica, whatever replicas come and go: it has seen each day of the week.",
    policy="breaker",
)


def alerts(context: Context, fits: FitRecords) -> Iterator[Alert]:
    for runbook, state in ((FORCED, "forced_open"), (DISABLED, "disabled"), (METRICS_ONLY, "metrics_only")):
        declared = [guard for guard in context.document.guards if guard.begins == state]
        found = samples(context, "breaker", lambda guard, state=state: guard.begins != state)  # type: ignore[misc]  # one state at a time
        for criticality, guard in found:
            matchers = [equal("state", state)] + ([_named("!~", declared)] if declared else [])
            held = context.recorded(fits.held_states, *matchers)
            yield _kept(context, runbook, criticality, guard, held, state)
    on_trial = [guard for guard in context.document.guards if guard.begins == "metrics_only"]
    for criticality, guard in samples(context, "breaker", on_trial.__contains__):
        trial = context.recorded(fits.held_states, equal("state", "metrics_only"), _named("=~", on_trial))
        yield _trial(context, criticality, guard, trial)


def _named(operator: str, guards: Sequence[GuardPolicy]) -> Matcher:
    """Those guards, or all but those, with the members of those that are families."""
    names = (regex_literal(g.name) + ("/.*" if g.family else "") for g in guards)
    return Matcher("dependency", "=~" if operator == "=~" else "!~", quoted("|".join(names)))


def _kept(
    context: Context, runbook: Runbook, criticality: str, guard: GuardPolicy, held: Expr, state: str
) -> Alert:
    words = state.replace("_", " ")
    meanwhile: Part | str = "Meanwhile nothing stops calls to it when it fails: callers wait for timeouts."
    return Alert(
        runbook=runbook,
        expr=context.of_criticality(max_by(held, *context.by).binary("==", 1), criticality),
        severity=QUIET[criticality],
        summary=f"A breaker is {words} for more than an hour.",
        description=text(
            Label("dependency"),
            f": breaker {words} by hand for more than an hour. ",
            Meanwhile() if runbook is FORCED else meanwhile,
        ),
        hold=context.seconds(HELD_FOR),
        keep=context.seconds(KEEP),
        labels={"criticality": criticality},
        scenario=scene(
            context,
            guard,
            [context.gauge(guard, catalog.BREAKER_STATE, 0, 1, state=state)],
            value=1,
            hold=HELD_FOR,
            keep=KEEP,
            mishaps=GAUGE_MISHAPS,
        ),
    )


def _trial(context: Context, criticality: str, guard: GuardPolicy, trial: Expr) -> Alert:
    return Alert(
        runbook=TRIAL_OVER,
        expr=context.of_criticality(
            max_by(over_time("min", trial, context.window(DAY)), *context.by).binary("==", 1), criticality
        ),
        severity=TICKET[criticality],
        summary="A breaker has only counted for a week, and refuses nobody.",
        description=text(
            Label("dependency"),
            ": its policy says metrics_only, and it has been that for a week. Meanwhile nothing stops calls "
            "to it when it fails: callers wait for timeouts.",
        ),
        hold=context.seconds(TRIAL - DAY),
        labels={"criticality": criticality},
        scenario=scene(
            context,
            guard,
            [context.gauge(guard, catalog.BREAKER_STATE, 0, 1, state="metrics_only")],
            value=1,
            hold=TRIAL - DAY,
            over=DAY,
            mishaps=("target vanishes",),
            coarse=True,
        ),
    )
