"""Panels that users write: all that is wrong with one is named at once."""

from __future__ import annotations

from typing import Any

import pytest

from seawall.dashboards import OptionsError
from seawall.dashboards.importing import ImportProblem, parse
from seawall.dashboards.panels import Query, TimeSeries
from seawall.telemetry.promql import raw


def panel(**changed: Any) -> TimeSeries:
    usual: dict[str, Any] = {"key": "ours", "title": "Ours", "description": "Ours.", "queries": ()}
    return TimeSeries(**usual | changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": "Our panel"}, "key is 'Our panel'; allowed: small letters, digits and -"),
        ({"title": " "}, "title is ' '; allowed: some text"),
        ({"description": None}, "description is None; allowed: some text"),
        ({"queries": "up"}, "queries is 'up'; allowed: a tuple of Query"),
        ({"queries": ("up",)}, "queries has 'up' in it; allowed: Query"),
        ({"width": 25}, "width is 25; allowed: 1 to 24"),
        ({"width": "12"}, "width is '12'; allowed: 1 to 24"),
        ({"height": 0}, "height is 0; allowed: 1 to 100"),
        ({"steps": ((0.5, "#B00020"),)}, "steps is ((0.5, '#B00020'),); allowed: (None, colour), then"),
        ({"steps": ((None, "a"), (2, "b"), (1, "c"))}, "with rising numbers"),
        ({"steps": 0.5}, "steps is 0.5; allowed: (None, colour)"),
    ],
)
def test_what_a_panel_can_not_be(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionsError) as caught:
        panel(**changed)
    (problem,) = caught.value.problems
    assert problem.startswith(f"TimeSeries {changed.get('key', 'ours')!r}: ")
    assert said in problem


def test_all_of_it_is_named_at_once() -> None:
    with pytest.raises(OptionsError) as caught:
        panel(title="", width=0, height=0)
    assert len(caught.value.problems) == 3


def test_promql_is_an_expression() -> None:
    with pytest.raises(OptionsError, match=r"Query.expr is 'up'; allowed: an Expr, such as raw\('up'\)"):
        Query(expr="up")  # type: ignore[arg-type]  # what people write
    assert Query(expr=raw("up")).expr.text == "up"


def test_a_file_that_was_exported_for_sharing_is_refused() -> None:
    text = '{"uid": "u", "title": "t", "panels": [], "__inputs": [{"name": "DS_PROMETHEUS"}]}'
    with pytest.raises(ImportProblem, match=r"a\.json was exported for sharing \(__inputs\)"):
        parse({"a.json": text})
