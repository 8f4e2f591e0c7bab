"""What explains an alert is said in its rule: it does not fire while its cause does.

Alertmanager's inhibition alone is not enough. After a restart it knows no alert, and tells of one that has
been firing for longer than its group waits as soon as it hears of it, before it hears of the cause
(alertmanager#4064; no ``group_wait`` helps, a ``--dispatch.start-delay`` does from 0.30 on). An alert that
does not fire is not sent at all. The inhibition stays for the moment in which both begin.

An open breaker explains an alert for as long after its end as some of that time is in the alert's window:
else everybody would be told of degraded answers in the moment in which they are over.

The cause is asked for as Prometheus' own series of alerts: one per dependency, whatever the fleet, and it
goes on as long as the cause is kept firing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from seawall.alerts.breaker_alerts import OPEN
from seawall.alerts.context import Context
from seawall.alerts.model import Alert, Severity, Signal
from seawall.alerts.options import BASE_WINDOW
from seawall.alerts.scenes import LOUDER
from seawall.telemetry.catalog import Series
from seawall.telemetry.promql import Expr, Scope, equal, one_of, over_time

#: What Prometheus writes about every alert.
ALERTS = Series(
    name="ALERTS",
    type="gauge",
    help="1 while the alert is in this state.",
    labels=("alertname", "alertstate", "dependency", "severity", "criticality"),
)


def explained(context: Context, alerts: Sequence[Alert]) -> list[Alert]:
    """The same, each of which is silent while its cause fires, or a louder one of its name."""
    return [_explained(context, alert, alerts) for alert in alerts]


def signals(context: Context, alert: Alert) -> Iterator[Signal]:
    """For tests: each cause of an alert, as it shows when it fires."""
    for cause, severity in alert.causes:
        labels = {
            "alertname": cause,
            "alertstate": "firing",
            "severity": severity,
            **context.own,
            "dependency": alert.scenario.labels["dependency"],
        }
        yield Signal(ALERTS.name, labels, "gauge", 1, 1, 1)


def looks_back(alert: Alert) -> float:
    """Unscaled seconds after which nothing of an outage that has ended is in what the alert asks about."""
    return alert.looks_back or BASE_WINDOW


def _explained(context: Context, alert: Alert, alerts: Sequence[Alert]) -> Alert:
    louder = sorted(
        {
            other.severity
            for other in alerts
            if other.name == alert.name
            and other.labels.get("criticality") == alert.labels.get("criticality")
            and other.severity in LOUDER[alert.severity]
        }
    )
    expr = alert.expr
    causes: list[tuple[str, Severity]] = []
    if alert.follows_open:
        lately = over_time("max", _firing(context, OPEN.name), context.window(looks_back(alert)))
        expr = expr.unless(lately, context.by)
        causes.append((OPEN.name, "warning"))
    if louder:
        expr = expr.unless(_firing(context, alert.name, *louder), context.by)
        causes += [(alert.name, severity) for severity in louder]
    return replace(alert, expr=expr, causes=tuple(causes))


def _firing(context: Context, name: str, *severities: str) -> Expr:
    only = [one_of("severity", severities)] if severities else []
    scope = Scope(context.scope.matchers, target_labels=context.service)
    return scope.select(ALERTS, equal("alertname", name), equal("alertstate", "firing"), *only)
