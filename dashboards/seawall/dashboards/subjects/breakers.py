"""State of the breakers, and what made them open."""

from __future__ import annotations

from seawall.dashboards.ask import RANGE, Ask
from seawall.dashboards.options import Options
from seawall.dashboards.palette import STATE_CODES, STATE_TEXTS
from seawall.dashboards.panels import (
    Column,
    Link,
    Mapping,
    Query,
    Stat,
    StateTimeline,
    Table,
    TimeSeries,
)
from seawall.telemetry import catalog
from seawall.telemetry.promql import equal, increase, max_by, min_by, sum_by, topk, unequal


def state_mappings(options: Options) -> tuple[Mapping, ...]:
    """Numbers of states as words, in the state machine's order."""
    colours = options.palette.states
    return tuple(
        Mapping(value=code, text=STATE_TEXTS[name], colour=colours[name])
        for name, code in STATE_CODES.items()
    )


def timeline(
    ask: Ask, options: Options, *, by: tuple[str, ...], bars: int, links: tuple[Link, ...] = ()
) -> StateTimeline:
    """One bar per series of ``by``; ``bars`` of them are expected."""
    return StateTimeline(
        key="states",
        title="Breaker states",
        description=(
            "The state of each breaker over time; over several instances the worst of them. "
            "When a bar leaves green: the service turns calls to this dependency away and serves fallbacks. "
            "Open the dependency's own board (click the bar) to see why."
        ),
        queries=(Query(expr=ask.state(by), legend=" / ".join(f"{{{{{label}}}}}" for label in by)),),
        height=max(5, min(3 + bars, 16)),
        unit="none",
        mappings=state_mappings(options),
        links=links,
    )


def not_closed(ask: Ask, options: Options) -> Stat:
    return Stat(
        key="breakers-not-closed",
        title="Breakers not closed",
        description=(
            "Dependencies whose breaker turns calls away on at least one instance. "
            "When above 0: the timeline below says which one and since when."
        ),
        queries=(Query(expr=sum_by(ask.rejecting(ask.by)), legend="not closed"),),
        unit="none",
        decimals=0,
        steps=((None, options.palette.good), (1, options.palette.bad)),
        background=True,
        sparkline=False,
        no_value="no breaker",
    )


def state_now(ask: Ask, options: Options) -> Stat:
    return Stat(
        key="state",
        title="State",
        description=(
            "The breaker's state now; over several instances the worst. "
            "When open: calls fail fast or get the fallback until the open time is over and probes succeed."
        ),
        queries=(Query(expr=ask.state(()), legend="state"),),
        unit="none",
        mappings=state_mappings(options),
        background=True,
        sparkline=False,
        no_value="no breaker",
    )


def opened(ask: Ask, options: Options) -> Stat:
    return Stat(
        key="openings",
        title="Openings",
        description=(
            "How often the breaker opened in the time shown, all instances together. "
            "Many openings in a short time: the open time is too short for this dependency to recover."
        ),
        queries=(
            Query(
                expr=ask.count(catalog.BREAKER_TRANSITIONS, equal("to_state", "open")),
                legend="openings",
                instant=True,
            ),
        ),
        unit="locale",
        decimals=0,
        steps=options.palette.rising(1, 5),
        sparkline=False,
        no_value="no breaker",
    )


def time_not_closed(ask: Ask, options: Options) -> Stat:
    spent = increase(ask.scope.select(catalog.BREAKER_STATE_SECONDS, unequal("state", "closed")), RANGE)
    by_process = sum_by(spent, *ask.scope.target_labels)
    return Stat(
        key="time-not-closed",
        title="Time not closed",
        description=(
            "How long the breaker was not closed in the time shown, on the instance where it was longest. "
            "This is how long callers lived with errors or fallbacks."
        ),
        queries=(Query(expr=max_by(by_process), legend="not closed", instant=True),),
        unit="s",
        steps=options.palette.rising(1, 300),
        sparkline=False,
        no_value="no breaker",
    )


def failure_ratio(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="failure-ratio",
        title="Failure ratio in the breaker's window",
        description=(
            "What the breaker itself sees: the share of failures among its last calls, on the instance "
            "where it is highest, and the ratio from the policy at which it opens. When it nears the "
            "dashed line: look at the errors and at the latency below, then at the dependency."
        ),
        queries=(
            Query(
                expr=max_by(ask.scope.select(catalog.BREAKER_FAILURE_RATIO)),
                legend="failure ratio",
                colour=palette.notice,
            ),
            Query(expr=ask.setting("breaker", "failure_ratio"), legend="opens at", limit=palette.bad),
        ),
        unit="percentunit",
        minimum=0.0,
        maximum=1.0,
        fill=15,
        no_value="no breaker",
    )


def slow_ratio(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="slow-ratio",
        title="Slow ratio in the breaker's window",
        description=(
            "Share of calls that succeeded but took longer than the policy's slow_after, on the instance "
            "where it is highest, and the ratio at which the breaker opens. When it nears the dashed line: "
            "the dependency is saturated; see the attempt latency."
        ),
        queries=(
            Query(
                expr=max_by(ask.scope.select(catalog.BREAKER_SLOW_RATIO)),
                legend="slow ratio",
                colour=palette.notice,
            ),
            Query(expr=ask.setting("breaker", "slow_ratio"), legend="opens at", limit=palette.bad),
        ),
        unit="percentunit",
        minimum=0.0,
        maximum=1.0,
        fill=15,
        no_value="no breaker",
    )


def window_calls(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="window-calls",
        title="Calls in the breaker's window",
        description=(
            "On how many calls the ratios rest, on the instance with the fewest. Below the dashed line the "
            "breaker can't open, whatever fails. "
            "When it stays there: lower minimum_calls, or there is too little traffic to judge by."
        ),
        queries=(
            Query(
                expr=min_by(ask.scope.select(catalog.BREAKER_WINDOW_CALLS)),
                legend="calls in window",
                colour=palette.notice,
            ),
            Query(
                expr=ask.setting("breaker", "minimum_calls"), legend="can open from", limit=palette.degraded
            ),
            Query(expr=ask.setting("breaker", "window_calls"), legend="window", limit=palette.neutral),
        ),
        minimum=0.0,
        decimals=0,
        fill=15,
        no_value="no breaker",
    )


def processes(ask: Ask, options: Options) -> TimeSeries:
    """How many processes see the dependency how; an instance that runs several counts each."""
    select = ask.scope.select
    states = sum_by(select(catalog.BREAKER_PROCESSES) | select(catalog.BREAKER_STATE), "state")
    return TimeSeries(
        key="processes",
        title="Processes by state",
        description=(
            "How many processes have their breaker in which state, all instances together. "
            "When only some leave green: the dependency is well for the others, look at what these share."
        ),
        queries=(Query(expr=states, legend="{{state}}"),),
        minimum=0.0,
        decimals=0,
        stacked=True,
        colours=tuple(options.palette.states.items()),
        no_value="no breaker",
    )


def errors(ask: Ask, options: Options, *, by: tuple[str, ...] = (), most: int = 10) -> TimeSeries:
    """Failures by type of exception, over time."""
    rates = ask.total(catalog.ERRORS, by=(*by, "error"))
    return TimeSeries(
        key="errors",
        title="Errors by type",
        description=(
            "Failed attempts a second by type of exception: what the dependency answers, before retries and "
            "fallbacks. When one type stands out: it says whether the dependency is unreachable "
            "(ConnectionError), too slow (TimeoutError) or refuses what it is asked."
        ),
        queries=(
            Query(
                expr=topk(most, rates.above(0)),
                legend=" · ".join(f"{{{{{label}}}}}" for label in (*by, "error")),
            ),
        ),
        unit="suffix:/s",
        minimum=0.0,
        stacked=True,
        bars=True,
        no_value="no errors",
    )


def why_opened(ask: Ask, options: Options) -> Table:
    """Causes, most frequent first."""
    return Table(
        key="why-opened",
        title="Why it opened: failures by type",
        description=(
            "Types of exceptions that counted against the dependency in the time shown, most frequent first. "
            "Pick the time around an opening (its mark on the charts) to see what tripped it; "
            "the logs of that time (event breaker.transition) have the window's exact numbers."
        ),
        queries=(
            Query(
                expr=ask.count(catalog.ERRORS, by=("error",)).above(0),
                shape="table",
                instant=True,
            ),
        ),
        width=12,
        unit="short",
        columns=(
            Column(field="error", title="Error"),
            Column(
                field="Value",
                title="Failures",
                decimals=0,
                cell="gauge",
                steps=((None, options.palette.bad),),
            ),
        ),
        sort=("Failures",),
        no_value="no failures",
    )
