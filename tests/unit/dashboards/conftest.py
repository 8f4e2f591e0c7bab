"""A policy document with everything in it, and the dashboards made from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seawall.dashboards import Options, build

Json = dict[str, Any]


def guard(name: str, criticality: str = "default", **policies: Json) -> Json:
    """An entry of a policy document."""
    return {
        "name": name,
        "description": "",
        "criticality": criticality,
        "operations": ["default"],
        "order": [],
        "policies": policies,
        "objectives": {"success": 0.999, "undegraded": 0.99},
        "hash": "0123456789abcdef",
    }


def full(name: str, criticality: str = "critical") -> Json:
    """A guard with every policy, each with every setting that a panel depends on."""
    return guard(
        name,
        criticality,
        breaker={"failure_ratio": 0.5, "window_calls": 100, "minimum_calls": 10, "slow_after": 0.5},
        retry={"attempts": 3, "budget": {"ratio": 0.2}},
        timeout={"attempt": 1.0, "total": 5.0, "threads": 4},
        bulkhead={"limit": 20, "max_queue": 5, "max_wait": 0.5},
        rate_limit={"rate": 100.0, "burst": 20, "max_wait": 0.1},
        fallback={"modes": ["stale", "default"], "stale_for": 300.0},
        hedge={"delay": 0.1, "most": 1, "operations": None},
        coalesce={"key": False},
    )


def policies(*guards: Json, service: str = "payments") -> Json:
    return {"schema": "seawall.policies/1", "service": service, "hash": "0" * 16, "guards": list(guards)}


@pytest.fixture(scope="session")
def document() -> Json:
    return policies(full("bank-api"), guard("cache", "sheddable"), guard("mail"))


@pytest.fixture(scope="session", params=[True, False], ids=["with rules", "without rules"])
def recorded(request: pytest.FixtureRequest) -> bool:
    """Whether boards over all replicas ask for what recording rules keep."""
    return bool(request.param)


@pytest.fixture(scope="session")
def dashboards(document: Json, recorded: bool) -> dict[str, Json]:
    """Parsed dashboards by file name."""
    return {name: json.loads(text) for name, text in build(document, Options(recorded=recorded)).items()}


@pytest.fixture(scope="session")
def panels(dashboards: dict[str, Json]) -> list[tuple[str, Json]]:
    """(file name, panel) of all panels that show something, those in collapsed rows too."""
    return [(name, panel) for name, board in dashboards.items() for panel in every_panel(board)]


@pytest.fixture(scope="session")
def expressions(dashboards: dict[str, Json]) -> list[tuple[str, str]]:
    """(where, expression) of everything that is asked, annotations included."""
    found = []
    for name, board in dashboards.items():
        for panel in every_panel(board):
            found += [(f"{name}: {panel['title']}", target["expr"]) for target in panel["targets"]]
        found += [
            (f"{name}: {note['name']}", note["expr"])
            for note in board["annotations"]["list"]
            if "expr" in note
        ]
    return found


def every_panel(board: Json) -> list[Json]:
    inside = [child for panel in board["panels"] for child in panel.get("panels", [])]
    return [panel for panel in (*board["panels"], *inside) if panel["type"] != "row"]
