"""How much of what users get is second best, for how long, and whether the fallbacks hold."""

from __future__ import annotations

from seawall.dashboards import variables
from seawall.dashboards.ask import Ask, ask
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
from seawall.dashboards.subjects import calls, fallbacks
from seawall.telemetry import catalog
from seawall.telemetry.promql import equal, ratio, topk

NAME = "degradation"


def board(facts: Facts, options: Options) -> Board | None:
    """None where no guard has a fallback."""
    if not facts.has("fallback"):
        return None
    a = ask(options, operations=True)
    rows = [
        Row(title="Now", panels=side_by_side(*_now(a, facts, options))),
        Row(title="How much and for how long", panels=_much(a, options)),
        Row(title="Do the fallbacks hold", panels=_hold(a, facts, options)),
    ]
    return Board(
        name=NAME,
        title=f"Resilience degradation: {facts.service}",
        description="How much of what users get is second best, how long, and whether the fallbacks hold.",
        rows=tuple(rows),
        variables=variables.variables(options, one_guard=False, operations=True),
        annotations=variables.transitions(a, options) if facts.has("breaker") else (),
    )


def _now(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    asked = a.total(catalog.DEGRADATIONS)
    served = ratio(a.total(catalog.DEGRADATIONS, equal("outcome", "served")), asked)
    success = Stat(
        key="fallback-success",
        title="Fallbacks that worked",
        description=(
            "Of the fallbacks that were asked, the share that had an answer. "
            "When below 100 %: the next fallback in line is asked, or callers get errors."
        ),
        queries=(Query(expr=served, legend="worked", instant=True),),
        unit="percentunit",
        decimals=1,
        sparkline=False,
        steps=options.palette.falling(0.9, 0.99),
        no_value="none asked",
        mappings=(Mapping(value=None, text="none asked", colour=options.palette.neutral),),
    )
    panels: list[Panel] = [calls.degraded(a, options), calls.failed(a, options), success]
    if "stale" in facts.modes:
        panels.append(_stale(a, options))
    return tuple(panels)


def _stale(a: Ask, options: Options) -> Stat:
    return Stat(
        key="oldest-stale",
        title="Age of stale answers, p99",
        description=(
            "How old the values are that users get instead of fresh ones. "
            "When it nears the policy's stale_for: soon there is nothing left to serve."
        ),
        queries=(
            Query(
                expr=a.quantile(0.99, catalog.STALE_AGE),
                legend="age",
                colour=options.palette.degraded,
                instant=True,
            ),
        ),
        unit="s",
        sparkline=False,
        no_value="none served",
    )


def _much(a: Ask, options: Options) -> tuple[Panel, ...]:
    by_operation = (*a.by, "operation")
    operations = calls.share_by_guard(
        a,
        options,
        key="degraded-by-operation",
        title="Degraded, by operation",
        share=a.degraded(by_operation),
        legend=f"{a.legend} · {{{{operation}}}}",
        description=(
            "Share of each operation's calls that a fallback answered; the ten with the most. "
            "When one operation stands out: what it needs of the dependency is broken, not all of it."
        ),
    )
    lived = BarGauge(
        key="degraded-time",
        title="How long users lived with it",
        description=(
            "In the time shown, how long more than 1 % of a dependency's calls were degraded. "
            "When a bar is long: this is what users remember; look at its recovery time."
        ),
        queries=(Query(expr=topk(10, a.degraded_seconds(0.01, a.by)), legend=a.legend, instant=True),),
        unit="s",
        minimum=0.0,
        steps=options.palette.rising(60, 900),
        no_value="never",
    )
    return (calls.degraded_by_guard(a, options), operations, calls.by_outcome(a, options), lived)


def _hold(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    failures = TimeSeries(
        key="fallback-failures",
        title="Failed fallbacks, by dependency and mode",
        description=(
            "Fallbacks a second that had no answer. When stale fails: nothing recent enough is kept. When "
            "queued fails: work may be lost; act at once."
        ),
        queries=(
            Query(
                expr=topk(
                    10, a.total(catalog.DEGRADATIONS, equal("outcome", "failed"), by=(*a.by, "mode")).above(0)
                ),
                legend=f"{a.legend} · {{{{mode}}}}",
            ),
        ),
        unit="reqps",
        minimum=0.0,
        stacked=True,
        bars=True,
        no_value="no fallback failed",
    )
    panels: list[Panel] = [fallbacks.by_mode(a, options), failures]
    if "stale" in facts.modes:
        age = topk(10, a.quantile(0.99, catalog.STALE_AGE, a.by))
        panels.append(
            TimeSeries(
                key="stale-by-dependency",
                title="Age of stale answers, by dependency",
                description=(
                    "p99 of the age of what the stale fallback serves. "
                    "When a line climbs: the dependency has been away for that long."
                ),
                queries=(Query(expr=age, legend=a.legend),),
                unit="s",
                minimum=0.0,
                fill=0,
                no_value="nothing stale served",
            )
        )
    return side_by_side(*panels)
