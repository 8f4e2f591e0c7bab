"""Samples that come from no ledger: settings of the policies, identities, and telemetry's own counters."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.service import Service


@dataclass(frozen=True, slots=True)
class Row:
    """One sample: a series, the values of its labels in the catalog's order, and the value."""

    series: Series
    labels: tuple[str, ...]
    value: float


def policy_rows(entry: Mapping[str, object]) -> tuple[Row, ...]:
    """Settings and identity of one guard, from its entry of the policy document."""
    name = str(entry["name"])
    settings = _numbers(entry.get("policies"))
    goals = entry.get("objectives")
    if goals is not None:
        settings = [*settings, *_numbers({"objectives": goals})]
    info = Row(catalog.POLICY_INFO, (name, str(entry["criticality"]), str(entry["hash"])), 1.0)
    return (*(Row(catalog.POLICY_SETTING, (name, p, s), v) for p, s, v in settings), info)


def identity_rows(service: Service | None) -> tuple[Row, ...]:
    """Build and target info; no target info without a service."""
    build = Row(catalog.BUILD_INFO, (_version(), platform.python_version()), 1.0)
    if service is None:
        return (build,)
    return (build, Row(catalog.TARGET_INFO, service.label_values(), 1.0))


def own_rows(dropped: Mapping[tuple[str, str], int], listener_errors: Mapping[str, int]) -> tuple[Row, ...]:
    """What telemetry lost, and errors of listeners."""
    return (
        *(Row(catalog.TELEMETRY_DROPPED, pair, count) for pair, count in sorted(dropped.items())),
        *(Row(catalog.LISTENER_ERRORS, (name,), n) for name, n in sorted(listener_errors.items())),
    )


def _numbers(policies: object) -> list[tuple[str, str, float]]:
    return list(_walk(policies)) if isinstance(policies, Mapping) else []


def _walk(policies: Mapping[str, object]) -> Iterator[tuple[str, str, float]]:
    """(policy, setting, number) of every number; a nested policy is named after both, as in retry_budget."""
    for policy, settings in policies.items():
        if not isinstance(settings, Mapping):
            continue
        nested = {f"{policy}_{k}": v for k, v in settings.items() if isinstance(v, Mapping)}
        for setting, value in settings.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield policy, setting, float(value)
        yield from _walk(nested)


def _version() -> str:
    try:
        return metadata.version("seawall")
    except metadata.PackageNotFoundError:
        return "unknown"
