"""Rejections, bulkheads and rate limiters."""

from __future__ import annotations

from seawall.dashboards.ask import Ask
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Query, TimeSeries
from seawall.telemetry import catalog
from seawall.telemetry.promql import max_by, min_by

NO_BULKHEAD = "no bulkhead in the policy"
NO_LIMITER = "no rate limit in the policy"


def rejections(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="rejections",
        title="Calls turned away, by who did",
        description=(
            "Calls that never reached the dependency, by the policy that turned them away and why. "
            "When breaker: the dependency is sick. When bulkhead: it is slow or the limit is tight. "
            "When rate_limit: this service asks more than was agreed."
        ),
        queries=(
            Query(
                expr=ask.total(catalog.REJECTIONS, by=("policy", "reason")).above(0),
                legend="{{policy}}: {{reason}}",
            ),
            Query(expr=ask.total(catalog.BREAKER_WOULD_REJECT).above(0), legend="would be, in metrics_only"),
        ),
        unit="reqps",
        minimum=0.0,
        stacked=True,
        bars=True,
        colours=(
            ("breaker: open", palette.bad),
            ("breaker: half_open", palette.degraded),
            ("breaker: forced_open", palette.timeout),
            ("bulkhead: full", palette.rejected),
            ("bulkhead: queue_full", palette.rejected),
            ("bulkhead: wait_exceeded", palette.notice),
            ("rate_limit: exceeded", palette.slow),
            ("would be, in metrics_only", palette.neutral),
        ),
        no_value="no call was turned away",
    )


def in_flight(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="bulkhead",
        title="Bulkhead: calls inside and waiting",
        description=(
            "Calls in the bulkhead and waiting for a place, on the fullest instance, and the policy's limit. "
            "When calls touch the dashed line: the dependency is slower than the limit allows for, and calls "
            "queue or are turned away."
        ),
        queries=(
            Query(
                expr=max_by(ask.scope.select(catalog.BULKHEAD_IN_FLIGHT)),
                legend="inside",
                colour=palette.notice,
            ),
            Query(
                expr=max_by(ask.scope.select(catalog.BULKHEAD_QUEUED)),
                legend="waiting",
                colour=palette.degraded,
            ),
            Query(expr=ask.setting("bulkhead", "limit"), legend="limit", limit=palette.bad),
        ),
        unit="none",
        decimals=0,
        minimum=0.0,
        fill=15,
        no_value=NO_BULKHEAD,
    )


def permits(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="rate-limiter",
        title="Rate limiter: permits left",
        description=(
            "Permits that the token bucket has left, on the instance with the fewest, and its size. "
            "When it stays at 0: calls wait or are turned away; spread the load or agree on a higher rate."
        ),
        queries=(
            Query(
                expr=min_by(ask.scope.select(catalog.RATE_LIMITER_AVAILABLE)),
                legend="permits left",
                colour=palette.notice,
            ),
            Query(expr=ask.setting("rate_limit", "burst"), legend="burst", limit=palette.neutral),
        ),
        unit="none",
        decimals=0,
        minimum=0.0,
        fill=15,
        no_value=NO_LIMITER,
    )


def waits(ask: Ask, options: Options, *, bulkhead: bool, limiter: bool) -> TimeSeries:
    """Time spent in queues, of the policies that have one."""
    queries = []
    if bulkhead:
        queries += [
            Query(
                expr=ask.quantile(0.99, catalog.BULKHEAD_WAIT),
                legend="bulkhead p99",
                colour=options.palette.degraded,
            ),
            Query(
                expr=ask.setting("bulkhead", "max_wait"),
                legend="bulkhead max wait",
                limit=options.palette.degraded,
            ),
        ]
    if limiter:
        queries += [
            Query(
                expr=ask.quantile(0.99, catalog.RATE_LIMITER_WAIT),
                legend="rate limiter p99",
                colour=options.palette.rejected,
            ),
            Query(
                expr=ask.setting("rate_limit", "max_wait"),
                legend="rate limiter max wait",
                limit=options.palette.rejected,
            ),
        ]
    return TimeSeries(
        key="waits",
        title="Waiting for a place or a permit",
        description=(
            "How long calls that had to wait did so, 99 of 100, and the longest wait that the policy allows. "
            "When it nears its dashed line: calls are about to be turned away."
        ),
        queries=tuple(queries),
        unit="s",
        minimum=0.0,
        fill=0,
        no_value="nothing waited",
    )
