"""Generated dashboards against Grafana's own models: its TypeScript types and its foundation SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from tests.node_packages import check_documents, installed

from reference.guards import registry
from seawall.dashboards import Options, build

Json = dict[str, Any]
pytestmark = pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")
HERE = Path(__file__).resolve().parent
EVERY_LABEL = Options(cluster_label="cluster", namespace_label="k8s_namespace", several_services=True)


@pytest.fixture(scope="module", params=[Options(), EVERY_LABEL], ids=["one service", "a fleet's labels"])
def dashboards(request: pytest.FixtureRequest) -> dict[str, Json]:
    """Of the reference service, whose guards use every policy."""
    return {name: json.loads(text) for name, text in build(registry.describe(), request.param).items()}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Json]], tuple[int, str]]:
    """Runs the type check on dashboards: its exit code and what it said."""
    installed(HERE, "typescript", "against Grafana's types")

    def check(dashboards: dict[str, Json]) -> tuple[int, str]:
        return check_documents(HERE / "check.mjs", dashboards, tmp_path_factory.mktemp("dashboards"))

    return check


def test_grafanas_types(
    dashboards: dict[str, Json], checked: Callable[[dict[str, Json]], tuple[int, str]]
) -> None:
    code, said = checked(dashboards)
    assert code == 0, said
    parts = int(said.split()[0])
    assert parts > 100


def spoil_version(board: Json) -> None:
    board["schemaVersion"] = "42"


def spoil_legend(board: Json) -> None:
    of_type(board, "timeseries")["options"]["legend"]["displayMode"] = "grid"


def spoil_draw_style(board: Json) -> None:
    of_type(board, "timeseries")["fieldConfig"]["defaults"]["custom"]["drawStyle"] = "crayon"


def spoil_stat(board: Json) -> None:
    del of_type(board, "stat")["options"]["wideLayout"]


def spoil_override(board: Json) -> None:
    overrides = of_type(board, "table")["fieldConfig"]["overrides"]
    overrides[0]["properties"].append({"id": "custom.cellOptions", "value": {"type": "balloon"}})


def spoil_variable(board: Json) -> None:
    board["templating"]["list"][1]["refresh"] = 7


def spoil_panel(board: Json) -> None:
    of_type(board, "stat")["maxDataPoint"] = 100


SPOILS = [
    spoil_version,
    spoil_legend,
    spoil_draw_style,
    spoil_stat,
    spoil_override,
    spoil_variable,
    spoil_panel,
]


def test_what_the_types_forbid_is_found(checked: Callable[[dict[str, Json]], tuple[int, str]]) -> None:
    """One dashboard for each fault; every one of them must be in the list of violations."""
    text = build(registry.describe())["overview.json"]
    spoiled = {f"{spoil.__name__}.json": json.loads(text) for spoil in SPOILS}
    for spoil in SPOILS:
        spoil(spoiled[f"{spoil.__name__}.json"])
    code, said = checked(spoiled)
    assert code == 1
    assert [name for name in spoiled if name not in said] == []


def of_type(board: Json, kind: str) -> Json:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def test_foundation_sdk_round_trip(dashboards: dict[str, Json]) -> None:
    """Grafana's SDK reads every dashboard and writes back all that was in it; it only adds defaults."""
    plugins.register_default_plugins()
    for name, board in dashboards.items():
        read = Dashboard.from_json(json.loads(json.dumps(board)))
        back = json.loads(JSONEncoder(sort_keys=True).encode(read))
        # No id is what a dashboard has before it is imported: the SDK leaves it out.
        assert [where for where in lost(board, back) if where != "/id"] == [], name


def test_the_round_trip_finds_what_the_sdk_does_not_know() -> None:
    plugins.register_default_plugins()
    board = json.loads(build(registry.describe())["overview.json"])
    of_type(board, "stat")["options"]["sparkles"] = True
    back = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(json.loads(json.dumps(board)))))
    assert any(where.endswith("/options/sparkles") for where in lost(board, back))


def lost(ours: object, theirs: object, where: str = "") -> Iterator[str]:
    """Paths of what is in ours and is missing or different in theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key not in theirs:
                yield f"{where}/{key}"
            else:
                yield from lost(value, theirs[key], f"{where}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for n, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(one, other, f"{where}/{n}")
    elif ours != theirs:
        yield where
