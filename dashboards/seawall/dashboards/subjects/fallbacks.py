"""Graceful degradation: which fallbacks answer, whether they work, how old what they serve is."""

from __future__ import annotations

from seawall.dashboards.ask import Ask
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Query, TimeSeries
from seawall.telemetry import catalog
from seawall.telemetry.promql import equal


def by_mode(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="fallbacks",
        title="Fallbacks by mode",
        description=(
            "Calls answered by a fallback, by mode (alternative, stale, queued, default), and fallbacks "
            "that failed themselves. When failed appears: callers get errors although there is a fallback; "
            "mend it first."
        ),
        queries=(
            Query(
                expr=ask.total(catalog.DEGRADATIONS, equal("outcome", "served"), by=("mode",)).above(0),
                legend="{{mode}}",
            ),
            Query(
                expr=ask.total(catalog.DEGRADATIONS, equal("outcome", "failed")).above(0),
                legend="failed",
                colour=palette.bad,
            ),
        ),
        unit="reqps",
        minimum=0.0,
        stacked=True,
        colours=(
            ("alternative", palette.notice),
            ("stale", palette.degraded),
            ("queued", palette.rejected),
            ("default", palette.neutral),
        ),
        bars=True,
        no_value="no fallback was asked",
    )


def degraded_share(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="degraded-share",
        title="Degraded and failed calls",
        description=(
            "Of this dependency's calls, the share that a fallback answered and the share that failed for "
            "the caller. When degraded is up and failed is not: the fallback holds, but users notice. When "
            "failed is up: it does not."
        ),
        queries=(
            Query(expr=ask.degraded(), legend="degraded", colour=palette.degraded),
            Query(expr=ask.failed(), legend="failed", colour=palette.bad),
        ),
        unit="percentunit",
        minimum=0.0,
        maximum=1.0,
        fill=20,
    )


def stale_age(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="stale-age",
        title="Age of stale answers",
        description=(
            "How old the values are that the stale fallback serves, and the oldest that the policy allows. "
            "When it nears the dashed line: soon there is nothing left to serve but the next fallback."
        ),
        queries=(
            Query(expr=ask.quantile(0.5, catalog.STALE_AGE), legend="p50", colour=palette.good),
            Query(expr=ask.quantile(0.99, catalog.STALE_AGE), legend="p99", colour=palette.notice),
            Query(expr=ask.setting("fallback", "stale_for"), legend="oldest allowed", limit=palette.bad),
        ),
        unit="s",
        minimum=0.0,
        fill=0,
        no_value="nothing stale served",
    )
