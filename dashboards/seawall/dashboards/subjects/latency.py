"""How long calls and attempts take, with the limits of the policy drawn in."""

from __future__ import annotations

from seawall.dashboards.ask import WINDOW, Ask
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Heatmap, Query, Stat, TimeSeries
from seawall.telemetry import catalog
from seawall.telemetry.promql import increase, max_by, sum_by, topk

QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


def _quantiles(ask: Ask, options: Options, series: catalog.Series) -> tuple[Query, ...]:
    palette = options.palette
    colours = (palette.neutral, palette.notice, palette.timeout)
    return tuple(
        Query(
            expr=ask.quantile(share, series),
            legend=name,
            colour=colour,
            exemplars=ask.exemplars and share == 0.99,
        )
        for (share, name), colour in zip(QUANTILES, colours, strict=True)
    )


def p99(ask: Ask, options: Options) -> Stat:
    return Stat(
        key="p99",
        title="p99 of calls",
        description=(
            "The time within which 99 of 100 calls end, as callers feel it: with retries, waits and "
            "fallbacks. When it jumps: a dependency is slow, and its timeout lets callers wait; see the "
            "latency panels."
        ),
        queries=(
            Query(
                expr=ask.quantile(0.99, catalog.CALL_DURATION),
                legend="p99",
                colour=options.palette.notice,
                instant=True,
            ),
        ),
        unit="s",
        no_value="no calls",
        sparkline=False,
    )


def of_calls(ask: Ask, options: Options) -> TimeSeries:
    dots = "; dots are single calls that open their trace" if ask.exemplars else ""
    return TimeSeries(
        key="call-latency",
        title="Latency as callers feel it",
        description=(
            f"Quantiles of the duration of whole calls, with retries, waits and fallbacks{dots}. "
            "When p99 leaves the others: some callers wait for timeouts or retries."
        ),
        queries=_quantiles(ask, options, catalog.CALL_DURATION),
        unit="s",
        minimum=0.0,
        fill=0,
    )


def of_calls_with_limit(ask: Ask, options: Options) -> TimeSeries:
    """The same with the total timeout of one guard."""
    base = of_calls(ask, options)
    limit = Query(expr=ask.setting("timeout", "total"), legend="total timeout", limit=options.palette.bad)
    return TimeSeries(
        key=base.key,
        title=base.title,
        description=base.description
        + " The dashed line is the policy's total timeout: no call may take longer.",
        queries=(*base.queries, limit),
        unit="s",
        minimum=0.0,
        fill=0,
    )


def of_attempts(ask: Ask, options: Options, *, timed: bool, slow: bool) -> TimeSeries:
    """Quantiles of attempts of one guard; ``timed`` and ``slow`` draw attempt timeout and slow_after."""
    palette = options.palette
    limits = []
    if timed:
        limits.append(
            Query(expr=ask.setting("timeout", "attempt"), legend="attempt timeout", limit=palette.bad)
        )
    if slow:
        limits.append(
            Query(expr=ask.setting("breaker", "slow_after"), legend="slow from", limit=palette.slow)
        )
    return TimeSeries(
        key="attempt-latency",
        title="Latency of the dependency",
        description=(
            "Quantiles of single attempts: what the dependency itself needs, and the attempt timeout of "
            "the policy. When p95 nears the dashed line: timeouts follow; raise the timeout only if "
            "callers can wait."
        ),
        queries=(*_quantiles(ask, options, catalog.ATTEMPT_DURATION), *limits),
        unit="s",
        minimum=0.0,
        fill=0,
    )


def heatmap(ask: Ask, options: Options) -> Heatmap:
    buckets = sum_by(increase(ask.scope.bucket(catalog.CALL_DURATION), WINDOW), "le")
    return Heatmap(
        key="latency-heatmap",
        title="Where calls spend their time",
        description=(
            "How many calls fell into each range of duration; bright is many. Two bands mean two kinds of "
            "calls: the real answer and the fallback, or first tries and retries. When the upper band "
            "brightens: more callers wait."
        ),
        queries=(Query(expr=buckets, legend="{{le}}", shape="heatmap", exemplars=True),),
        unit="s",
    )


def by_guard(ask: Ask, options: Options) -> TimeSeries:
    return TimeSeries(
        key="latency-by-dependency",
        title="p99 of calls, by dependency",
        description=(
            "The slowest ten dependencies as callers feel them. "
            "When one rises alone: it is that dependency. When all rise: it is the service itself."
        ),
        queries=(
            Query(
                expr=topk(10, ask.quantile(0.99, catalog.CALL_DURATION, ask.by)),
                legend=ask.legend,
            ),
        ),
        unit="s",
        minimum=0.0,
        fill=0,
        calcs=("lastNotNull", "max"),
    )


def timeouts(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="timeouts",
        title="Timeouts by scope",
        description=(
            "Attempts cut off by the attempt timeout, and whole calls cut off by the total timeout. "
            "When total grows: callers run out of time even with retries, and see a timeout or the fallback."
        ),
        queries=(Query(expr=ask.total(catalog.TIMEOUTS, by=("scope",)).above(0), legend="{{scope}}"),),
        unit="suffix:/s",
        minimum=0.0,
        stacked=True,
        bars=True,
        colours=(("attempt", palette.timeout), ("total", palette.bad)),
        no_value="no timeouts",
    )


def abandoned_threads(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="abandoned-threads",
        title="Abandoned worker threads",
        description=(
            "Threads whose caller timed out and whose function has not returned, on the instance with the "
            "most, and how many threads there may be. When they touch the dashed line: calls are turned away "
            "(threads_busy); the function needs a socket timeout of its own."
        ),
        queries=(
            Query(
                expr=max_by(ask.scope.select(catalog.TIMEOUT_ABANDONED)),
                legend="abandoned",
                colour=palette.timeout,
            ),
            Query(expr=ask.setting("timeout", "threads"), legend="threads", limit=palette.bad),
        ),
        unit="none",
        decimals=0,
        minimum=0.0,
        fill=15,
        no_value="no worker threads in the policy",
    )
