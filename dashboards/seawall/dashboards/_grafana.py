"""The one module that knows grafanalib, and mends what it writes.

grafanalib 0.7.1 writes schema version 12. Its objects are built here, encoded by its own encoder, and then
brought to schema version 42: what Grafana dropped is taken out, what it wants now is put in.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import Any, cast

from grafanalib import core as g
from grafanalib._gen import DashboardEncoder

from seawall.dashboards import fields, kinds
from seawall.dashboards.options import Options
from seawall.dashboards.panels import (
    COLUMNS,
    Annotation,
    BarGauge,
    Board,
    Heatmap,
    Panel,
    Query,
    Row,
    Stat,
    StateTimeline,
    Table,
    TimeSeries,
    Variable,
)

Json = dict[str, Any]
SCHEMA_VERSION = 42
# Of the panels' model: older ones make Grafana run migrations over what is right already.
PLUGIN_VERSION = "11.6.0"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
CLASSES = {
    TimeSeries: g.TimeSeries,
    Stat: g.Stat,
    StateTimeline: g.StateTimeline,
    Heatmap: g.Heatmap,
    BarGauge: g.BarGauge,
    Table: g.Table,
}
ALL = {"selected": True, "text": ["All"], "value": ["$__all"]}
# What is left of grafanalib's output, by the kind of object; the rest is from before Grafana 8.
PANEL_KEYS = ("datasource", "description", "gridPos", "id", "targets", "title", "type")
ROW_KEYS = ("collapsed", "gridPos", "id", "panels", "title", "type")
TARGET_KEYS = ("datasource", "expr", "format", "hide", "instant", "interval", "legendFormat", "refId")
VARIABLE_KEYS = ("hide", "includeAll", "label", "multi", "name", "query", "refresh", "sort", "type")
DASHBOARD_GONE = ("__inputs", "gnetId", "hideControls", "rows", "sharedCrosshair", "style")


def dashboard(board: Board, options: Options, *, uid: str) -> Json:
    """The dashboard's JSON, ready for Grafana 11 and later."""
    made = g.Dashboard(
        title=board.title,
        description=board.description,
        uid=uid,
        tags=list(options.tags),
        editable=False,
        schemaVersion=SCHEMA_VERSION,
        refresh=options.refresh,
        time=g.Time(options.time_from, "now"),
        timezone="browser",
        graphTooltip=g.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        links=[_family(options)],
        version=1,
    )
    data = {key: value for key, value in _encoded(made).items() if key not in DASHBOARD_GONE}
    data["annotations"] = {"list": [_built_in(), *(annotation(each, options) for each in board.annotations)]}
    data["templating"] = {"list": [datasource(options), *(variable(each) for each in board.variables)]}
    data["panels"] = _laid_out(board)
    data["timepicker"] = {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m"]}
    return data | {"fiscalYearStartMonth": 0, "liveNow": False, "weekStart": ""}


def panel(spec: Panel, board: str, position: Json) -> Json:
    """One panel at a place of the grid."""
    made = CLASSES[type(spec)](
        title=spec.title,
        description=spec.description,
        dataSource=DATASOURCE,
        id=panel_id(f"{board}.{spec.key}"),
        gridPos=position,
    )
    data = _only(_encoded(made), PANEL_KEYS)
    data["targets"] = [target(query, fields.ref(n)) for n, query in enumerate(spec.queries)]
    data["fieldConfig"] = fields.field_config(spec)
    data["options"] = kinds.options(spec)
    data["pluginVersion"] = PLUGIN_VERSION
    shaped = kinds.transformations(spec)
    return data | ({"transformations": shaped} if shaped else {})


def panel_id(key: str) -> int:
    """From the key, never from a counter: links to a panel survive when another one is added."""
    return zlib.crc32(key.encode()) % 1_000_000_000 + 1


def target(query: Query, ref: str) -> Json:
    made = g.Target(
        expr=query.expr.text,
        legendFormat=query.legend or "__auto",
        format=query.shape,
        refId=ref,
        instant=query.instant,
        interval=query.least_step,
        datasource=DATASOURCE,
    )
    more = {"editorMode": "code", "exemplar": query.exemplars, "range": not query.instant}
    return _only(_encoded(made), TARGET_KEYS) | more


def variable(spec: Variable) -> Json:
    """A query variable: several values and "All", or exactly one."""
    asked = f"label_values({spec.source.text}, {spec.label})"
    made = g.Template(
        name=spec.name,
        label=spec.title,
        query=asked,
        multi=spec.several,
        includeAll=spec.several,
        refresh=g.REFRESH_ON_TIME_RANGE_CHANGE,
        sort=g.SORT_ALPHA_IGNORE_CASE_ASC,
    )
    data = _only(_encoded(made), VARIABLE_KEYS)
    data["datasource"] = DATASOURCE
    data["definition"] = asked
    data["query"] = {"qryType": 1, "query": asked, "refId": f"variable-{spec.name}"}
    data["description"] = spec.description
    return data | ({"allValue": ".+", "current": ALL} if spec.several else {})


def datasource(options: Options) -> Json:
    made = g.Template(name="datasource", label="Data source", query="prometheus", type="datasource")
    data = _only(_encoded(made), VARIABLE_KEYS) | {"refresh": 1}
    chosen = {"selected": True, "text": options.datasource, "value": options.datasource}
    return data | ({"current": chosen} if options.datasource else {})


def annotation(spec: Annotation, options: Options) -> Json:
    """grafanalib has no class for it."""
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "expr": spec.expr.text,
        "hide": False,
        "iconColor": spec.colour,
        "name": spec.name,
        "step": options.scrape_interval,
        "textFormat": spec.text,
        "titleFormat": spec.title,
        "useValueForTime": False,
    }


def _built_in() -> Json:
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def _family(options: Options) -> Json:
    """The other boards of the set, with the time and the choices carried over."""
    made = g.DashboardLink(
        asDropdown=True, includeVars=True, keepTime=True, tags=list(options.tags), title=options.folder
    )
    return {key: value for key, value in _encoded(made).items() if key != "url"}


def _laid_out(board: Board) -> list[Json]:
    """Rows below each other; panels of a row from left to right, on a new line where they don't fit."""
    out: list[Json] = []
    y = 0
    for row in board.rows:
        heading = _row(row, board.name, y)
        placed, y = _placed(row.panels, board.name, y + 1)
        out.append(heading)
        if row.collapsed:
            heading["panels"] = placed
            y = cast(int, heading["gridPos"]["y"]) + 1
        else:
            out += placed
    return out


def _placed(panels: Iterable[Panel], board: str, y: int) -> tuple[list[Json], int]:
    placed: list[Json] = []
    x = tallest = 0
    for spec in panels:
        if x + spec.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        placed.append(panel(spec, board, {"h": spec.height, "w": spec.width, "x": x, "y": y}))
        x += spec.width
        tallest = max(tallest, spec.height)
    return placed, y + tallest


def _row(row: Row, board: str, y: int) -> Json:
    made = g.RowPanel(
        title=row.title,
        collapsed=row.collapsed,
        id=panel_id(f"{board}:{row.title}"),
        gridPos={"h": 1, "w": COLUMNS, "x": 0, "y": y},
    )
    return _only(_encoded(made), ROW_KEYS)


def _only(data: Json, keys: tuple[str, ...]) -> Json:
    return {key: data[key] for key in keys}


def _encoded(made: Any) -> Json:
    return cast(Json, json.loads(json.dumps(made, cls=DashboardEncoder)))
