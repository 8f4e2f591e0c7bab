"""What a dashboard is made of, without a word of Grafana's JSON: queries, panels, rows, boards.

`_grafana.py` turns these into dashboards. Everything is frozen: change one with `dataclasses.replace`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from seawall.dashboards.problems import OptionsError, wrong_items, wrong_type
from seawall.telemetry.promql import Expr

#: (from this value on, colour); the first has None: below everything.
Steps = tuple[tuple[float | None, str], ...]
#: Of a board's grid.
COLUMNS = 24
_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question. ``limit``: the answer is a limit of the policy, a dashed line of that colour.

    ``least_step``: between two points; "" leaves it to the width of the panel and the scrape interval.
    """

    expr: Expr
    legend: str = ""
    shape: Literal["time_series", "table", "heatmap"] = "time_series"
    instant: bool = False
    exemplars: bool = False
    limit: str = ""
    colour: str = ""
    least_step: str = ""

    def __post_init__(self) -> None:
        if wrong := wrong_type("Query.expr", self.expr, Expr, "an Expr, such as raw('up')"):
            raise OptionsError(tuple(wrong))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link on a series or a cell; ``url`` may use Grafana's variables."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A value shown as a word in a colour. ``value`` is ``None`` for: there is none."""

    value: int | None
    text: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Common to all kinds. ``key`` is unique in its board and stable: ids and `Options.drop` rest on it."""

    key: str
    title: str
    description: str
    queries: tuple[Query, ...]
    width: int = 12
    height: int = 8
    unit: str = "short"
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    steps: Steps = ()
    mappings: tuple[Mapping, ...] = ()
    colours: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    no_value: str = ""

    def __post_init__(self) -> None:
        """Raise `OptionsError` that names everything that Grafana would not take, or show as nothing."""
        wrong = []
        if not isinstance(self.key, str) or not _KEY.fullmatch(self.key):
            wrong.append(f"key is {self.key!r}; allowed: small letters, digits and -")
        for name in ("title", "description"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                wrong.append(f"{name} is {value!r}; allowed: some text")
        wrong += wrong_items("queries", self.queries, Query, "Query")
        for name, most in (("width", COLUMNS), ("height", 100)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                wrong.append(f"{name} is {value!r}; allowed: 1 to {most}")
        wrong += _steps(self.steps)
        if wrong:
            kind = type(self).__name__
            raise OptionsError(tuple(f"{kind} {self.key!r}: {problem}" for problem in wrong))


def _steps(steps: object) -> list[str]:
    """Thresholds begin with None and rise."""
    pairs = isinstance(steps, tuple | list) and all(
        isinstance(one, tuple) and len(one) == 2 and isinstance(one[1], str) for one in steps
    )
    froms = [one[0] for one in steps] if pairs else []  # type: ignore[attr-defined]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in froms[1:])
    if pairs and froms[:1] in ([], [None]) and numbers and froms[1:] == sorted(froms[1:]):
        return []
    return [f"steps is {steps!r}; allowed: (None, colour), then (from, colour) with rising numbers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries(Panel):
    """Lines over time, or areas on top of each other when ``stacked``. ``calcs`` make the legend a table."""

    stacked: bool = False
    bars: bool = False
    fill: int = 10
    calcs: tuple[str, ...] = ()
    logarithmic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat(Panel):
    """One number, large.

    A range query shows the last value that there was, however old. Shares and quantiles, which stop when
    nothing happens, are instant queries without a sparkline.
    """

    width: int = 4
    height: int = 4
    calc: str = "lastNotNull"
    background: bool = False
    sparkline: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTimeline(Panel):
    """A bar of states per series."""

    width: int = COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Heatmap(Panel):
    """The buckets of one histogram over time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarGauge(Panel):
    """One horizontal bar per series."""

    calc: str = "lastNotNull"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: a label's name, or ``Value #A`` for the first query's answer."""

    field: str
    title: str
    unit: str = ""
    decimals: int | None = None
    steps: Steps = ()
    mappings: tuple[Mapping, ...] = ()
    cell: Literal["auto", "color-text", "color-background", "gauge"] = "auto"
    maximum: float | None = None
    width: int | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Panel):
    """Answers of instant queries side by side, joined by the labels that they share.

    ``sort``: titles of columns, largest values first; a later one where earlier ones are equal.
    """

    width: int = 24
    columns: tuple[Column, ...] = ()
    sort: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under a heading; ``collapsed`` ones ask nothing until opened."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


def side_by_side(*panels: Panel) -> tuple[Panel, ...]:
    """The same panels, sharing one line evenly."""
    return tuple(replace(panel, width=COLUMNS // len(panels)) for panel in panels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the top of the board: the values of ``label`` on the series of ``source``."""

    name: str
    title: str
    label: str
    source: Expr
    several: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Moments marked on every time axis."""

    name: str
    expr: Expr
    colour: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard. ``name`` is its file name and the stem of its uid."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...] = ()
