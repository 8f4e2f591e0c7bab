"""What retries save, what they cost the dependency and the callers, and what is left of the budget."""

from __future__ import annotations

from dataclasses import replace

from seawall.dashboards import variables
from seawall.dashboards.ask import Ask, ask
from seawall.dashboards.facts import Facts
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Board, Mapping, Panel, Query, Row, Stat, TimeSeries, side_by_side
from seawall.dashboards.subjects import calls, retrying
from seawall.telemetry import catalog
from seawall.telemetry.promql import equal, min_by, ratio, topk, unequal

NAME = "retries"


def board(facts: Facts, options: Options) -> Board | None:
    """None where no guard retries."""
    if not facts.has("retry"):
        return None
    a = ask(options, operations=True)
    rows = [
        Row(title="Now", panels=side_by_side(*_now(a, facts, options))),
        Row(title="Load on the dependencies", panels=_load(a, options)),
        Row(title="Is it worth it", panels=_worth(a, options)),
    ]
    if facts.has("retry_budget"):
        rows.append(Row(title="Budgets", panels=_budgets(a, options)))
    return Board(
        name=NAME,
        title=f"Resilience retries: {facts.service}",
        description="What retries save, what they cost, and what is left of the budget.",
        rows=tuple(rows),
        variables=variables.variables(options, one_guard=False, operations=True),
        annotations=variables.transitions(a, options) if facts.has("breaker") else (),
    )


def _now(a: Ask, facts: Facts, options: Options) -> tuple[Panel, ...]:
    palette = options.palette
    retried = a.total(catalog.RETRY_CALLS, unequal("result", "first_try"))
    rate = Stat(
        key="retries",
        title="Retries",
        description="Attempts beyond the first, a second. When it jumps: a dependency fails more than usual.",
        queries=(Query(expr=a.total(catalog.RETRIES), legend="retries", colour=palette.notice),),
        unit="reqps",
        no_value="no calls",
    )
    recovered = Stat(
        key="recovered",
        title="Recovered by a retry",
        description=(
            "Of the calls that failed at first, the share that a retry turned into a success. "
            "When low: the failures are no passing ones, and retries only add load; retry less."
        ),
        queries=(
            Query(
                expr=ratio(a.total(catalog.RETRY_CALLS, equal("result", "recovered")), retried),
                legend="recovered",
                instant=True,
            ),
        ),
        unit="percentunit",
        decimals=1,
        sparkline=False,
        steps=palette.falling(0.2, 0.6),
        no_value="no retries",
        mappings=(Mapping(value=None, text="no retries", colour=palette.neutral),),
    )
    wait = Stat(
        key="wait",
        title="Back-off per call",
        description="Mean wait of a call between attempts. When it grows: callers pay for the retries.",
        queries=(
            Query(expr=ratio(a.total(catalog.RETRY_DELAY), a.calls()), legend="wait", colour=palette.notice),
        ),
        unit="s",
        no_value="no calls",
    )
    left = Stat(
        key="budget",
        title="Least budget left",
        description=(
            "The retry budget of the dependency and instance that has the least. "
            "When at 0: retries are being held back, as they should in an outage."
        ),
        queries=(Query(expr=min_by(a.scope.select(catalog.RETRY_BUDGET_REMAINING)), legend="left"),),
        unit="percentunit",
        decimals=0,
        steps=palette.falling(0.1, 0.5),
        no_value="no budget",
        mappings=(Mapping(value=None, text="no budget", colour=palette.neutral),),
    )
    return (rate, recovered, wait, left) if facts.has("retry_budget") else (rate, recovered, wait)


def _load(a: Ask, options: Options) -> tuple[Panel, ...]:
    per_call = a.total(catalog.ATTEMPTS, by=a.by) / a.calls(a.by).above(0)
    amplification = TimeSeries(
        key="amplification",
        title="Attempts per call, by dependency",
        description=(
            "Load on each dependency for each call; the ten with the most. 1 is no retries. When a line "
            "climbs towards its policy's attempts (beside): a sick dependency gets a multiple of its load."
        ),
        queries=(Query(expr=topk(10, per_call), legend=a.legend),),
        unit="none",
        decimals=2,
        minimum=0.0,
        fill=0,
        calcs=("lastNotNull", "max"),
    )
    used = per_call.binary("/", a.setting("retry", "attempts", a.by), on=a.by)
    allowed = TimeSeries(
        key="amplification-used",
        title="Attempts per call, of what the policy allows",
        description=(
            "The same as a share of the attempts that the policy allows at most. When at 100 %: every call "
            "uses every attempt; the dependency is down and gets the most load it can."
        ),
        queries=(Query(expr=topk(10, used), legend=a.legend),),
        unit="percentunit",
        minimum=0.0,
        steps=((None, options.palette.good), (0.8, options.palette.bad)),
        fill=0,
        calcs=("lastNotNull", "max"),
    )
    return (amplification, allowed)


def _worth(a: Ask, options: Options) -> tuple[Panel, ...]:
    failed_first = a.total(catalog.RETRY_CALLS, unequal("result", "first_try"), by=a.by)
    recovered = ratio(a.total(catalog.RETRY_CALLS, equal("result", "recovered"), by=a.by), failed_first)
    by_guard = TimeSeries(
        key="recovered-by-dependency",
        title="Recovered by a retry, by dependency",
        description=(
            "Of each dependency's calls that failed at first, the share that a retry saved. "
            "When a line is near 0: retrying this dependency does not pay at the moment."
        ),
        queries=(Query(expr=topk(10, recovered), legend=a.legend),),
        unit="percentunit",
        minimum=0.0,
        maximum=1.0,
        fill=0,
        calcs=("lastNotNull", "mean"),
    )
    waited = ratio(a.total(catalog.RETRY_DELAY, by=a.by), a.calls(a.by))
    delay = TimeSeries(
        key="delay-by-dependency",
        title="Back-off paid per call, by dependency",
        description=(
            "Time that callers waited between attempts, per call. "
            "When a line nears what callers can wait: shorten the back-off or retry less."
        ),
        queries=(Query(expr=topk(10, waited), legend=a.legend),),
        unit="s",
        minimum=0.0,
        fill=0,
        calcs=("lastNotNull", "max"),
    )
    return (retrying.results(a, options), calls.attempts_by_outcome(a, options), by_guard, delay)


def _budgets(a: Ask, options: Options) -> tuple[Panel, ...]:
    left = TimeSeries(
        key="budget-by-dependency",
        title="Retry budget left, by dependency",
        description=(
            "Share of each budget that is left, on the instance with the least. "
            "When a line is at 0: this dependency fails so often that retries are held back."
        ),
        queries=(Query(expr=min_by(a.scope.select(catalog.RETRY_BUDGET_REMAINING), *a.by), legend=a.legend),),
        unit="percentunit",
        minimum=0.0,
        maximum=1.0,
        fill=0,
        calcs=("lastNotNull", "min"),
    )
    denied = a.total(catalog.RETRY_CALLS, equal("result", "budget_exhausted"), by=a.by)
    cut = replace(
        left,
        key="denied-by-dependency",
        title="Calls denied a retry, by dependency",
        description=(
            "Calls a second that wanted a retry and got none, because the budget was used up. "
            "When it lasts: the outage is wide; the budget keeps retries from making it wider."
        ),
        queries=(Query(expr=topk(10, denied), legend=a.legend),),
        unit="reqps",
        maximum=None,
        calcs=("lastNotNull", "max"),
    )
    return (left, cut)
