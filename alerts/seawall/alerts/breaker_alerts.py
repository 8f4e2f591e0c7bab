"""Alerts on the breaker's state. It is recorded in their own group: nobody waits for an evaluation more."""

from __future__ import annotations

from collections.abc import Iterator

from seawall.alerts.context import Context
from seawall.alerts.document import GuardPolicy
from seawall.alerts.fit_records import FitRecords
from seawall.alerts.model import Alert, Mishap, Recording, Runbook, Severity, Signal, recording
from seawall.alerts.records import Records
from seawall.alerts.scenes import GAUGE_MISHAPS, QUIET, samples, scene
from seawall.alerts.text import Label, Meanwhile, Setting, Value, text
from seawall.telemetry import catalog
from seawall.telemetry.promql import Expr, equal, one_of, sum_by

#: An alert goes on this long after its breaker closed: closing and opening again is one notification.
KEEP = 120.0
#: From this share of replicas on, a breaker that is open concerns the service, not one replica.
MOST = 0.5
FLAPS = 3

OPEN = Runbook(
    name="SeawallBreakerOpen",
    meaning="The breaker stopped sending calls to the dependency, because the share of calls that "
    "failed (or were "
    "slow) in its window reached the policy's ratio. After its open time it lets a few probes through; "
    "if they "
    "succeed it closes by itself.",
    impact="Calls to the dependency are not made. Callers get the fallback's answer, marked degraded, "
    "where the guard "
    "has a fallback, and an error at once where it has none. Other dependencies are not affected.",
    diagnosis=(
        "Open the dashboard of the dependency: errors by type tell a refused connection from a timeout.",
        "`/api/health/dependencies` of the exporter says why the breaker opened: the errors in its "
        "window, by type.",
        "Is it one replica or all? One replica points to its network or host; all point to the dependency.",
        "Follow one failed call by its correlation id: logs `breaker.transition` and `call.failed`, "
        "span `seawall.call`.",
    ),
    mitigation=(
        "Restore the dependency, or fail over to another one. The breaker closes by itself after its "
        "next probes.",
        "Was it opened by a false alarm? Look at the threshold against the traffic: a small window "
        "opens on noise.",
        "Tell users of the degraded feature if the outage lasts longer than the stale values may be old.",
    ),
    threshold="No waiting time: the breaker itself already waited for its minimum of calls and its "
    "failure ratio. Open "
    "and half-open count alike, since a half-open breaker has not recovered. Critical from half of the "
    "replicas on.",
    policy="breaker",
)
FLAPPING = Runbook(
    name="SeawallBreakerFlapping",
    meaning="The breaker closes after its probes succeed, and opens again soon after, again and again.",
    impact="Callers alternate between real and degraded answers. Retries and probes keep loading a "
    "dependency that "
    "is about to recover, or that is only partly broken.",
    diagnosis=(
        "Compare the failure ratio in the window with the policy's ratio: just around it means a "
        "partial failure.",
        "Does it fail under load only? Then the probes succeed and the traffic that follows does not.",
        "Are some backends behind one address broken? The share of failures is then about their share.",
    ),
    mitigation=(
        "Take the broken part of the dependency out of rotation.",
        "Reduce load: a rate limit or a smaller bulkhead on the guard.",
        "Longer open time, or more half-open permits, so that a recovery is proved before traffic returns.",
    ),
    threshold=f"{FLAPS} changes from closed to open within the window, which is 30 minutes or ten open "
    f"times, whichever "
    "is longer. A dependency that stays down does not count: its breaker goes from half-open to open.",
    policy="breaker",
)
STUCK = Runbook(
    name="SeawallBreakerHalfOpenStuck",
    meaning="The breaker is half-open for much longer than probes may take, although calls arrive.",
    impact="Only the permitted probes reach the dependency, all other calls are rejected: the "
    "dependency may be well "
    "and is not used.",
    diagnosis=(
        "Do probes hang? Look at calls in flight and at the attempt timeout: without one a probe may "
        "never end.",
        "Are all probes ignored (exceptions that the policy ignores) or cancelled? They decide nothing.",
    ),
    mitigation=("Set an attempt timeout on the guard.", "Restart the replica if its probes are lost."),
    threshold="Half-open without a pause for a window of 5 minutes and then for 5 minutes or twice the "
    "policy's "
    "longest half-open wait.",
    policy="breaker",
)


def alerts(context: Context, records: Records, fits: FitRecords) -> Iterator[Alert]:
    for criticality, _ in samples(context, "breaker"):
        yield from _open(context, criticality)
        yield _flapping(context, fits, criticality)
        yield _stuck(context, records, fits, criticality)


def _replicas(context: Context, guard: GuardPolicy, near: int, firing: int) -> list[Signal]:
    """The breakers of three replicas: so many are open when firing, and just below the threshold."""
    return [
        context.gauge(
            guard,
            catalog.BREAKER_STATE,
            float(state == "closed"),
            float((n < firing) == (state == "open")),
            float((n < near) == (state == "open")),
            state=state,
            instance=f"replica-{n + 1}:9464",
        )
        for n in range(3)
        for state in ("closed", "open")
    ]


def _open(context: Context, criticality: str) -> Iterator[Alert]:
    guard = next(g for c, g in samples(context, "breaker") if c == criticality)
    states = recording(context.kept.states)
    opened = _opened(context, states)
    share = context.of_criticality(context.recorded(opened), criticality)
    # The louder first: the other asks whether it fires.
    rules: list[tuple[Severity, Expr]] = [("critical", share.binary(">=", MOST))]
    if criticality != "critical":
        rules = []
    rules.append((QUIET[criticality], share.above(0)))
    for severity, expr in rules:
        alone = criticality == "critical" and severity != "critical"
        yield Alert(
            runbook=OPEN,
            expr=expr,
            severity=severity,
            summary="A circuit breaker is open: calls to a dependency are not made.",
            description=text(
                Label("dependency"),
                ": breaker open on ",
                Value("percent"),
                " of the replicas of ",
                Label("job"),
                ". It opens at ",
                Setting("breaker", "failure_ratio", "percent"),
                " failed calls and asks again every ",
                Setting("breaker", "open_for", "seconds"),
                ". ",
                Meanwhile(),
            ),
            keep=context.seconds(KEEP),
            asks=(states, opened),
            labels={"criticality": criticality},
            scenario=scene(
                context,
                guard,
                # One of three is less than half.
                _replicas(context, guard, near=1 if severity == "critical" else 0, firing=1 if alone else 3),
                value=1 / 3 if alone else 1,
                keep=KEEP,
                mishaps=GAUGE_MISHAPS,
                numbers=(("breaker", "failure_ratio"), ("breaker", "open_for")),
            ),
        )


def _opened(context: Context, states: Recording) -> Recording:
    """Share of the replicas whose breaker is open or half-open."""
    found = context.recorded(states, one_of("state", ("open", "half_open")))
    share = sum_by(found, *context.by) / sum_by(context.recorded(states), *context.by)
    return Recording(f"{context.level()}:seawall_breaker_open:ratio", share)


def _flapping(context: Context, fits: FitRecords, criticality: str) -> Alert:
    guard = next(g for c, g in samples(context, "breaker") if c == criticality)
    over, opened = fits.flaps_over, context.recorded(fits.openings)
    # One opening every tenth of the window: the increase over it is exactly ten.
    signal = context.counter(
        guard,
        catalog.BREAKER_TRANSITIONS,
        0,
        10 / context.seconds(over),
        1.5 / context.seconds(over),
        from_state="closed",
        to_state="open",
    )
    mishaps: tuple[Mishap, ...] = ("counter reset", "missed scrape", "target vanishes")
    return Alert(
        runbook=FLAPPING,
        expr=context.of_criticality(opened, criticality).binary(">=", FLAPS),
        severity=QUIET[criticality],
        summary="A circuit breaker opens, closes and opens again.",
        description=text(
            Label("dependency"),
            ": breaker opened ",
            Value("count"),
            f" times from closed within {context.window(over)}; from {FLAPS} on it flaps. ",
            Meanwhile(),
        ),
        keep=context.seconds(KEEP),
        labels={"criticality": criticality},
        scenario=scene(
            context, guard, [signal], value=10, keep=KEEP, over=over, mishaps=mishaps, coarse=True
        ),
    )


def _stuck(context: Context, records: Records, fits: FitRecords, criticality: str) -> Alert:
    guard = next(g for c, g in samples(context, "breaker") if c == criticality)
    waits = [g.number("breaker", "half_open_max_wait") or 0.0 for g in context.document.having("breaker")]
    hold = max(300.0, 2 * max(waits) / context.options.time_factor)
    held = sum_by(context.recorded(fits.held_states, equal("state", "half_open")), *context.by)
    wanted = context.recorded(records.calls).above(0)
    operation = guard.operations[0]
    return Alert(
        runbook=STUCK,
        expr=context.of_criticality(held.binary("==", 1).where(wanted, context.by), criticality),
        severity=QUIET[criticality],
        summary="A circuit breaker stays half-open and does not decide.",
        description=text(
            Label("dependency"),
            ": half-open for too long, with ",
            Setting("breaker", "half_open_permits", "number"),
            " probes allowed. ",
            Meanwhile(),
        ),
        hold=context.seconds(hold),
        keep=context.seconds(KEEP),
        labels={"criticality": criticality},
        scenario=scene(
            context,
            guard,
            [
                context.gauge(guard, catalog.BREAKER_STATE, 0, 1, state="half_open"),
                context.counter(guard, catalog.CALLS, 2, 2, operation=operation, outcome="success"),
            ],
            value=1,
            hold=hold,
            keep=KEEP,
            mishaps=GAUGE_MISHAPS,
            numbers=(("breaker", "half_open_permits"),),
        ),
    )
