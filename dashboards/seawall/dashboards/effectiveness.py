"""Does the resilience pay: what the dependencies did against what callers got, and what that cost."""

from __future__ import annotations

from dataclasses import replace

from seawall.dashboards import variables
from seawall.dashboards.ask import RANGE, Ask, ask
from seawall.dashboards.facts import Facts
from seawall.dashboards.options import Options
from seawall.dashboards.panels import (
    BarGauge,
    Board,
    Mapping,
    Panel,
    Query,
    Row,
    Stat,
    TimeSeries,
    side_by_side,
)
from seawall.telemetry import catalog
from seawall.telemetry.promql import (
    Expr,
    equal,
    histogram_quantile,
    increase,
    one_of,
    ratio,
    sum_by,
    topk,
    unequal,
)

NAME = "effectiveness"
ATTEMPT_FAILED = ("failure", "timeout")


def board(facts: Facts, options: Options) -> Board:
    """Panels for what the policies can save; the board is made for every service."""
    a = ask(options, operations=False)
    rows = [
        Row(title="In the time shown", panels=side_by_side(*_saved(a, facts, options))),
        Row(title="Failures kept from callers", panels=_kept(a, options)),
    ]
    if facts.has("breaker"):
        rows += [
            Row(title="Breakers: recovery and false alarms", panels=side_by_side(*_breakers(a, options))),
            Row(title="Cascades prevented", panels=_cascades(a, options)),
        ]
    rows.append(Row(title="What it costs", panels=side_by_side(*_costs(a, facts, options))))
    return Board(
        name=NAME,
        title=f"Resilience effectiveness: {facts.service}",
        description="Does the resilience pay: what dependencies did, what callers got, and what it cost.",
        rows=tuple(rows),
        variables=variables.variables(options, one_guard=False, operations=False),
        annotations=variables.transitions(a, options) if facts.has("breaker") else (),
    )


def _rescued(a: Ask, facts: Facts, by: tuple[str, ...] = ()) -> Expr:
    """Of the calls that met trouble, the share that the caller got an answer for all the same."""
    saved = a.count(catalog.CALLS, equal("outcome", "degraded"), by=by)
    if facts.has("retry"):
        # Where no guard in sight retries, there is nothing to add.
        saved = (saved + a.count(catalog.RETRY_CALLS, equal("result", "recovered"), by=by)) | saved
    lost = a.count(catalog.CALLS, one_of("outcome", ("failure", "timeout", "rejected")), by=by)
    return ratio(saved, saved + lost)


def _saved(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    palette = options.palette
    rescued = Stat(
        key="rescued",
        title="Troubled calls rescued",
        description=(
            "Of the calls that met a failing dependency, the share that got an answer all the same: by a "
            "retry or a fallback. When low: most trouble reaches the callers; the dependency needs a "
            "fallback."
        ),
        queries=(Query(expr=_rescued(a, facts), legend="rescued", instant=True),),
        unit="percentunit",
        decimals=1,
        sparkline=False,
        steps=palette.falling(0.5, 0.9),
        no_value="no trouble",
        mappings=(Mapping(value=None, text="no trouble", colour=palette.neutral),),
    )
    avoided = Stat(
        key="avoided",
        title="Waiting that callers were spared",
        description=(
            "Time that callers would have spent on a dependency whose breaker was open: the cascade that "
            "did not happen. When large: the breaker keeps the service responsive."
        ),
        queries=(
            Query(expr=a.count(catalog.AVOIDED_SECONDS), legend="spared", instant=True, colour=palette.good),
        ),
        unit="s",
        sparkline=False,
        no_value="none",
    )
    kept = Stat(
        key="load-kept-off",
        title="Calls kept off sick dependencies",
        description=(
            "Calls that an open breaker turned away in the time shown, so that the dependency could recover. "
            "When it stays large: the dependency does not recover."
        ),
        queries=(
            Query(
                expr=a.count(catalog.REJECTIONS, equal("policy", "breaker")),
                legend="kept off",
                instant=True,
                colour=palette.notice,
            ),
        ),
        unit="locale",
        decimals=0,
        sparkline=False,
        no_value="none",
    )
    return (rescued, avoided, kept) if facts.has("breaker") else (rescued,)


def _kept(a: Ask, options: Options) -> tuple[Panel, ...]:
    palette = options.palette
    failed = a.total(catalog.ATTEMPTS, one_of("outcome", ATTEMPT_FAILED))
    attempted = a.total(catalog.ATTEMPTS, unequal("outcome", "cancelled"))
    both = TimeSeries(
        key="reduction",
        title="What dependencies did, what callers got",
        description=(
            "Share of attempts that failed, and share of calls that failed for callers. The gap is what the "
            "guards saved. When the lines meet: nothing is saved; a fallback is missing or failing."
        ),
        queries=(
            Query(expr=ratio(failed, attempted), legend="attempts failed", colour=palette.degraded),
            Query(expr=a.failed(), legend="calls failed", colour=palette.bad),
        ),
        unit="percentunit",
        minimum=0.0,
        fill=20,
    )
    waits = TimeSeries(
        key="waits",
        title="p95 of calls and of attempts",
        description=(
            "What callers wait for against what the dependency needs. The gap is retries, queues and "
            "back-off; below the attempts are calls that were answered without asking. When the gap grows: "
            "the guards make callers wait; see the retry board."
        ),
        queries=(
            Query(expr=a.quantile(0.95, catalog.CALL_DURATION), legend="calls", colour=palette.timeout),
            Query(expr=a.quantile(0.95, catalog.ATTEMPT_DURATION), legend="attempts", colour=palette.notice),
        ),
        unit="s",
        minimum=0.0,
        fill=0,
    )
    return (both, waits)


def _breakers(a: Ask, options: Options) -> tuple[Panel, ...]:
    palette = options.palette
    observed = sum_by(increase(a.scope.bucket(catalog.BREAKER_RECOVERY), RANGE), "le", *a.by)
    recovery = BarGauge(
        key="recovery",
        title="Recovery time, median",
        description=(
            "From opening to closed again, for the recoveries in the time shown. "
            "When much longer than the dependency's own outage: the open time is too long."
        ),
        queries=(
            Query(
                expr=topk(10, histogram_quantile(0.5, observed).binary(">=", 0)),
                legend=a.legend,
                instant=True,
            ),
        ),
        unit="s",
        minimum=0.0,
        steps=palette.rising(60, 600),
        no_value="no recovery",
    )
    openings = a.count(catalog.BREAKER_TRANSITIONS, equal("to_state", "open"), by=a.by)
    false = BarGauge(
        key="false-openings",
        title="False openings",
        description=(
            "Of the openings in the time shown, the share after which the first probes all succeeded: at "
            "most so many were needless. When high: the threshold is too low, or the window too short."
        ),
        queries=(
            Query(
                expr=topk(10, ratio(a.count(catalog.BREAKER_FALSE_OPENS, by=a.by), openings)),
                legend=a.legend,
                instant=True,
            ),
        ),
        unit="percentunit",
        minimum=0.0,
        maximum=1.0,
        steps=palette.rising(0.1, 0.5),
        no_value="no opening",
    )
    return (recovery, false)


def _cascades(a: Ask, options: Options) -> tuple[Panel, ...]:
    spared = TimeSeries(
        key="spared",
        title="Callers not stuck, by dependency",
        description=(
            "Seconds of waiting spared in each second: so many callers more would be stuck in a call at "
            "any time without the breaker. When a line is high: this many threads or tasks are free for "
            "others."
        ),
        queries=(Query(expr=topk(10, a.total(catalog.AVOIDED_SECONDS, by=a.by)), legend=a.legend),),
        unit="none",
        decimals=1,
        minimum=0.0,
        calcs=("lastNotNull", "max"),
    )
    others = a.quantile(0.99, catalog.CALL_DURATION, a.by).unless(a.rejecting(a.by).binary("==", 1), on=a.by)
    isolation = TimeSeries(
        key="isolation",
        title="Latency of the others",
        description=(
            "p99 of the dependencies whose breaker is closed, the slowest ten, while others are down. "
            "When these rise as another opens: the outage spreads; give the sick one a tighter bulkhead."
        ),
        queries=(Query(expr=topk(10, others), legend=a.legend),),
        unit="s",
        minimum=0.0,
        fill=0,
        calcs=("lastNotNull", "max"),
    )
    return (spared, isolation)


def _costs(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    palette = options.palette
    overhead = TimeSeries(
        key="overhead",
        title="What the guards cost",
        description=(
            "Time that a guard and its telemetry take of a call: one call a second of each operation, mean "
            "by dependency. The spans of a traced call are most of it. When it grows: CPU is short."
        ),
        queries=(Query(expr=topk(10, a.mean(catalog.OVERHEAD, a.by)), legend=a.legend),),
        unit="s",
        minimum=0.0,
        fill=0,
        calcs=("lastNotNull", "max"),
        no_value="not sampled yet",
    )
    panels: list[Panel] = [overhead]
    if facts.has("retry"):
        waited = ratio(a.total(catalog.RETRY_DELAY, by=a.by), a.calls(a.by))
        panels.append(
            replace(
                overhead,
                key="retry-delay",
                title="Back-off per call",
                description=(
                    "Time that a call waits between attempts, on average. "
                    "When it grows: callers pay for retries; compare with what retries recover."
                ),
                queries=(Query(expr=topk(10, waited), legend=a.legend),),
                no_value="no calls",
            )
        )
    if facts.has("fallback"):
        served = a.total(catalog.DEGRADATIONS, equal("outcome", "served"))
        panels.append(
            replace(
                overhead,
                key="fallback-success",
                title="Fallbacks that worked",
                description=(
                    "Of the fallbacks that were asked, the share that had an answer. "
                    "When it falls: callers get errors although there is a fallback."
                ),
                queries=(
                    Query(
                        expr=ratio(served, a.total(catalog.DEGRADATIONS)),
                        legend="worked",
                        colour=palette.good,
                    ),
                ),
                unit="percentunit",
                maximum=1.0,
                calcs=(),
                no_value="no fallback was asked",
            )
        )
    return tuple(panels)
