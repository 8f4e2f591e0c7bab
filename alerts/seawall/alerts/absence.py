"""When nothing of a service is up: in each cluster, where targets say in which they are."""

from __future__ import annotations

from dataclasses import replace

from seawall.alerts.context import Context
from seawall.telemetry.promql import Expr, absent, max_by, over_time

#: A cluster that had targets so short a time ago, and has none, has lost them. Unscaled seconds.
LATELY = 3600.0


def none_up(context: Context, up: Expr) -> Expr:
    """None is up, or none is there. Of a cluster that has lost its targets what was there lately tells."""
    none, service = max_by(up, *context.service).binary("==", 0), context.service
    # `absent` of a plain selector keeps the job as a label.
    nowhere = replace(absent(up), labels=frozenset({"job"}))
    if service == ("job",):
        return nowhere | none
    lately = max_by(over_time("max", up, context.window(LATELY)), *service)
    lost = lately.unless(max_by(up, *service), service)
    return lost | none | nowhere.unless(lost, ("job",))
