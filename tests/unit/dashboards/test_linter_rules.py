"""The rules of Grafana's dashboard-linter, and those of our own house, on every dashboard and panel."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

Json = dict[str, Any]

RATE = re.compile(r"\b(?:rate|increase|avg_over_time)\([^\[]*\[([^\]]+)\]")
SELECTOR = re.compile(r"[a-z_]+\{([^{}]*)\}")
#: Windows other than $__rate_interval, and why they may be.
OTHER_WINDOWS = {
    "$__range": "counts of the whole time shown: openings, failures by type",
    "1h": "an error budget's burn rate is defined over a fixed window, the SLO alerts' own",
}
#: Boards that ask for what rules keep of all replicas together: no instance is left to choose by.
OVER_REPLICAS = {"fleet.json", "overview.json"}
NO_UNIT = {"none", "short"}
#: Numbers of things that are not whole: means, and numbers too large for all their digits.
COUNTS = {
    "Attempts per call",
    "Attempts per call, by dependency",
    "Callers not stuck, by dependency",
    "Samples per scrape, the largest ten",
}


def test_data_source_is_a_variable(dashboards: dict[str, Json], panels: list[tuple[str, Json]]) -> None:
    for board in dashboards.values():
        first = board["templating"]["list"][0]
        assert (first["type"], first["name"], first["label"]) == ("datasource", "datasource", "Data source")
    for where, panel in panels:
        each = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(d == {"type": "prometheus", "uid": "${datasource}"} for d in each), where


@pytest.mark.parametrize("name", ["job", "instance"])
def test_job_and_instance_variables(dashboards: dict[str, Json], name: str, recorded: bool) -> None:
    for file, board in dashboards.items():
        variables = {v["name"]: v for v in board["templating"]["list"]}
        if name == "instance" and recorded and file in OVER_REPLICAS:
            assert name not in variables
            continue
        variable = variables[name]
        assert variable["label"] == name.capitalize()
        assert variable["multi"] is True
        assert variable["includeAll"] is True
        assert variable["allValue"] == ".+"
        assert variable["refresh"] == 2
        assert variable["datasource"]["uid"] == "${datasource}"
        assert variable["current"]["value"] == ["$__all"]


def test_every_selector_is_within_job_and_instance(
    expressions: list[tuple[str, str]], recorded: bool
) -> None:
    for where, expr in expressions:
        found = SELECTOR.findall(expr.replace("${dependency:regex}", "$dependency"))
        assert found, f"{where}: {expr}"
        for matchers in found:
            assert 'job=~"$job"' in matchers, where
            over_replicas = recorded and where.partition(":")[0] in OVER_REPLICAS
            assert ('instance=~"$instance"' in matchers) is not over_replicas, where


def test_rates_use_the_rate_interval(expressions: list[tuple[str, str]], recorded: bool) -> None:
    windows = Counter(window for _, expr in expressions for window in RATE.findall(expr))
    assert windows["$__rate_interval"] > 20
    # Budgets' hour is recorded as such.
    other = set(OTHER_WINDOWS) - ({"1h"} if recorded else set())
    assert set(windows) - {"$__rate_interval"} == other


def test_panels_have_titles_descriptions_and_units(panels: list[tuple[str, Json]]) -> None:
    for where, panel in panels:
        assert panel["title"].strip(), where
        text = panel["description"]
        assert len(text) > 60, panel["title"]
        assert re.search(r"When |Pick |Click |Many |This is ", text), f"{panel['title']}: says not what to do"
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_what_has_no_unit_is_a_count_or_a_word(panels: list[tuple[str, Json]]) -> None:
    """Without a unit are whole numbers, words for states, and tables, whose columns have their own."""
    for _, panel in panels:
        defaults = panel["fieldConfig"]["defaults"]
        if defaults["unit"] in NO_UNIT and panel["type"] != "table" and not defaults["mappings"]:
            counted = defaults.get("decimals") == 0 or panel["title"] in COUNTS
            assert counted, panel["title"]


def test_counters_are_asked_for_their_rate(expressions: list[tuple[str, str]]) -> None:
    """A bare counter says nothing; annotations take the difference of one step instead of a rate."""
    for where, expr in expressions:
        if " offset " in expr:
            continue
        for found in re.finditer(r"seawall_[a-z_]+(?:_total|_bucket|_sum|_count)\{", expr):
            assert expr[: found.start()].endswith(("rate(", "increase(")), f"{where}: {expr}"


def test_dashboards_are_not_editable_and_have_a_stable_address(dashboards: dict[str, Json]) -> None:
    for name, board in dashboards.items():
        assert board["editable"] is False
        assert board["schemaVersion"] == 42
        assert re.fullmatch(r"seawall-[a-z]+-[0-9a-f]{8}", board["uid"]), name
        assert len(board["uid"]) <= 40
        assert board["id"] is None


def test_ids_are_unique_and_panels_do_not_overlap(dashboards: dict[str, Json]) -> None:
    for name, board in dashboards.items():
        inside = [child for panel in board["panels"] for child in panel.get("panels", [])]
        ids = [panel["id"] for panel in (*board["panels"], *inside)]
        assert len(ids) == len(set(ids)), name
        cells: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24, panel["title"]
            own = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert not cells & own, f"{name}: {panel['title']}"
            cells |= own


def test_no_panel_shows_text_or_html(panels: list[tuple[str, Json]]) -> None:
    kinds = {panel["type"] for _, panel in panels}
    assert kinds <= {"timeseries", "stat", "state-timeline", "heatmap", "table", "bargauge"}
    assert {"timeseries", "stat", "state-timeline", "heatmap", "table"} <= kinds


def test_nothing_of_old_grafana_is_left(dashboards: dict[str, Json], panels: list[tuple[str, Json]]) -> None:
    for board in dashboards.values():
        assert not {"rows", "style", "hideControls", "sharedCrosshair", "gnetId", "__inputs"} & set(board)
    for _, panel in panels:
        assert "maxDataPoints" not in panel, "it coarsens $__rate_interval"
        for target in panel["targets"]:
            assert {"exemplar", "range", "editorMode"} <= set(target)
            assert not {"metric", "query", "step", "target", "intervalFactor"} & set(target)
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None
        assert all(isinstance(step["value"], float) for step in steps[1:])
        assert not _empty(panel), panel["title"]


def _empty(value: object) -> bool:
    """Whether a null stands anywhere but in the first step of thresholds."""
    if isinstance(value, dict):
        return any((v is None and k != "value") or _empty(v) for k, v in value.items())
    return isinstance(value, list) and any(_empty(item) for item in value)
