"""The queries of everything that was generated, and what they return."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference.demo.prometheus import Prometheus, QueryFailed

INTERVALS = {
    "__rate_interval": "4s",
    "__interval": "2s",
    "__interval_ms": "2000",
    "__range": "2m",
    "__range_s": "120",
}
"""What Grafana fills in itself, for a range of two minutes and a scrape interval of one second."""
RULES = "rules"
"""Where the queries of rules stand, as those of panels stand on a board."""
ALL = ".+"
STEP = 2.0
VALUES = re.compile(r"label_values\((.+), (\w+)\)")
AUTO = "__auto"
Place = tuple[str, str, str]
"""Board, panel and part."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query and where it stands: in each of the forms that a person's choices can give it.

    `part`: its legend, or its letter where it has none. `label`: it asks for this label's values.
    `alert`: it is an alert's, and returns data only where that fires.
    """

    board: str
    panel: str
    part: str
    texts: tuple[str, ...]
    label: str = ""
    alert: bool = False

    @property
    def place(self) -> Place:
        return self.board, self.panel, self.part

    @property
    def where(self) -> str:
        return ", ".join(part for part in self.place if part)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a query: how many series over the whole run and at its end, or the refusal."""

    query: Query
    series: int
    at_end: int = 0
    problem: str = ""


def dashboard_queries(folder: Path, dependencies: Sequence[str]) -> list[Query]:
    """Every target of every panel, every annotation and every variable, with variables filled in."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for place, text, label in _asked(dashboard):
            found.append(Query(path.stem, *place, forms(text, dashboard, dependencies), label))
    return found


def _asked(dashboard: dict[str, Any]) -> Iterator[tuple[tuple[str, str], str, str]]:
    """Panel and part, expression, and the label that it is about, if it is about one."""
    panels = list(_panels(dashboard.get("panels", [])))
    titles = Counter(panel.get("title", "") for _, panel in panels)
    for row, panel in panels:
        title = panel.get("title", "")
        shown = title if titles[title] == 1 else f"{title} ({row})"
        for target in panel.get("targets", []):
            if target.get("expr"):
                yield (shown, _part(panel, target)), target["expr"], ""
    for note in dashboard.get("annotations", {}).get("list", []):
        if note.get("expr"):
            yield ("annotation", note.get("name", "")), note["expr"], ""
    for variable in dashboard.get("templating", {}).get("list", []):
        if found := VALUES.fullmatch(variable.get("definition") or ""):
            yield ("variable", variable["label"]), found[1], found[2]


def _part(panel: dict[str, Any], target: dict[str, Any]) -> str:
    """A query's legend or column; its letter where it has none of its own."""
    letter = str(target.get("refId", ""))
    columns: dict[str, str] = {}
    for step in panel.get("transformations", []):
        columns |= step["options"].get("renameByName", {})
    legends = [str(one.get("legendFormat") or AUTO) for one in panel["targets"]]
    legend = str(target.get("legendFormat") or AUTO)
    return (
        legend if legends.count(legend) == 1 and legend != AUTO else columns.get(f"Value #{letter}", letter)
    )


def _panels(panels: list[dict[str, Any]], row: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Panels and the row that they are in."""
    for panel in panels:
        if panel.get("type") == "row":
            row = panel["title"]
        else:
            yield row, panel
        yield from _panels(panel.get("panels", []), row)


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
        Query(RULES, rule["name"], "", (rule["query"],), alert=rule["type"] == "alerting")
        for rule in await server.rules()
    ]


async def run(server: Prometheus, query: Query, begin: float, end: float) -> Result:
    """Run all forms of a query over the whole of a run, and at its end."""
    series = at_end = 0
    try:
        for text in query.texts:
            if query.label:
                series += len(await server.values(query.label, text, begin, end))
                at_end += len(await server.values(query.label, text, end - STEP, end))
            else:
                series += len(await server.over(text, begin, end, STEP))
                at_end += len(await server.at(text, end))
    except QueryFailed as problem:
        return Result(query, series, at_end, str(problem))
    return Result(query, series, at_end)
