"""Alerts on guards that are asked too much: full bulkheads, rate limits, fallbacks that fail."""

from __future__ import annotations

from collections.abc import Iterator

from seawall.alerts.context import Context
from seawall.alerts.model import Alert, Recording, Runbook
from seawall.alerts.records import LEAST_EVENTS, Records
from seawall.alerts.scenes import GAUGE_MISHAPS, QUIET, calls, samples, scene
from seawall.alerts.text import Label, Meanwhile, Setting, Value, text
from seawall.telemetry import catalog
from seawall.telemetry.promql import equal, max_by, over_time

HOLD = 120.0
#: What keeps single events of quiet hours from being a share of something.
AT_LEAST = f"and at least {LEAST_EVENTS} within the window of 5 minutes"
SHED = 0.01
FULL = 0.9
FALLBACK_FAILED = 0.05

SATURATED = Runbook(
    name="SeawallBulkheadSaturated",
    meaning="Nearly all places of the bulkhead are taken all the time.",
    impact="New calls wait in the queue, where there is one, or are rejected.",
    diagnosis=(
        "Calls in flight against the limit, per replica.",
        "Slower dependency or more traffic? Compare durations.",
    ),
    mitigation=(
        "Restore the dependency's latency.",
        "More replicas, or a higher limit if the dependency can bear it.",
    ),
    threshold=f"Average of calls in flight above {FULL:.0%} of the limit on one replica, for 2 minutes.",
    policy="bulkhead",
)
REJECTING = Runbook(
    name="SeawallBulkheadRejecting",
    meaning="The bulkhead is full and rejects calls.",
    impact="Those callers get the fallback's answer or an error at once; the rest of the service keeps "
    "its threads.",
    diagnosis=("Calls in flight, queue and waits on the dependency's dashboard.", "One replica or all?"),
    mitigation=(
        "Restore the dependency's latency.",
        "More replicas, or a higher limit if the dependency can bear it.",
    ),
    threshold=f"More than {SHED:.0%} of calls rejected, for 2 minutes, {AT_LEAST}.",
    policy="bulkhead",
)
LIMITED = Runbook(
    name="SeawallRateLimited",
    meaning="More calls are made than the guard's rate limit lets through.",
    impact="Those callers get the fallback's answer or an error at once. The dependency sees the agreed "
    "rate.",
    diagnosis=(
        "Which operation asks more? Calls by operation on the dashboard.",
        "Is it a loop or a batch job?",
    ),
    mitigation=(
        "Stop or spread what asks too much.",
        "Raise the limit only within what the dependency agreed to.",
    ),
    threshold=f"More than {SHED:.0%} of calls rejected, for 2 minutes, {AT_LEAST}.",
    policy="rate_limit",
)
FALLBACK = Runbook(
    name="SeawallFallbackFailing",
    meaning="A fallback was needed and could not answer.",
    impact="The dependency fails and this way of standing in for it fails too: the next mode answers, "
    "or the caller "
    "gets an error.",
    diagnosis=(
        "Degradations by mode and outcome on the dashboard.",
        "`stale`: values too old or never seen. `alternative`, `queued`: what it depends on is in "
        "trouble as well.",
    ),
    mitigation=(
        "Restore the dependency.",
        "Repair the fallback: a queue that can't store, an alternative that is down.",
    ),
    threshold=f"More than {FALLBACK_FAILED:.0%} of the tries of one mode fail, which are more than "
    f"{SHED:.0%} of all calls, for 2 minutes, {AT_LEAST}. Fewer are failures, which have their budget.",
    policy="fallback",
)


def alerts(context: Context, records: Records) -> Iterator[Alert]:
    yield from _bulkhead(context, records)
    for criticality, _ in samples(context, "rate_limit"):
        yield _shed(
            context,
            records,
            criticality,
            LIMITED,
            "rate_limit",
            "exceeded",
            "A rate limit rejects calls.",
            ("rate", " calls per second"),
        )
    yield from _fallback(context, records)


def _bulkhead(context: Context, records: Records) -> Iterator[Alert]:
    taken = _taken(context)
    for criticality, guard in samples(context, "bulkhead"):
        limit = guard.number("bulkhead", "limit") or 1.0
        yield Alert(
            runbook=SATURATED,
            expr=context.of_criticality(context.recorded(taken).above(FULL), criticality),
            asks=(taken,),
            severity=QUIET[criticality],
            summary="A bulkhead has nearly no free place.",
            description=text(
                Label("dependency"),
                ": ",
                Value("percent"),
                " of ",
                Setting("bulkhead", "limit", "number"),
                " places taken on the busiest replica. Meanwhile new calls queue or are rejected.",
            ),
            hold=context.seconds(HOLD),
            labels={"criticality": criticality},
            scenario=scene(
                context,
                guard,
                [context.gauge(guard, catalog.BULKHEAD_IN_FLIGHT, 0, limit, limit * FULL * 0.9)],
                value=1,
                hold=HOLD,
                numbers=(("bulkhead", "limit"),),
                mishaps=GAUGE_MISHAPS,
            ),
        )
        yield _shed(
            context,
            records,
            criticality,
            REJECTING,
            "bulkhead",
            "full",
            "A full bulkhead rejects calls.",
            ("limit", " places"),
        )


def _taken(context: Context) -> Recording:
    """Share of the places that are taken on average, on the busiest replica."""
    each = (*context.by, "instance")
    inside = over_time("avg", context.scope.select(catalog.BULKHEAD_IN_FLIGHT), context.window())
    limits = context.scope.select(
        catalog.POLICY_SETTING, equal("policy", "bulkhead"), equal("setting", "limit")
    )
    share = max_by(inside, *each) / max_by(over_time("last", limits, context.window()), *each)
    return Recording(
        f"{context.level()}:seawall_bulkhead_taken:max_ratio{context.window()}", max_by(share, *context.by)
    )


def _shed(
    context: Context,
    records: Records,
    criticality: str,
    runbook: Runbook,
    policy: str,
    reason: str,
    summary: str,
    setting: tuple[str, str],
) -> Alert:
    guard = next(g for c, g in samples(context, policy) if c == criticality)
    name, unit = setting
    return Alert(
        runbook=runbook,
        expr=context.of_criticality(
            records.noticeable(records.rejections_ratio(policy), records.calls, SHED), criticality
        ),
        severity=QUIET[criticality],
        summary=summary,
        description=text(
            Label("dependency"),
            ": ",
            Value("percent"),
            " of calls rejected; the policy allows ",
            Setting(policy, name, "number"),
            unit,
            ". ",
            Meanwhile(),
        ),
        hold=context.seconds(HOLD),
        labels={"criticality": criticality},
        scenario=scene(
            context,
            guard,
            [
                *calls(context, guard, 10),
                context.counter(
                    guard, catalog.REJECTIONS, 0, 2, 0.9 * SHED * 10, policy=policy, reason=reason
                ),
            ],
            value=0.2,
            hold=HOLD,
            few=True,
            numbers=((policy, name),),
        ),
    )


def _fallback(context: Context, records: Records) -> Iterator[Alert]:
    for criticality, guard in samples(context, "fallback"):
        if not guard.modes:
            continue
        mode, operation = guard.modes[0], guard.operations[0]
        failing = records.noticeable(records.fallback_failures_ratio, records.fallback_tries, FALLBACK_FAILED)
        failed = context.recorded(records.fallback_failures_ratio) * context.recorded(records.fallback_tries)
        # Of all calls, too: among the few failures of a healthy dependency are questions never asked before.
        much = failed.joined("/", context.recorded(records.calls), on=context.by).above(SHED)
        labels = {"operation": operation, "mode": mode}
        yield Alert(
            runbook=FALLBACK,
            expr=context.of_criticality(failing.where(much, (*context.by, "mode")), criticality),
            severity=QUIET[criticality],
            summary="A fallback fails.",
            description=text(
                Label("dependency"),
                ": ",
                Value("percent"),
                " of the tries of its fallback ",
                Label("mode"),
                " failed. The dependency fails and so does what stands in for it. Meanwhile the next "
                "mode of the "
                "fallback answers, or callers get an error.",
            ),
            hold=context.seconds(HOLD),
            labels={"criticality": criticality},
            scenario=scene(
                context,
                guard,
                [
                    *calls(context, guard, 10),
                    context.counter(guard, catalog.DEGRADATIONS, 10, 5, 9.6, **labels, outcome="served"),
                    context.counter(guard, catalog.DEGRADATIONS, 0, 5, 0.4, **labels, outcome="failed"),
                ],
                value=0.5,
                hold=HOLD,
                few=True,
                labels={"mode": mode},
            ),
        )
