"""Is anything wrong, where, since when, and what do users feel."""

from __future__ import annotations

from dataclasses import replace

from seawall.dashboards import links, variables
from seawall.dashboards.ask import Ask
from seawall.dashboards.facts import Facts
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Board, Panel, Row
from seawall.dashboards.recorded_ask import over_replicas, paced
from seawall.dashboards.subjects import breakers, calls, latency, limits, tables
from seawall.telemetry import catalog
from seawall.telemetry.promql import Expr

NAME = "overview"


def board(facts: Facts, options: Options) -> Board:
    """The board to open first."""
    a = over_replicas(options, dependencies=True)
    rows = [Row(title="Now", panels=_now(a, facts, options))]
    if facts.has("breaker"):
        to_guard = links.to_dependency(facts.service, options, name="__field.labels.dependency")
        states = breakers.timeline(a, options, by=a.by, bars=facts.guards, links=(to_guard,))
        rows.append(Row(title="Breakers", panels=(states,)))
    rows.append(
        Row(title="What users feel", panels=(calls.by_outcome(a, options), latency.of_calls(a, options)))
    )
    rows.append(Row(title="Top offenders", panels=_offenders(a, facts, options)))
    if facts.objectives:
        burns = [o for o in ("success", "undegraded") if o in facts.objectives]
        rows.append(
            Row(title="Budgets", panels=tuple(calls.burn_rate(a, options, objective=o) for o in burns))
        )
    rows += [_criticality(a, facts, options, name) for name in facts.criticalities]
    return Board(
        name=NAME,
        title=f"Resilience overview: {facts.service}",
        description="Is anything wrong, where, since when, and what do users feel.",
        rows=paced(rows, options),
        variables=variables.over_replicas(options, dependencies=True),
        annotations=variables.transitions(a, options) if facts.has("breaker") else (),
    )


def _now(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    panels: list[Panel] = [breakers.not_closed(a, options)] if facts.has("breaker") else []
    panels += [
        calls.call_rate(a, options),
        calls.failed(a, options),
        calls.degraded(a, options),
        latency.p99(a, options),
    ]
    return (*panels, calls.worst_burn(a, options)) if "success" in facts.objectives else tuple(panels)


def _offenders(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    link = links.to_dependency(facts.service, options, name="__data.fields.Dependency")
    table = tables.offenders(a, facts, options, link=link)
    return (table, breakers.errors(a, options, by=a.by), limits.rejections(a, options))


def _criticality(a: Ask, facts: Facts, options: Options, name: str) -> Row:
    """The guards of one criticality; only the critical ones are open from the start."""

    def only(key: str, title: str, share: Expr, description: str) -> Panel:
        return replace(
            calls.share_by_guard(
                a,
                options,
                key=f"{name}-{key}",
                title=title,
                share=a.of_criticality(share, name),
                description=f"{description} Only dependencies of criticality {name}.",
            ),
            width=8,
        )

    slow = only(
        "latency",
        "p99 of calls",
        a.quantile(0.99, catalog.CALL_DURATION, a.by),
        "The slowest ten as callers feel them. When one rises alone: it is that dependency.",
    )
    failed = (
        "Share of calls that failed for the caller. When a line rises: its fallback fails too, or is missing."
    )
    degraded = "Share of calls that a fallback answered. When a line stays up: users live with second best."
    panels = (
        only("failed", "Failed for callers", a.failed(a.by), failed),
        only("degraded", "Degraded", a.degraded(a.by), degraded),
        replace(slow, unit="s"),
    )
    return Row(title=f"{name.capitalize()} dependencies", panels=panels, collapsed=name != "critical")
