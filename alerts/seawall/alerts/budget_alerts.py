"""Budgets: how fast the failures (or degraded answers) that an objective allows are being used up.

Multi-window, multi-burn-rate alerts as in the SRE workbook ("Alerting on SLOs"): the long window says that it
matters, the short one that it still goes on. Failure and degradation have their own objectives and alerts: a
fallback that works must not hide an outage, nor count as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from seawall.alerts.context import Context
from seawall.alerts.document import GuardPolicy
from seawall.alerts.model import Alert, Recording, Runbook, Scenario, Severity, Signal
from seawall.alerts.options import BASE_WINDOW
from seawall.alerts.records import BURNS, LEAST_EVENTS, Records
from seawall.alerts.scenes import COUNTER_MISHAPS, LOUD, LOUDER, QUIET, calls
from seawall.alerts.scenes import scene as make_scene
from seawall.alerts.text import Label, Meanwhile, Setting, Value, text
from seawall.telemetry.promql import Expr, raw

#: From this factor on the budget of a month is gone within days: somebody is told now.
PAGE_FROM = 6.0

FAILURES = Runbook(
    name="SeawallFailureBudgetBurn",
    meaning="Calls to the dependency fail for the caller (failure, timeout or rejected, with no "
    "fallback's answer) "
    "faster than the objective of the guard allows.",
    impact="Callers of this dependency get errors. At a burn rate of 14.4 a month's budget lasts two days.",
    diagnosis=(
        "Dashboard of the dependency: which outcome grows? `rejected` is our own breaker, bulkhead or limit; "
        "`timeout` and `failure` are the dependency.",
        "Did it start with a deployment, here or there?",
        "Follow an exemplar of the failing bucket to its trace.",
    ),
    mitigation=(
        "Restore the dependency or roll back what changed.",
        "No fallback? A stale or default answer would turn failures into degraded answers.",
    ),
    threshold="Share of failed calls above burn rate x (1 - objective), over the long and the short "
    "window, with "
    f"at least {LEAST_EVENTS} failed calls in the long one.",
    policy="objectives",
)
DEGRADED = Runbook(
    name="SeawallDegradedBudgetBurn",
    meaning="Callers get degraded answers from the guard's fallback more often than its objective allows.",
    impact="Nothing fails, but answers are stale, defaults or queued for later. Users see old or "
    "partial data.",
    diagnosis=(
        "Degradations by mode on the dependency's dashboard; stale age says how old the answers are.",
        "What makes the calls fail underneath? See errors by type and the breaker's state.",
    ),
    mitigation=(
        "Restore the dependency: degraded answers end by themselves.",
        "Mind the greatest age of stale values: after it, degraded turns into failed.",
    ),
    threshold="Share of degraded answers above burn rate x (1 - objective), over the long and the short "
    "window, with "
    f"at least {LEAST_EVENTS} of them in the long one.",
    policy="objectives",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One budget: its records' name, its objective, the outcome that uses it up."""

    records: str
    objective: str
    outcome: str
    runbook: Runbook
    summary: str
    what: str
    events: Recording


@dataclass(frozen=True, slots=True)
class Burn:
    """A pair of windows (unscaled seconds) and the burn rate above which it fires."""

    long: float
    short: float
    factor: float


FASTEST = Burn(*BURNS[0])


def alerts(context: Context, records: Records, objective: str) -> Iterator[Alert]:
    """``objective``: ``success`` for failures, ``undegraded`` for degraded answers."""
    kinds = (
        Kind(
            "failures",
            "success",
            "failure",
            FAILURES,
            "Calls fail faster than the objective allows.",
            "failed",
            records.failures,
        ),
        Kind(
            "degraded",
            "undegraded",
            "degraded",
            DEGRADED,
            "Answers are degraded more often than the objective allows.",
            "degraded",
            records.degraded,
        ),
    )
    for kind in kinds:
        if kind.objective != objective:
            continue
        for criticality in context.document.criticalities:
            guards = [
                g
                for g in context.document.guards
                if g.criticality == criticality and kind.objective in g.objectives
            ]
            if guards:
                strictest = max(guards, key=lambda g: g.objectives[kind.objective])
                for long, short, factor in BURNS:
                    if factor * (1 - strictest.objectives[kind.objective]) < 0.9:
                        yield _burn(context, records, kind, strictest, Burn(long, short, factor))


def _burn(context: Context, records: Records, kind: Kind, guard: GuardPolicy, burn: Burn) -> Alert:
    budget = raw(f"1 - {context.setting('objectives', kind.objective)}", context.by)

    def above(window: float) -> Expr:
        share = context.recorded(records.burn_ratio(kind.records, window))
        return share.above(budget * burn.factor)

    enough = records.over(kind.events, burn.long).above(LEAST_EVENTS / context.seconds(burn.long))
    expr = above(burn.long).where(above(burn.short), context.by).where(enough, context.by)
    severity = _severity(kind, burn, guard.criticality)
    limit = burn.factor * (1 - guard.objectives[kind.objective])
    # Where a louder one would fire on more, just so much that it does not.
    alone = any(_severity(kind, Burn(*each), guard.criticality) in LOUDER[severity] for each in BURNS)
    share = 1.5 * limit if alone else 1.0
    signals = [
        _three(signal, near)
        for signal, near in zip(
            calls(context, guard, 100, **{kind.outcome: share}),
            calls(context, guard, 100, **{kind.outcome: 0.9 * limit}),
            strict=True,
        )
    ]
    long, short = context.window(burn.long), context.window(burn.short)
    times = "" if burn.factor == 1 else f"{burn.factor:g} times "
    scene = make_scene(
        context,
        guard,
        signals,
        value=share,
        over=burn.short,
        numbers=(("objectives", kind.objective),),
        # The same records feed all windows: what may happen to them is replayed on the shortest.
        mishaps=COUNTER_MISHAPS if burn == FASTEST else (),
    )
    return Alert(
        runbook=kind.runbook,
        expr=context.of_criticality(expr, guard.criticality),
        severity=severity,
        summary=kind.summary,
        description=text(
            Label("dependency"),
            ": ",
            Value("percent"),
            f" of calls {kind.what} within {long}, more than {times}what the objective of ",
            Setting("objectives", kind.objective, "percent"),
            f" allows, and it goes on (last {short}). ",
            Meanwhile(),
        ),
        labels={"criticality": guard.criticality, "long_window": long, "short_window": short},
        scenario=replace(
            _from_the_start(context, scene),
            fires_from=burn.factor,
            bad_as=burn.factor if alone else inf,
        ),
        follows_open=kind.outcome == "degraded",
        looks_back=burn.short,
    )


def _severity(kind: Kind, burn: Burn, criticality: str) -> Severity:
    """Failures page; degradation never does: at most it is a warning."""
    if kind.outcome == "failure":
        return LOUD[criticality] if burn.factor >= PAGE_FROM else QUIET[criticality]
    return QUIET[criticality] if burn.factor >= PAGE_FROM else "info"


def _three(firing: Signal, near: Signal) -> Signal:
    """One signal that is quiet, just below the limit, or firing."""
    return replace(firing, near=near.firing)


def _from_the_start(context: Context, scene: Scenario) -> Scenario:
    """Bad from the first sample on, so that the average over the long window is known exactly."""
    return replace(scene, lead=0.0, bad=2 * context.seconds(BASE_WINDOW))
