"""The queries of everything that was generated, and what they return."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference.demo.prometheus import Prometheus, QueryFailed

VARIABLES = {
    "__rate_interval": "15s",
    "__interval": "5s",
    "__range": "2m",
    "__range_s": "120",
    "__interval_ms": "5000",
}
ALL = ".+"
STEP = 2.0


@dataclass(frozen=True, slots=True)
class Query:
    """One query and where it stands. `expects_data`: the scenario goes where it looks."""

    where: str
    text: str
    expects_data: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a query: how many series over the whole run, or Prometheus's refusal."""

    query: Query
    series: int
    problem: str = ""


def dashboard_queries(folder: Path) -> list[Query]:
    """Every target of every panel, and every variable that is a query, with variables filled in."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in _panels(dashboard.get("panels", [])):
            for target in panel.get("targets", []):
                if target.get("expr"):
                    where = f"{path.stem}, {panel.get('title', '')}"
                    found.append(Query(where, filled_in(target["expr"], dashboard)))
        for annotation in dashboard.get("annotations", {}).get("list", []):
            if annotation.get("expr"):
                where = f"{path.stem}, annotation {annotation.get('name', '')}"
                found.append(Query(where, filled_in(annotation["expr"], dashboard)))
    return found


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))


def filled_in(expression: str, dashboard: dict[str, Any]) -> str:
    """The expression as Grafana would send it with every variable on All."""
    values = dict(VARIABLES)
    for variable in dashboard.get("templating", {}).get("list", []):
        if variable.get("type") == "constant":
            values[variable["name"]] = variable.get("query", "")
        else:
            values.setdefault(variable["name"], ALL)
    return re.sub(
        r"\$\{(\w+)(?::\w+)?\}|\$(\w+)",
        lambda match: values.get(match[1] or match[2], ALL),
        expression,
    )


async def rule_queries(server: Prometheus) -> list[Query]:
    """Every rule that Prometheus has loaded. An alert returns data only where it fires."""
    return [
        Query(f"rule {rule['name']}", rule["query"], rule["type"] == "recording")
        for rule in await server.rules()
    ]


async def run(server: Prometheus, query: Query, begin: float, end: float) -> Result:
    """Run a query over the whole of a run."""
    try:
        return Result(query, len(await server.over(query.text, begin, end, STEP)))
    except QueryFailed as problem:
        return Result(query, 0, str(problem))
