"""Queries that the scenario leaves without an answer, each with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from reference.demo.queries import Place, Result

NOT_ASKED_ONLY = "no breaker of the service is in metrics_only"
NO_DRIFT = "the service runs the very policies that the bundle was generated from"
QUIET: dict[Place, str] = {
    ("overview", "Calls turned away, by who did", "would be, in metrics_only"): NOT_ASKED_ONLY,
    ("dependency", "Calls turned away, by who did", "would be, in metrics_only"): NOT_ASKED_ONLY,
    ("exporter", "Guards that drifted", "drifted"): NO_DRIFT,
    ("exporter", "Guards that drifted from this bundle", "A"): NO_DRIFT,
    ("exporter", "Errors of listeners, by listener", "{{listener}}"): "no listener of the service fails",
    ("exporter", "Guards with more than one policy", "A"): "the service is one process",
}
ABSENT = {
    "Dependency: What became of hedges": "no guard of the service hedges",
    "Dependency: Calls that shared an execution": "no guard of the service coalesces",
}
"""Panels that the boards of this service do not have, as the others do."""


def unexplained(results: Sequence[Result]) -> list[str]:
    """Queries without an answer and without a reason, and reasons that are none."""
    found = []
    for one in results:
        if one.problem or one.query.alert:
            continue
        reason = QUIET.get(one.query.place)
        if not one.series and not reason:
            found.append(f"empty: {one.query.where}: {one.query.texts[0]}")
        if one.series and reason:
            found.append(f"not empty, though {reason}: {one.query.where}")
    known = {one.query.place for one in results}
    return found + [f"a reason for no query: {', '.join(place)}" for place in QUIET if place not in known]
