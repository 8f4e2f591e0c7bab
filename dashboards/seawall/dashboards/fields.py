"""Field configuration and options of each kind of panel, as Grafana 11 to 13 read them."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from seawall.dashboards.panels import (
    Column,
    Heatmap,
    Link,
    Mapping,
    Panel,
    Query,
    StateTimeline,
    Steps,
    Table,
    TimeSeries,
)

Json = dict[str, Any]
NOT_HIDDEN = {"legend": False, "tooltip": False, "viz": False}


def field_config(panel: Panel) -> Json:
    """Defaults and overrides."""
    defaults: Json = {
        "color": {"mode": _colour_mode(panel)},
        "mappings": mappings(panel.mappings),
        "thresholds": thresholds(panel.steps),
        "unit": panel.unit,
        "custom": custom(panel),
    }
    for name, value in (("decimals", panel.decimals), ("min", panel.minimum), ("max", panel.maximum)):
        if value is not None:
            defaults[name] = value
    if panel.no_value:
        defaults["noValue"] = panel.no_value
    if panel.links:
        defaults["links"] = links(panel.links)
    overrides = [_override("byName", name, {"color": fixed(colour)}) for name, colour in panel.colours]
    overrides += [
        _override("byFrameRefID", ref(n), query_style(query))
        for n, query in enumerate(panel.queries)
        if query.limit or query.colour
    ]
    if isinstance(panel, Table):
        overrides += [_override("byName", column.title, column_style(column)) for column in panel.columns]
    return {"defaults": defaults, "overrides": overrides}


def _colour_mode(panel: Panel) -> str:
    """Lines keep a colour each, also where thresholds are drawn behind them."""
    by_value = bool(panel.steps or panel.mappings) and not isinstance(panel, TimeSeries)
    return "thresholds" if by_value else "palette-classic"


def ref(position: int) -> str:
    """A, B, ... Z, AA, ..."""
    letter = chr(ord("A") + position % 26)
    return letter if position < 26 else ref(position // 26 - 1) + letter


def fixed(colour: str) -> Json:
    return {"mode": "fixed", "fixedColor": colour}


def thresholds(steps: Steps, base: str = "text") -> Json:
    each = steps or ((None, base),)
    return {
        "mode": "absolute",
        "steps": [{"color": c, "value": None if v is None else float(v)} for v, c in each],
    }


def mappings(each: tuple[Mapping, ...]) -> list[Json]:
    shown = [{"text": m.text, "color": m.colour, "index": n} for n, m in enumerate(each)]
    values = {str(m.value): as_ for m, as_ in zip(each, shown, strict=True) if m.value is not None}
    found: list[Json] = [{"type": "value", "options": values}] if values else []
    found += [
        {"type": "special", "options": {"match": "null+nan", "result": as_}}
        for m, as_ in zip(each, shown, strict=True)
        if m.value is None
    ]
    return found


def links(each: tuple[Link, ...]) -> list[Json]:
    return [{"title": link.title, "url": link.url, "targetBlank": False} for link in each]


def query_style(query: Query) -> Json:
    if not query.limit:
        return {"color": fixed(query.colour)}
    return {
        "color": fixed(query.limit),
        "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
        "custom.lineWidth": 2,
        "custom.fillOpacity": 0,
        "custom.drawStyle": "line",
        "custom.stacking": {"group": "limit", "mode": "none"},
    }


def column_style(column: Column) -> Json:
    style: Json = {}
    if column.unit:
        style["unit"] = column.unit
    if column.decimals is not None:
        style["decimals"] = column.decimals
    if column.steps:
        style["thresholds"] = thresholds(column.steps)
        style["color"] = {"mode": "thresholds"}
    if column.mappings:
        style["mappings"] = mappings(column.mappings)
    if column.cell == "gauge":
        style["custom.cellOptions"] = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        style["min"] = 0.0
    elif column.cell == "color-background":
        style["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
    elif column.cell == "color-text":
        style["custom.cellOptions"] = {"type": "color-text"}
    if column.maximum is not None:
        style["max"] = column.maximum
    if column.width is not None:
        style["custom.width"] = column.width
    if column.links:
        style["links"] = links(column.links)
    return style


def _override(matcher: str, of: str, properties: Json) -> Json:
    each = [{"id": key, "value": value} for key, value in properties.items()]
    return {"matcher": {"id": matcher, "options": of}, "properties": each}


@singledispatch
def custom(panel: Panel) -> Json:
    return {}


@custom.register
def _(panel: TimeSeries) -> Json:
    return {
        "axisBorderShow": False,
        "axisCenteredZero": False,
        "axisColorMode": "text",
        "axisLabel": "",
        "axisPlacement": "auto",
        "barAlignment": 0,
        "barWidthFactor": 0.8,
        "drawStyle": "bars" if panel.bars else "line",
        "fillOpacity": 70 if panel.stacked else panel.fill,
        "gradientMode": "none",
        "hideFrom": NOT_HIDDEN,
        "insertNulls": False,
        "lineInterpolation": "linear",
        "lineStyle": {"fill": "solid"},
        "lineWidth": 0 if panel.stacked and not panel.bars else 1,
        "pointSize": 4,
        "scaleDistribution": {"type": "log", "log": 10} if panel.logarithmic else {"type": "linear"},
        "showPoints": "auto",
        # Milliseconds: a missed scrape is no gap, an outage of the scrape is.
        "spanNulls": 120000,
        "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }


@custom.register
def _(panel: StateTimeline) -> Json:
    return {"fillOpacity": 80, "lineWidth": 0, "hideFrom": NOT_HIDDEN}


@custom.register
def _(panel: Heatmap) -> Json:
    return {"hideFrom": NOT_HIDDEN, "scaleDistribution": {"type": "linear"}}


@custom.register
def _(panel: Table) -> Json:
    return {
        "align": "auto",
        "cellOptions": {"type": "auto"},
        "filterable": False,
        "inspect": False,
    }
