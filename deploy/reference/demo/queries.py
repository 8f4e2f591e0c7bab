"""The queries of everything that was generated, and what they return."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference.demo.prometheus import Prometheus, QueryFailed
from seawall.telemetry import catalog

INTERVALS = {
    "__rate_interval": "4s",
    "__interval": "2s",
    "__interval_ms": "2000",
    "__range": "2m",
    "__range_s": "120",
}
"""What Grafana fills in itself, for a range of two minutes and a scrape interval of one second."""
UNTOUCHED = (
    ("no listener fails", (catalog.LISTENER_ERRORS.name,)),
    ("no breaker is in metrics_only", (catalog.BREAKER_WOULD_REJECT.name.removesuffix("_total"),)),
    ("nothing drifts from the bundle", (catalog.POLICY_INFO.name, "policy_hash")),
)
"""What does not happen in the scenario, and the parts by which a query that looks for it is known."""
ALL = ".+"
STEP = 2.0


@dataclass(frozen=True, slots=True)
class Query:
    """One query and where it stands: in each of the forms that a person's choices can give it.

    `alert`: it is an alert's, and returns data only where that fires.
    """

    where: str
    texts: tuple[str, ...]
    alert: bool = False

    @property
    def expects_data(self) -> bool:
        """Whether the scenario goes where it looks."""
        looks_elsewhere = any(all(part in self.texts[0] for part in parts) for _, parts in UNTOUCHED)
        return not self.alert and not looks_elsewhere


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a query: how many series over the whole run, or Prometheus's refusal."""

    query: Query
    series: int
    problem: str = ""


def dashboard_queries(folder: Path, dependencies: Sequence[str]) -> list[Query]:
    """Every target of every panel and every annotation, with variables filled in."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in _panels(dashboard.get("panels", [])):
            for target in panel.get("targets", []):
                if target.get("expr"):
                    where = f"{path.stem}, {panel.get('title', '')}"
                    found.append(Query(where, forms(target["expr"], dashboard, dependencies)))
        for annotation in dashboard.get("annotations", {}).get("list", []):
            if annotation.get("expr"):
                where = f"{path.stem}, annotation {annotation.get('name', '')}"
                found.append(Query(where, forms(annotation["expr"], dashboard, dependencies)))
    return found


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))


def forms(expression: str, dashboard: dict[str, Any], dependencies: Sequence[str]) -> tuple[str, ...]:
    """The expression as Grafana sends it: once, or where a dependency has to be chosen, for each of them."""
    variables = dashboard.get("templating", {}).get("list", [])
    values = dict(INTERVALS)
    chosen = ""
    for variable in variables:
        name, kind = variable["name"], variable.get("type")
        if kind in ("constant", "custom", "textbox", "interval"):
            values[name] = str(variable.get("current", {}).get("value") or variable.get("query", ""))
        elif name == "dependency" and not variable.get("includeAll"):
            chosen = name
        else:
            values[name] = ALL
    if not chosen:
        return (filled_in(expression, values),)
    return tuple(dict.fromkeys(filled_in(expression, values | {chosen: one}) for one in dependencies))


def filled_in(expression: str, values: Mapping[str, str]) -> str:
    """The expression with its variables replaced; one that is not known stays, and Prometheus refuses it."""
    return re.sub(
        r"\$\{(\w+)(?::\w+)?\}|\$(\w+)",
        lambda match: values.get(match[1] or match[2], match[0]),
        expression,
    )


async def rule_queries(server: Prometheus) -> list[Query]:
    """Every rule that Prometheus has loaded. An alert returns data only where it fires."""
    return [
        Query(f"rule {rule['name']}", (rule["query"],), rule["type"] == "alerting")
        for rule in await server.rules()
    ]


async def run(server: Prometheus, query: Query, begin: float, end: float) -> Result:
    """Run all forms of a query over the whole of a run."""
    series = 0
    try:
        for text in query.texts:
            series += len(await server.over(text, begin, end, STEP))
    except QueryFailed as problem:
        return Result(query, series, str(problem))
    return Result(query, series)
