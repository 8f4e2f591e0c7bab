"""Addresses that alerts link to. Every name in them is escaped for where it stands."""

from __future__ import annotations

import hashlib

from seawall.alerts.context import Context
from seawall.alerts.model import Alert
from seawall.alerts.text import Label, Text, text


def uid(service: str, board: str) -> str:
    """The uid that `seawall.dashboards` gives a board of this service. A test holds the two together."""
    return f"seawall-{board}-{hashlib.sha256(service.encode()).hexdigest()[:8]}"


def dashboard_url(context: Context, alert: Alert) -> Text:
    """The dependency's dashboard where the alert names one, else the overview."""
    base = context.options.dashboard_base_url.rstrip("/")
    board = "dependency" if "dependency" in alert.scenario.labels else "overview"
    base = f"{base}/d/{uid(context.document.service, board)}?"
    cluster = context.options.cluster_label
    job: tuple[str | Label, ...] = ("var-job=", Label("job", in_url=True))
    job += ("&var-cluster=", Label(cluster, in_url=True)) if cluster else ()
    if board == "dependency":
        return text(base, *job, "&var-dependency=", Label("dependency", in_url=True))
    return text(base, *job)


def runbook_url(context: Context, alert: Alert) -> Text:
    return text(f"{context.options.runbook_base_url.rstrip('/')}/{alert.name}.md")


def texts(context: Context, alert: Alert) -> dict[str, Text]:
    """All annotations of an alert, in the order they are written."""
    return {
        "summary": text(alert.summary),
        "description": alert.description,
        "runbook_url": runbook_url(context, alert),
        "dashboard_url": dashboard_url(context, alert),
    }
