"""Many replicas: how they are spread, which is the worst, how many of them have lost a dependency.

Every query gives a handful of series whatever the number of replicas, and reads some hundreds.
"""

from __future__ import annotations

from dataclasses import replace

from seawall.dashboards import variables
from seawall.dashboards.ask import Ask
from seawall.dashboards.facts import Facts
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Board, Column, Panel, Query, Row, Stat, Table, TimeSeries, side_by_side
from seawall.dashboards.recorded_ask import over_replicas, paced
from seawall.dashboards.subjects.tables import Answer, answered
from seawall.telemetry import catalog
from seawall.telemetry.promql import Expr, count_by, max_by, min_by, quantile_by, topk

NAME = "fleet"


def board(facts: Facts, options: Options) -> Board:
    """By instance, never by instance and dependency at once."""
    a = over_replicas(options, dependencies=False)
    each = options.process_labels
    rows = [Row(title="Now", panels=side_by_side(*_now(a, facts, each, options)))]
    if facts.has("breaker"):
        rows.append(Row(title="Breakers over the replicas", panels=(_open_share(a),)))
    rows += [
        Row(title="Spread over the replicas", panels=_spread(a, each, options)),
        Row(title="Worst replicas", panels=(_worst(a, facts, each, options),)),
    ]
    if options.cluster_label:
        rows.append(Row(title="Clusters", panels=_clusters(a, options)))
    return Board(
        name=NAME,
        title=f"Resilience fleet: {facts.service}",
        description="Many replicas: how they are spread, which is the worst, how many lost a dependency.",
        rows=paced(rows, options),
        variables=variables.over_replicas(options, dependencies=False),
        annotations=variables.transitions(a, options) if facts.has("breaker") else (),
    )


def _now(a: Ask, facts: Facts, each: tuple[str, ...], options: Options) -> tuple[Panel, ...]:
    palette = options.palette
    replicas = Stat(
        key="replicas",
        title="Replicas",
        description="Processes that report. When it differs from what you run: some are not scraped.",
        queries=(
            Query(
                expr=count_by(a.scope.select(catalog.BUILD_INFO)), legend="replicas", colour=palette.notice
            ),
        ),
        unit="none",
        decimals=0,
        no_value="none",
    )
    worst = Stat(
        key="worst-failed",
        title="Failed calls, worst replica",
        description=(
            "Share of failed calls on the replica with the most. When red while the median is green: that "
            "replica is ill, not the dependency; the table below names it."
        ),
        queries=(Query(expr=max_by(a.failed(each)), legend="worst", instant=True),),
        unit="percentunit",
        decimals=1,
        sparkline=False,
        steps=palette.rising(0.01, 0.05),
        no_value="no calls",
    )
    if not facts.has("breaker"):
        return (replicas, worst)
    share = Stat(
        key="rejecting-share",
        title="Replicas with a breaker not closed",
        description=(
            "Share of replicas that turn calls to at least one dependency away. "
            "When small: a few replicas are ill. When near 100 %: the dependency is down."
        ),
        queries=(Query(expr=a.replicas_rejecting(each), legend="share"),),
        unit="percentunit",
        decimals=0,
        steps=palette.rising(0.01, 0.5),
        no_value="no breaker",
    )
    return (replicas, share, worst)


def _open_share(a: Ask) -> TimeSeries:
    return TimeSeries(
        key="open-share",
        title="Replicas whose breaker is not closed, by dependency",
        description=(
            "The share of replicas that turn a dependency's calls away; the ten dependencies with the most. "
            "When a line steps to 100 %: the dependency is down for all. When it hovers low: single replicas "
            "are cut off."
        ),
        queries=(Query(expr=topk(10, a.rejecting_share(a.by)), legend=a.legend),),
        width=24,
        unit="percentunit",
        minimum=0.0,
        maximum=1.0,
        calcs=("lastNotNull", "max"),
    )


def _over_replicas(options: Options, share: Expr) -> tuple[Query, ...]:
    palette = options.palette
    return (
        Query(expr=max_by(share), legend="worst", colour=palette.bad),
        Query(expr=quantile_by(0.95, share), legend="p95", colour=palette.degraded),
        Query(expr=quantile_by(0.5, share), legend="median", colour=palette.notice),
        Query(expr=min_by(share), legend="best", colour=palette.neutral),
    )


def _spread(a: Ask, each: tuple[str, ...], options: Options) -> tuple[Panel, ...]:
    failed = TimeSeries(
        key="failed-spread",
        title="Failed calls over the replicas",
        description=(
            "Share of failed calls: the worst replica, the 95th percentile, the median and the best. "
            "When only the worst rises: one replica is ill. When all rise: the dependency is."
        ),
        queries=_over_replicas(options, a.failed(each)),
        unit="percentunit",
        minimum=0.0,
        fill=0,
    )
    degraded = replace(
        failed,
        key="degraded-spread",
        title="Degraded calls over the replicas",
        description=(
            "Share of degraded calls: the worst replica, the 95th percentile, the median and the best. "
            "When they part: replicas see different dependencies, or were rolled out differently."
        ),
        queries=_over_replicas(options, a.degraded(each)),
    )
    slow = replace(
        failed,
        key="latency-spread",
        title="Mean latency over the replicas",
        description=(
            "Mean duration of calls: the slowest replica, the 95th percentile, the median and the fastest. "
            "When the slowest leaves the rest: its node is overloaded."
        ),
        queries=_over_replicas(options, a.mean(catalog.CALL_DURATION, each)),
        unit="s",
    )
    load = replace(
        failed,
        key="load-spread",
        title="Calls over the replicas",
        description=(
            "Calls a second: the busiest replica, the 95th percentile, the median and the idlest. "
            "When they part: the load balancer is not balancing."
        ),
        queries=_over_replicas(options, a.calls(each)),
        unit="reqps",
    )
    return (failed, degraded, slow, load)


def _worst(a: Ask, facts: Facts, each: tuple[str, ...], options: Options) -> Table:
    palette = options.palette
    share = Column(field="", title="", unit="percentunit", decimals=1, cell="color-text")
    failed = replace(share, title="Failed", steps=palette.rising(0.01, 0.05))
    degraded = replace(share, title="Degraded", steps=palette.rising(0.01, 0.1))
    worst = topk(20, a.failed(each) + a.degraded(each))
    answers: list[Answer] = [
        (a.failed(each).where(worst, on=each), failed),
        (a.degraded(each).where(worst, on=each), degraded),
        (a.calls(each).where(worst, on=each), Column(field="", title="Calls", unit="reqps", decimals=1)),
        (
            a.mean(catalog.CALL_DURATION, each).where(worst, on=each),
            Column(field="", title="Mean latency", unit="s"),
        ),
    ]
    if facts.has("breaker"):
        open_now = Column(
            field="", title="Breakers not closed", decimals=0, steps=palette.rising(1, 2), cell="color-text"
        )
        answers.append((a.breakers_rejecting(each).where(worst, on=each), open_now))
    queries, columns = answered(answers)
    return Table(
        key="worst-replicas",
        title="Replicas, worst first",
        description=(
            "The twenty replicas with the most failed and degraded calls. "
            "When one stands out: take it out of the load balancer and look at its node."
        ),
        queries=queries,
        height=9,
        columns=(*(Column(field=label, title=label.capitalize()) for label in each), *columns),
        sort=("Failed", "Degraded"),
    )


def _clusters(a: Ask, options: Options) -> tuple[Panel, ...]:
    by = (options.cluster_label,)
    legend = f"{{{{{options.cluster_label}}}}}"
    failed = TimeSeries(
        key="failed-by-cluster",
        title="Failed calls, by cluster",
        description="Share of failed calls of each cluster. When one stands out: route around that cluster.",
        queries=(Query(expr=topk(10, a.failed(by)), legend=legend),),
        unit="percentunit",
        minimum=0.0,
        fill=0,
        calcs=("lastNotNull", "max"),
    )
    degraded = replace(
        failed,
        key="degraded-by-cluster",
        title="Degraded calls, by cluster",
        description="Share of degraded calls of each cluster. When one stands out: its dependencies are ill.",
        queries=(Query(expr=topk(10, a.degraded(by)), legend=legend),),
    )
    return (failed, degraded)
