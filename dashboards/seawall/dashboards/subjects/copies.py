"""Hedges and coalescing: calls that were asked more than once, and calls that were not asked at all."""

from __future__ import annotations

from seawall.dashboards.ask import Ask
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Query, TimeSeries
from seawall.telemetry import catalog
from seawall.telemetry.promql import ratio


def hedges(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="hedges",
        title="What became of hedges",
        description=(
            "Further copies of calls that were late: answered first (won), outrun (lost), failed, or not "
            "started for want of a place, a permit or budget. When nearly all are lost: the delay is too "
            "short, and the dependency works twice for nothing. When many are refused: it is busy already."
        ),
        queries=(Query(expr=ask.total(catalog.HEDGES, by=("outcome",)).above(0), legend="{{outcome}}"),),
        unit="reqps",
        minimum=0.0,
        stacked=True,
        colours=(
            ("won", palette.good),
            ("lost", palette.neutral),
            ("failed", palette.bad),
            ("refused", palette.rejected),
        ),
        bars=True,
        no_value="no call was late",
    )


def coalesced(ask: Ask, options: Options) -> TimeSeries:
    shared = ask.total(catalog.COALESCED_CALLS)
    return TimeSeries(
        key="coalesced-calls",
        title="Calls that shared an execution",
        description=(
            "Share of calls that got the answer of an identical call that was under way: load that the "
            "dependency was spared. When it stays at 0: the key tells calls apart that are the same, or they "
            "never come at the same time."
        ),
        queries=(Query(expr=ratio(shared, ask.calls()), legend="shared", colour=options.palette.good),),
        unit="percentunit",
        minimum=0.0,
        maximum=1.0,
        no_value="no call was shared",
    )
