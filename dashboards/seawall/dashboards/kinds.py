"""Panel options of each kind, as Grafana 11 to 13 read them."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from seawall.dashboards.panels import BarGauge, Heatmap, Panel, Stat, StateTimeline, Table, TimeSeries

Json = dict[str, Any]
TOOLTIP = {"mode": "multi", "sort": "desc"}


@singledispatch
def options(panel: Panel) -> Json:
    """Options of the panel's plugin."""
    raise TypeError(f"no options for a {type(panel).__name__}")


@options.register
def _(panel: TimeSeries) -> Json:
    table = bool(panel.calcs)
    legend = {
        "calcs": list(panel.calcs),
        "displayMode": "table" if table else "list",
        "placement": "bottom",
        "showLegend": True,
    }
    if table:
        legend |= {"sortBy": "Last *" if "lastNotNull" in panel.calcs else "Max", "sortDesc": True}
    return {"legend": legend, "tooltip": TOOLTIP | {"hideZeros": panel.stacked}}


@options.register
def _(panel: Stat) -> Json:
    return {
        "colorMode": "background_solid" if panel.background else "value",
        "graphMode": "area" if panel.sparkline else "none",
        "justifyMode": "center",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": [panel.calc], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }


@options.register
def _(panel: StateTimeline) -> Json:
    return {
        "alignValue": "left",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }


@options.register
def _(panel: Heatmap) -> Json:
    return {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scale": "exponential",
            "scheme": "Cividis",
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,255,255,0.8)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto", "value": "Calls"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
    }


@options.register
def _(panel: BarGauge) -> Json:
    return {
        "displayMode": "basic",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": [panel.calc], "fields": "", "values": False},
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }


@options.register
def _(panel: Table) -> Json:
    sort = [{"displayName": title, "desc": True} for title in panel.sort]
    return {"cellHeight": "sm", "frameIndex": 0, "showHeader": True, "sortBy": sort}


def transformations(panel: Panel) -> list[Json]:
    """A table joins its answers, then names, orders and hides columns. Nothing for the other kinds."""
    if not isinstance(panel, Table):
        return []
    organize = {
        "excludeByName": {},
        "includeByName": {column.field: True for column in panel.columns},
        "indexByName": {column.field: n for n, column in enumerate(panel.columns)},
        "renameByName": {
            column.field: column.title for column in panel.columns if column.title != column.field
        },
    }
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}]
