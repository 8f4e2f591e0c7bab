"""Addresses of boards, for links between them and from alerts."""

from __future__ import annotations

import hashlib

from seawall.dashboards.options import Options
from seawall.dashboards.panels import Link


def uid(service: str, board: str, prefix: str = "seawall") -> str:
    """The stable uid of a service's board: at most 40 of ``[a-z0-9-]``, whatever the service is called."""
    digest = hashlib.sha256(service.encode()).hexdigest()[:8]
    return f"{prefix}-{board}-{digest}"


def to_dependency(service: str, options: Options, *, name: str) -> Link:
    """From a board over all replicas to that of one guard, time and choices kept.

    ``name``: Grafana's macro for the guard's name.
    """
    kept = ["cluster"] if options.cluster_label else []
    kept += ["namespace"] if options.namespace_label else []
    kept += ["datasource", "job"] if options.recorded else ["datasource", "job", "instance"]
    choices = "&".join(f"${{{variable}:queryparam}}" for variable in kept)
    board = uid(service, "dependency", options.uid_prefix)
    return Link(
        title="Open this dependency",
        url=f"/d/{board}?var-dependency=${{{name}:percentencode}}&{choices}&${{__url_time_range}}",
    )
