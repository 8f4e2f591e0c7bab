"""Everything of one guard, with its policy's numbers drawn in."""

from __future__ import annotations

from dataclasses import replace

from seawall.dashboards import variables
from seawall.dashboards.ask import Ask, ask
from seawall.dashboards.facts import Facts
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Board, Panel, Row, side_by_side
from seawall.dashboards.subjects import breakers, calls, copies, fallbacks, latency, limits, retrying, tables

NAME = "dependency"


def board(facts: Facts, options: Options) -> Board:
    """Rows for the policies that any guard of the service has."""
    a = ask(options, operations=True)
    rows = [Row(title="Now", panels=_now(a, facts, options))]
    if facts.has("breaker"):
        rows.append(Row(title="Breaker", panels=_breaker(a, facts, options)))
    rows += [
        Row(title="Calls and attempts", panels=_calls(a, facts, options)),
        Row(title="Latency", panels=_latency(a, facts, options)),
    ]
    if facts.has("retry"):
        rows.append(Row(title="Retries", panels=_retries(a, facts, options)))
    if facts.has("fallback"):
        rows.append(Row(title="Degradation", panels=_fallbacks(a, facts, options)))
    if facts.has("hedge", "coalesce"):
        rows.append(Row(title="Hedges and shared calls", panels=_copies(a, facts, options)))
    rows += [
        Row(title="Rejections and limits", panels=_limits(a, facts, options)),
        Row(title="Policy", panels=(tables.policy(a),)),
    ]
    return Board(
        name=NAME,
        title=f"Resilience of one dependency: {facts.service}",
        description="One guard: its state, what tripped it, what callers got, with its policy drawn in.",
        rows=tuple(rows),
        variables=variables.variables(options, one_guard=True, operations=True),
        annotations=variables.transitions(a, options) if facts.has("breaker") else (),
    )


def _now(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    state: list[Panel] = []
    if facts.has("breaker"):
        state = [
            breakers.state_now(a, options),
            breakers.time_not_closed(a, options),
            breakers.opened(a, options),
        ]
    users = [calls.failed(a, options), calls.degraded(a, options), latency.p99(a, options)]
    return (*state, *users) if state else (calls.call_rate(a, options), *users)


def _breaker(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    timeline = replace(
        breakers.timeline(a, options, by=(options.instance_label,), bars=2),
        title="State by instance",
        description=(
            "The breaker's state on each instance over time. When one instance alone leaves green: look at "
            "that instance (its network, its node), not at the dependency."
        ),
    )
    ratios: list[Panel] = [breakers.failure_ratio(a, options)]
    if facts.slow_calls:
        ratios.append(breakers.slow_ratio(a, options))
    ratios += [breakers.window_calls(a, options), breakers.processes(a, options)]
    why = (breakers.why_opened(a, options), breakers.errors(a, options))
    return (timeline, *side_by_side(*ratios), *side_by_side(*why))


def _calls(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    return (calls.by_outcome(a, options), calls.attempts_by_outcome(a, options))


def _latency(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    timed = facts.has("timeout")
    whole = latency.of_calls_with_limit(a, options) if timed else latency.of_calls(a, options)
    panels: list[Panel] = [
        latency.heatmap(a, options),
        whole,
        latency.of_attempts(a, options, timed=timed, slow=facts.slow_calls),
    ]
    if timed:
        panels.append(latency.timeouts(a, options))
    if facts.has("timeout_threads"):
        panels.append(latency.abandoned_threads(a, options))
    return tuple(panels)


def _retries(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    panels = [calls.per_call(a, options), retrying.results(a, options), retrying.delay(a, options)]
    return (*panels, retrying.budget(a, options)) if facts.has("retry_budget") else tuple(panels)


def _fallbacks(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    panels: list[Panel] = [fallbacks.degraded_share(a, options), fallbacks.by_mode(a, options)]
    if "stale" in facts.modes:
        panels.append(fallbacks.stale_age(a, options))
    return side_by_side(*panels)


def _copies(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    panels: list[Panel] = [copies.hedges(a, options)] if facts.has("hedge") else []
    if facts.has("coalesce"):
        panels.append(copies.coalesced(a, options))
    return side_by_side(*panels)


def _limits(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    panels: list[Panel] = [limits.rejections(a, options)]
    if facts.has("bulkhead"):
        panels.append(limits.in_flight(a, options))
    if facts.has("rate_limit"):
        panels.append(limits.permits(a, options))
    if facts.bulkhead_waits or facts.limiter_waits:
        panels.append(limits.waits(a, options, bulkhead=facts.bulkhead_waits, limiter=facts.limiter_waits))
    return tuple(panels)
