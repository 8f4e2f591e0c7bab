"""The documents of the health and policy pages.

They hold names from the configuration, numbers and types of exceptions; never a host, an argument or a text
of an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from seawall.resilience import Guard, Registry
from seawall.telemetry import catalog, failed_calls
from seawall.telemetry.collector import label_values
from seawall.telemetry.source import Source, View

Status = Literal["up", "degraded", "down"]
Document = dict[str, object]

_OPEN = frozenset({"open", "forced_open"})


def dependency_status(guard: Guard) -> Status:
    """``down`` while the breaker rejects, ``degraded`` while it probes, else ``up``."""
    state = guard.state
    if state in _OPEN:
        return "down"
    return "degraded" if state == "half_open" else "up"


def overall(guards: Iterable[Guard]) -> Status:
    """``down`` when a critical dependency without fallback is; ``degraded`` when any other is not up."""
    worst: Status = "up"
    for guard in guards:
        status = dependency_status(guard)
        if status == "down" and is_vital(guard):
            return "down"
        if status != "up":
            worst = "degraded"
    return worst


def is_vital(guard: Guard) -> bool:
    """Whether the service has nothing to answer with when this dependency is gone.

    One member of a family never is: there are others, and keys come with requests.
    """
    return guard.criticality == "critical" and "fallback" not in guard.policies and not guard.family


def resilience(registry: Registry) -> Document:
    """Every guard with what its breaker, bulkhead and window say now."""
    guards = _sorted(registry)
    return {
        "status": overall(guards),
        "service": registry.service,
        "guards": [
            {
                "name": guard.name,
                "criticality": guard.criticality,
                "status": dependency_status(guard),
                **_snapshot(guard),
            }
            for guard in guards
        ],
    }


def dependencies(registry: Registry) -> Document:
    """Each dependency: up, degraded or down, what it means to the service, why its breaker opened last."""
    guards = _sorted(registry)
    return {
        "status": overall(guards),
        "dependencies": [
            {
                "name": guard.name,
                "description": guard.description,
                "status": dependency_status(guard),
                "state": guard.state,
                "criticality": guard.criticality,
                "fallback": "fallback" in guard.policies,
                "why_opened": _snapshot(guard)["why_opened"],
            }
            for guard in guards
        ],
    }


def numbers(source: Source) -> Document:
    """The totals of each guard, by the catalog's field names, summed over operations."""
    return {
        "service": source.registry.service,
        "guards": {view.name: _totals(view) for view in source.views()},
        "telemetry": {
            "dropped": {f"{signal}/{reason}": n for (signal, reason), n in source.dropped.counts().items()},
            "listener_errors": dict(source.registry.listener_errors),
        },
    }


def readiness(registry: Registry, checks: dict[str, bool]) -> tuple[bool, Document]:
    """Whether to send traffic here, and why not."""
    blocking = [
        {"dependency": guard.name, "state": guard.state}
        for guard in _sorted(registry)
        if is_vital(guard) and guard.state in _OPEN
    ]
    ready = not blocking and all(checks.values())
    return ready, {"status": "ready" if ready else "not_ready", "blocking": blocking, "checks": checks}


def _sorted(registry: Registry) -> list[Guard]:
    return sorted(registry, key=lambda guard: guard.name)


def _snapshot(guard: Guard) -> Document:
    """The guard's own, and with why it opened the traces of the calls that made it."""
    found = guard.snapshot()
    if found["why_opened"] is not None:
        found["why_opened"]["trace_ids"] = list(failed_calls.trace_ids(guard))
    return found


def _totals(view: View) -> Document:
    totals: dict[str, dict[str, float]] = {}
    for entry in view.layout.entries:
        series = catalog.BY_FIELD[entry.field.name]
        values = label_values(view, entry)
        if values is None:
            continue
        of_field = totals.setdefault(entry.field.name, {})
        if series.type == "histogram":
            end = entry.offset + len(entry.bounds)
            _add(of_field, "count", view.reading[end])
            _add(of_field, "sum_seconds", view.reading[end + 1])
        else:
            labels = zip(series.labels, values, strict=True)
            kept = [value for label, value in labels if label not in ("dependency", "operation")]
            _add(of_field, "/".join(kept), view.reading[entry.offset])
    # A field without labels of its own is one number.
    return {name: numbers.get("", numbers) for name, numbers in totals.items()}


def _add(numbers: dict[str, float], key: str, amount: float) -> None:
    numbers[key] = numbers.get(key, 0) + amount
