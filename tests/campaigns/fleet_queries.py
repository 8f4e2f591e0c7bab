"""The queries of a board's panels, as Grafana sends them for a time and a screen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Pixels of a panel that is as wide as the board, on a screen of 1920.
WIDTH = 1850
#: Milliseconds: up to the first, take the second.
STEPS = (
    (750, 500),
    (1500, 1000),
    (3500, 2000),
    (7500, 5000),
    (12500, 10000),
    (17500, 15000),
    (25000, 20000),
    (45000, 30000),
    (90000, 60000),
    (210000, 120000),
    (450000, 300000),
)


@dataclass(frozen=True)
class Query:
    path: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """All that one panel asks for."""

    board: str
    title: str
    hours: int
    queries: tuple[Query, ...]


def step(seconds: float, pixels: int, least: float) -> float:
    """The step that Grafana chooses."""
    exactly = seconds * 1000 / pixels
    rounded = next((chosen for below, chosen in STEPS if exactly < below), 600000)
    return max(rounded / 1000, least)


def every_panel(
    name: str, board: dict[str, Any], *, end: float, hours: int, least: float, dependency: str = ""
) -> Iterator[Asked]:
    """Panels of a board, those in closed rows too, then what else it asks for when it is opened.

    ``least``: of the step; ``dependency``: the one that is chosen, else all are.
    """

    def filled(expr: str) -> str:
        return _filled(expr, dependency, board)

    shown = list(_titled(board))
    titles = [panel["title"] for _, panel in shown]
    for row, panel in shown:
        title = panel["title"]
        pixels = round(WIDTH * panel["gridPos"]["w"] / 24)
        queries = tuple(
            _query(filled(target["expr"]), target["instant"], end, hours, pixels, _least(target, least))
            for target in panel["targets"]
        )
        yield Asked(name, title if titles.count(title) == 1 else f"{title} ({row})", hours, queries)
    for note in board["annotations"]["list"]:
        if "expr" in note:
            query = _query(filled(note["expr"]), False, end, hours, WIDTH, least)
            yield Asked(name, f"(marks) {note['name']}", hours, (query,))
    for variable in board["templating"]["list"][1:]:
        query = _values(filled(variable["definition"]), end, hours)
        yield Asked(name, f"(choices) {variable['label']}", hours, (query,))


def _least(target: dict[str, Any], least: float) -> float:
    """Of a query that asks for fewer points by itself."""
    return max(float(target["interval"].removesuffix("ms") or 0) / 1000, least)


def _titled(board: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Panels and the row that they are in."""
    row = ""
    for panel in board["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
            yield from ((row, inside) for inside in panel["panels"])
        else:
            yield row, panel


def _query(expr: str, instant: bool, end: float, hours: int, pixels: int, interval: float) -> Query:
    wide = hours * 3600.0
    chosen = step(wide, pixels, interval)
    rate = max(chosen + interval, 4 * interval)
    for variable, seconds in (("$__rate_interval", rate), ("$__interval", chosen), ("$__range", wide)):
        expr = expr.replace(variable, f"{seconds:g}s")
    if instant:
        return Query("query", {"query": expr, "time": end})
    last = end // chosen * chosen
    return Query("query_range", {"query": expr, "start": last - wide, "end": last, "step": chosen})


def _values(definition: str, end: float, hours: int) -> Query:
    selector, label = definition.removeprefix("label_values(")[:-1].rsplit(", ", 1)
    chosen = {"match[]": selector, "start": end - hours * 3600, "end": end}
    return Query(f"label/{label}/values", chosen)


def _filled(expr: str, dependency: str, board: dict[str, Any]) -> str:
    """ "All" for every variable that the board has, but one dependency where one has to be chosen."""
    expr = expr.replace("${dependency:regex}", dependency or ".+")
    for name in (variable["name"] for variable in board["templating"]["list"]):
        expr = expr.replace(f'=~"${name}"', '=~".+"')
    if unknown := re.findall(r"\$(?!__)\w+", expr):
        raise ValueError(f"{board['title']} has no variable {unknown[0]}: {expr}")
    return expr
