"""Whether what the other boards show can be trusted: scrapes, losses of telemetry, drift of policies."""

from __future__ import annotations

from seawall.dashboards import own, variables
from seawall.dashboards.ask import Ask, ask
from seawall.dashboards.facts import Facts
from seawall.dashboards.options import Options
from seawall.dashboards.panels import (
    Board,
    Column,
    Mapping,
    Panel,
    Query,
    Row,
    Stat,
    StateTimeline,
    Table,
    TimeSeries,
    side_by_side,
)
from seawall.telemetry import catalog
from seawall.telemetry.promql import Expr, avg_by, count_by, max_by, min_by, none_of, topk, unequal

NAME = "exporter"


def board(facts: Facts, options: Options) -> Board:
    """The only board without a dependency: it is about the processes that report."""
    a = ask(options, operations=False)
    ours = a.only_ours(options.process_labels)
    rows = (
        Row(title="Now", panels=side_by_side(*_now(a, ours, facts, options))),
        Row(title="Scrapes", panels=_scrapes(a, ours, options)),
        Row(title="What telemetry lost", panels=_losses(a, options)),
        Row(title="Policies and versions", panels=_versions(a, facts)),
    )
    return Board(
        name=NAME,
        title=f"Resilience exporter: {facts.service}",
        description="Whether what the other boards show can be trusted.",
        rows=rows,
        variables=variables.variables(options, one_guard=False, operations=False),
    )


def _drifted(a: Ask, facts: Facts) -> Expr:
    """Instances whose policies are not those that this board was generated from, by guard."""
    info = a.scope.select(catalog.POLICY_INFO, none_of("policy_hash", facts.hashes))
    return count_by(info, *a.by)


def _now(a: Ask, ours: Expr, facts: Facts, options: Options) -> tuple[Panel, ...]:
    palette = options.palette
    up = a.scope.select(own.UP).where(ours, on=a.scope.target_labels)
    missing = Stat(
        key="targets-up",
        title="Targets up",
        description=(
            "Share of the scraped processes that answered the last scrape. "
            "When below 100 %: everything else on these boards lacks the missing ones."
        ),
        queries=(Query(expr=avg_by(up), legend="up"),),
        unit="percentunit",
        decimals=0,
        steps=palette.falling(0.9, 1),
        no_value="no target",
    )
    lost = Stat(
        key="lost",
        title="Lost telemetry",
        description=(
            "Spans, logs and series that telemetry lost in the time shown, log lines that were thinned on "
            "purpose aside. When above 0: the panel below says what and why; calls are never held up."
        ),
        queries=(
            Query(
                expr=a.count(catalog.TELEMETRY_DROPPED, unequal("reason", "rate_limited")),
                legend="lost",
                instant=True,
            ),
        ),
        unit="locale",
        decimals=0,
        steps=palette.rising(1, 1000),
        sparkline=False,
        no_value="nothing",
    )
    errors = Stat(
        key="listener-errors",
        title="Errors of listeners",
        description="Errors raised by listeners in the time shown. When above 0: a listener is broken.",
        queries=(Query(expr=a.count(catalog.LISTENER_ERRORS), legend="errors", instant=True),),
        unit="locale",
        decimals=0,
        steps=palette.rising(1, 100),
        sparkline=False,
        no_value="none",
    )
    drift = Stat(
        key="drift",
        title="Guards that drifted",
        description=(
            "Guards whose running policy is not the one that these boards and the alerts were generated "
            "from. When above 0: a change is being rolled out, or the bundle must be generated again."
        ),
        queries=(Query(expr=count_by(_drifted(a, facts)), legend="drifted", instant=True),),
        unit="locale",
        decimals=0,
        steps=palette.rising(1, 1_000_000),
        sparkline=False,
        no_value="0",
    )
    return (missing, lost, errors, drift) if facts.hashes else (missing, lost, errors)


def _scrapes(a: Ask, ours: Expr, options: Options) -> tuple[Panel, ...]:
    palette = options.palette
    target = a.scope.target_labels
    legend = f"{{{{{options.instance_label}}}}}"
    state = StateTimeline(
        key="targets",
        title="Targets",
        description=(
            "Whether each process answered its scrapes; those that did not at some time. "
            "When a bar turns: the process is gone, overloaded or unreachable from Prometheus."
        ),
        queries=(
            Query(
                expr=min_by(a.scope.select(own.UP).where(ours, on=target), options.instance_label),
                legend=legend,
            ),
        ),
        height=7,
        unit="none",
        mappings=(
            Mapping(value=1, text="up", colour=palette.good),
            Mapping(value=0, text="down", colour=palette.bad),
        ),
    )
    took = TimeSeries(
        key="scrape-time",
        title="Scrape time, the slowest ten",
        description=(
            "How long scrapes take. When it nears the scrape interval: the process is starved of CPU, "
            "or it has very many series."
        ),
        queries=(
            Query(expr=topk(10, a.scope.select(own.SCRAPE_SECONDS).where(ours, on=target)), legend=legend),
        ),
        unit="s",
        minimum=0.0,
        fill=0,
        calcs=("lastNotNull", "max"),
    )
    samples = TimeSeries(
        key="samples",
        title="Samples per scrape, the largest ten",
        description=(
            "How many numbers a scrape brings. When it grows without new guards: a label has too many "
            "values; seawall's own labels are all bounded."
        ),
        queries=(
            Query(expr=topk(10, a.scope.select(own.SCRAPE_SAMPLES).where(ours, on=target)), legend=legend),
        ),
        unit="short",
        minimum=0.0,
        fill=0,
        calcs=("lastNotNull", "max"),
    )
    return (state, took, samples)


def _losses(a: Ask, options: Options) -> tuple[Panel, ...]:
    dropped = TimeSeries(
        key="dropped",
        title="Dropped telemetry, by signal and reason",
        description=(
            "What telemetry lost a second. When spans: the collector is away or slow. When logs: one event "
            "repeats, rate_limited keeps the first and counts the others. When series: reading failed."
        ),
        queries=(
            Query(
                expr=a.total(catalog.TELEMETRY_DROPPED, by=("signal", "reason")).above(0),
                legend="{{signal}}: {{reason}}",
            ),
        ),
        unit="suffix:/s",
        minimum=0.0,
        stacked=True,
        bars=True,
        no_value="nothing was lost",
    )
    listeners = TimeSeries(
        key="listeners",
        title="Errors of listeners, by listener",
        description=(
            "Errors raised by listeners and observers a second; calls go on. "
            "When one appears: mend that listener, it misses events."
        ),
        queries=(
            Query(expr=a.total(catalog.LISTENER_ERRORS, by=("listener",)).above(0), legend="{{listener}}"),
        ),
        unit="suffix:/s",
        minimum=0.0,
        stacked=True,
        bars=True,
        no_value="no listener failed",
    )
    overhead = TimeSeries(
        key="overhead",
        title="What a guard costs a call",
        description=(
            "Time that a guard and its telemetry take of a call: one call a second of each operation. The "
            "spans of a traced call are most of it. When it grows: CPU is short, or a listener is slow."
        ),
        queries=(
            Query(expr=a.quantile(0.5, catalog.OVERHEAD), legend="p50", colour=options.palette.neutral),
            Query(expr=a.quantile(0.99, catalog.OVERHEAD), legend="p99", colour=options.palette.timeout),
        ),
        unit="s",
        minimum=0.0,
        fill=0,
        no_value="not sampled yet",
    )
    return side_by_side(dropped, listeners, overhead)


def _versions(a: Ask, facts: Facts) -> tuple[Panel, ...]:
    builds = Table(
        key="builds",
        title="Versions that run",
        description=(
            "Versions of seawall and Python, and how many processes run each. "
            "When there are two: a roll-out is under way, or got stuck."
        ),
        queries=(
            Query(
                expr=count_by(a.scope.select(catalog.BUILD_INFO), "version", "python"),
                shape="table",
                instant=True,
            ),
        ),
        columns=(
            Column(field="version", title="seawall"),
            Column(field="python", title="Python"),
            Column(field="Value", title="Processes", decimals=0),
        ),
        sort=("Processes",),
    )
    per_guard = count_by(max_by(a.scope.select(catalog.POLICY_INFO), *a.by, "policy_hash"), *a.by)
    policies = Table(
        key="policies",
        title="Guards with more than one policy",
        description=(
            "Guards whose policy differs between instances, and how many policies there are. "
            "When a guard stays here after a roll-out: some instances were left behind."
        ),
        queries=(Query(expr=per_guard.above(1), shape="table", instant=True),),
        columns=(
            *(Column(field=label, title=label.capitalize()) for label in a.by),
            Column(field="Value", title="Policies", decimals=0),
        ),
        no_value="all instances agree",
    )
    drift = Table(
        key="drift-by-guard",
        title="Guards that drifted from this bundle",
        description=(
            "Guards whose running policy is not the one that the boards and alerts were generated from, "
            "and on how many instances. When it stays: generate the bundle again and import it."
        ),
        queries=(Query(expr=_drifted(a, facts), shape="table", instant=True),) if facts.hashes else (),
        columns=(
            *(Column(field=label, title=label.capitalize()) for label in a.by),
            Column(field="Value", title="Instances", decimals=0),
        ),
        no_value="none",
    )
    tables = (builds, policies, drift) if facts.hashes else (builds, policies)
    return side_by_side(*tables)
