"""Every expression is PromQL, and every series and label in it is the catalog's."""

from __future__ import annotations

import re

import promql_parser
import pytest

from seawall.dashboards import own
from seawall.telemetry import catalog
from seawall.telemetry.promql import Scope
from seawall.telemetry.recorded import Recordings

VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "15s", "${dependency:regex}": ".+"}
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[^{}\"`]|\"(?:[^\"\\]|\\.)*\"|`[^`]*`)*)\}")
MATCHER = re.compile(r"([a-zA-Z_]\w*)(?:=~|!~|!=|=)[\"`]")
GROUPING = re.compile(r"\b(?:by|on|group_left|without|ignoring)\s*\(([^)]*)\)")
TARGET = {"job", "instance"}


def known_series() -> dict[str, set[str]]:
    """Labels by the name that a series has when scraped."""
    known: dict[str, set[str]] = {}
    for series in (*catalog.SERIES, *own.EVERY):
        labels = {*series.labels, *TARGET}
        if series.type == "histogram":
            known |= {series.bucket: labels | {"le"}, series.sum: labels, series.count: labels}
        else:
            known[series.name] = labels
    kept = Recordings(scope=Scope())
    each = (
        *kept.for_boards,
        *kept.of_breakers,
        kept.rejections,
        kept.states,
        kept.calls,
        kept.settings,
        kept.criticalities,
    )
    return known | {recorded.name: set(recorded.expr.labels) for recorded in each}


def test_expressions_are_promql(expressions: list[tuple[str, str]]) -> None:
    assert len(expressions) > 60
    for where, expr in expressions:
        for variable, value in VARIABLES.items():
            expr = expr.replace(variable, value)
        assert promql_parser.parse(expr) is not None, where


def test_series_and_labels_are_in_the_catalog(expressions: list[tuple[str, str]]) -> None:
    known = known_series()
    for where, expr in expressions:
        selectors = SELECTOR.findall(expr)
        assert selectors, where
        for name, matchers in selectors:
            assert name in known, f"{where}: {name}"
            assert set(MATCHER.findall(matchers)) <= known[name], f"{where}: {matchers}"
        everything = {label for name, _ in selectors for label in known[name]}
        for labels in GROUPING.findall(expr):
            assert {x.strip() for x in labels.split(",") if x.strip()} <= everything, f"{where}: {labels}"


def test_every_series_is_shown_somewhere(expressions: list[tuple[str, str]]) -> None:
    """What is counted is looked at."""
    shown = {name for _, expr in expressions for name, _ in SELECTOR.findall(expr)}
    for series in catalog.SERIES:
        # The resource of the service, for joins in one's own queries; it says nothing about resilience.
        if series is not catalog.TARGET_INFO:
            names = {series.name} if series.type != "histogram" else {series.bucket, series.sum, series.count}
            assert names & shown, f"{series.name} is on no board"


@pytest.mark.parametrize("name", ["job", "instance", "dependency", "operation"])
def test_variables_ask_for_labels_that_exist(dashboards: dict[str, dict[str, object]], name: str) -> None:
    known = known_series()
    asked = 0
    for board in dashboards.values():
        for variable in board["templating"]["list"]:  # type: ignore[index]
            if variable["name"] != name:
                continue
            asked += 1
            found = re.fullmatch(r"label_values\((\w+)(?:\{(.*)\})?, (\w+)\)", variable["definition"])
            assert found is not None, variable["definition"]
            assert found[3] in known[found[1]]
            assert set(MATCHER.findall(found[2] or "")) <= known[found[1]]
    assert asked
