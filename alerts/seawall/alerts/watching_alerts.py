"""Alerts on the watching itself: exporters gone, telemetry lost, policies that drifted, a watchdog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from seawall.alerts.absence import none_up
from seawall.alerts.context import Context
from seawall.alerts.model import Alert, Mishap, Runbook, Signal
from seawall.alerts.scenes import scene
from seawall.alerts.text import Label, Text, Value, text
from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.promql import (
    Expr,
    call,
    count_by,
    increase,
    max_by,
    none_of,
    raw,
    sum_by,
    unequal,
)

#: What Prometheus writes about every target it scrapes.
UP = Series(name="up", type="gauge", help="Whether the last scrape succeeded.", labels=())
DOWN_FOR = 60.0
LOST_WITHIN = 900.0
#: So long a deployment may run with two sets of policies.
DEPLOYMENT = 900.0
#: Ingestion is alive when the newest sample is younger than so many scrape intervals.
FRESH_SCRAPES = 4

DOWN = Runbook(
    name="SeawallExporterDown",
    meaning="Prometheus can't scrape one exporter of the service.",
    impact="This replica is not watched: its breakers may open unseen. The service itself need not be "
    "affected.",
    diagnosis=(
        "Status, Targets in Prometheus names the error of the scrape.",
        "`/api/health/live` on the exporter's port: does it answer at all?",
    ),
    mitigation=("Restart the replica or repair the way to its port.",),
    threshold="For a minute: one missed scrape is none. Where all are down, SeawallExporterGone says so.",
)
GONE = Runbook(
    name="SeawallExporterGone",
    meaning="Prometheus reaches no exporter of the service at all, or has no target for it.",
    impact="The service is not watched at all; most likely it is down. No other alert of it can fire.",
    diagnosis=(
        "Is the service running?",
        "Does the scrape configuration still name its job, as this bundle does?",
    ),
    mitigation=(
        "Restore the service.",
        "Repair service discovery or the job's name, then generate this bundle again.",
    ),
    threshold="No target of the job is up, for a minute.",
)
DROPPED = Runbook(
    name="SeawallTelemetryDropped",
    meaning="The service's own telemetry lost spans, logs or series. What is suppressed on purpose does "
    "not count.",
    impact="Calls are not affected. What happened may be missing from traces, logs or metrics.",
    diagnosis=(
        "Labels `signal` and `reason` say what was lost and why.",
        "Is the OTLP collector reachable and fast?",
    ),
    mitigation=("Restore the collector.", "A larger queue if it overflows at peaks only."),
    threshold="Any loss within 15 minutes.",
)
LISTENER = Runbook(
    name="SeawallListenerErrors",
    meaning="A listener of the guards' events raised an error.",
    impact="Calls are not affected. What that listener does (logs, spans, an own hook) may be incomplete.",
    diagnosis=("The label `listener` names it; its first error is in the log.",),
    mitigation=("Repair the listener.",),
    threshold="Any error within 15 minutes.",
)
DRIFT = Runbook(
    name="SeawallPolicyDrift",
    meaning="A guard runs with policies that this bundle of rules and dashboards was not generated from.",
    impact="Rules generated from the old policies may be missing or wrong for this guard: a changed "
    "criticality, a new "
    "objective, a new guard.",
    diagnosis=(
        "`seawall generate --check` says what differs.",
        "Is a deployment half done? Then both sets of policies run.",
    ),
    mitigation=(
        "Generate the bundle from the running service and load it.",
        "Finish or roll back the deployment.",
    ),
    threshold="A hash that the bundle does not know, for longer than a deployment takes (15 minutes).",
)
WATCHDOG = Runbook(
    name="SeawallWatchdog",
    meaning="This alert always fires. It proves that samples come in, rules are evaluated and "
    "notifications leave.",
    impact="None while it fires. If its notifications stop, nobody would be told of anything else.",
    diagnosis=("Is Prometheus up and scraping this job?", "Does Alertmanager get alerts and deliver them?"),
    mitigation=(
        "Repair the link that broke. Route this alert to something that raises an alarm when it falls "
        "silent.",
    ),
    threshold=f"The newest sample of the job is younger than {FRESH_SCRAPES} scrape intervals.",
)


def alerts(context: Context) -> Iterator[Alert]:
    up = context.scope.select(UP)
    yield Alert(
        runbook=DOWN,
        # Where none answers, one alert says so.
        expr=max_by(up, *context.service, "instance")
        .binary("==", 0)
        .where(max_by(up, *context.service).above(0), context.service),
        severity="warning",
        summary="An exporter can't be scraped.",
        description=text(
            Label("instance"), " of ", Label("job"), " can't be scraped. Its guards go on working, unseen."
        ),
        hold=context.seconds(DOWN_FOR),
        scenario=scene(
            context,
            None,
            [_target(context, UP, 1, 0), _target(context, UP, 1, 1, instance=_OTHER)],
            value=0,
            hold=DOWN_FOR,
            mishaps=("target vanishes",),
            labels={"instance": _INSTANCE},
        ),
    )
    yield Alert(
        runbook=GONE,
        expr=none_up(context, up),
        severity="critical",
        summary="No exporter of a service can be scraped.",
        description=text(
            "No exporter of ",
            Label("job"),
            " can be scraped: the service is most likely down, and none of its other alerts can fire.",
        ),
        hold=context.seconds(DOWN_FOR),
        scenario=replace(
            scene(
                context,
                None,
                [_target(context, UP, 1, 0)],
                value=0,
                hold=DOWN_FOR,
                mishaps=("target vanishes",),
            ),
            fires_unseen=True,
        ),
    )
    # Lines of a log that are suppressed on purpose are counted, and no loss.
    lost = context.scope.select(catalog.TELEMETRY_DROPPED, unequal("reason", "rate_limited"))
    yield _lost(
        context,
        DROPPED,
        catalog.TELEMETRY_DROPPED,
        sum_by(_within(context, lost), *context.service, "signal", "reason"),
        {"signal": "spans", "reason": "export_failed"},
        "A service's telemetry loses data.",
        text(
            Label("job"),
            " lost ",
            Value("count"),
            " ",
            Label("signal"),
            " (",
            Label("reason"),
            ") lately. "
            "Calls are not affected, but what happened may be missing from traces, logs or metrics.",
        ),
    )
    raised = context.scope.select(catalog.LISTENER_ERRORS)
    yield _lost(
        context,
        LISTENER,
        catalog.LISTENER_ERRORS,
        sum_by(_within(context, raised), *context.service, "listener"),
        {"listener": "logs"},
        "A listener of a service's guards raises errors.",
        text(
            "Listener ",
            Label("listener"),
            " of ",
            Label("job"),
            " raised ",
            Value("count"),
            " errors lately. Calls are not affected.",
        ),
    )
    if context.document.guards:
        yield _drift(context)
    yield _watchdog(context)


_INSTANCE, _OTHER = "replica-1:9464", "replica-2:9464"


def _target(context: Context, series: Series, quiet: float, firing: float, **labels: str) -> Signal:
    own = {**context.own, "instance": _INSTANCE, **labels}
    return Signal(series.name, own, "counter" if series.type == "counter" else "gauge", quiet, firing)


def _within(context: Context, counter: Expr) -> Expr:
    return increase(counter, context.window(LOST_WITHIN))


def _lost(
    context: Context,
    runbook: Runbook,
    series: Series,
    expr: Expr,
    labels: dict[str, str],
    summary: str,
    description: Text,
) -> Alert:
    # Ten within the window, whatever its length.
    signal = _target(context, series, 0, 10 / context.seconds(LOST_WITHIN), **labels)
    mishaps: tuple[Mishap, ...] = (
        "counter reset",
        "missed scrape",
        "first error from nothing",
        "target vanishes",
    )
    return Alert(
        runbook=runbook,
        expr=expr.above(0),
        severity="warning",
        summary=summary,
        description=description,
        scenario=scene(context, None, [signal], value=10, over=LOST_WITHIN, labels=labels, mishaps=mishaps),
    )


def _drift(context: Context) -> Alert:
    known: Sequence[str] = sorted({guard.hash for guard in context.document.guards})
    labels = (*context.by, "policy_hash")
    shown = context.scope.select(catalog.POLICY_INFO, none_of("policy_hash", known))
    name, strange = context.document.guards[0].name, "f" * 16
    while strange in known:
        strange = f"{int(strange, 16) - 1:016x}"
    running = _target(
        context, catalog.POLICY_INFO, 0, 1, dependency=name, criticality="default", policy_hash=strange
    )
    # An info series is 1 or is not there; a level of 0 stands for its absence in the test only.
    return Alert(
        runbook=DRIFT,
        expr=count_by(shown.binary("==", 1), *labels),
        severity="warning",
        summary="A guard runs with policies that its rules were not generated from.",
        description=text(
            Label("dependency"),
            " of ",
            Label("job"),
            " runs with policies of hash ",
            Label("policy_hash"),
            " on ",
            Value("number"),
            " replicas, which this bundle was not generated from. "
            "Its rules and dashboards may be wrong until they are generated again.",
        ),
        hold=context.seconds(DEPLOYMENT),
        scenario=scene(
            context,
            None,
            [running],
            value=1,
            hold=DEPLOYMENT,
            mishaps=("target vanishes",),
            labels={"dependency": name, "policy_hash": strange},
        ),
    )


def _watchdog(context: Context) -> Alert:
    up = context.scope.select(UP)
    limit = FRESH_SCRAPES * context.options.scrape_interval
    age = raw(f"time() - {max_by(call('timestamp', up), *context.service)}", context.service)
    return Alert(
        runbook=WATCHDOG,
        expr=age.below(limit),
        severity="info",
        summary="Always firing: it proves that alerts of this service can arrive.",
        description=text(
            "Samples of ", Label("job"), " come in and rules are evaluated. No action is needed."
        ),
        scenario=replace(
            scene(context, None, [_target(context, UP, 1, 1)], value=0, mishaps=("target vanishes",)),
            always=True,
        ),
    )
