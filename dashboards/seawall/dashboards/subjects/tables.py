"""Tables: one line per guard or per setting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from seawall.dashboards.ask import Ask
from seawall.dashboards.facts import Facts
from seawall.dashboards.fields import ref
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Column, Link, Query, Table
from seawall.dashboards.subjects.breakers import state_mappings
from seawall.telemetry import catalog
from seawall.telemetry.promql import Expr, equal, max_by

#: An answer and how its column looks; the column's ``field`` is filled in when the table is made.
Answer = tuple[Expr, Column]


def answered(answers: Iterable[Answer]) -> tuple[tuple[Query, ...], tuple[Column, ...]]:
    """Queries and their columns, so that a letter can't name the wrong answer."""
    each = tuple(answers)
    queries = tuple(Query(expr=expr, shape="table", instant=True) for expr, _ in each)
    columns = tuple(replace(column, field=f"Value #{ref(n)}") for n, (_, column) in enumerate(each))
    return queries, columns


def offenders(ask: Ask, facts: Facts, options: Options, *, link: Link) -> Table:
    """All guards, the worst first, with what an on-call person asks about each."""
    palette = options.palette
    answers: list[Answer] = []
    if facts.has("breaker"):
        state = Column(
            field="",
            title="State",
            mappings=state_mappings(options),
            cell="color-background",
            width=110,
        )
        since = Column(field="", title="Not closed for", unit="s", decimals=0, width=120)
        answers += [(ask.state(ask.by), state), (ask.rejecting_seconds(ask.by), since)]
    share = Column(field="", title="", unit="percentunit", decimals=1, cell="color-text", width=100)
    failed = replace(share, title="Failed", steps=palette.rising(0.001, 0.01))
    degraded = replace(share, title="Degraded", steps=palette.rising(0.01, 0.1))
    speed = Column(field="", title="", unit="reqps", decimals=1, width=110)
    answers += [
        (ask.failed(ask.by), failed),
        (ask.degraded(ask.by), degraded),
        (ask.calls(ask.by), replace(speed, title="Calls")),
        (ask.total(catalog.REJECTIONS, by=ask.by), replace(speed, title="Turned away")),
        (
            ask.quantile(0.99, catalog.CALL_DURATION, ask.by),
            Column(field="", title="p99", unit="s", width=90),
        ),
    ]
    if facts.has("breaker"):
        openings = ask.count(catalog.BREAKER_TRANSITIONS, equal("to_state", "open"), by=ask.by)
        answers.append((openings, Column(field="", title="Openings", decimals=0, width=90)))
    queries, columns = answered(answers)
    kind = Query(
        expr=ask.criticality(ask.by),
        shape="table",
        instant=True,
    )
    names = tuple(
        Column(field=label, title=label.capitalize(), links=(link,) if label == "dependency" else ())
        for label in reversed(ask.by)
    )
    return Table(
        key="offenders",
        title="Dependencies, worst first",
        description=(
            "Every dependency: its breaker now and how long it has not been closed, what callers get, load, "
            "calls turned away, p99, openings in the time shown. Click a name to open its board. "
            "When Failed is red, start with that line; when only Degraded is, its fallback holds."
        ),
        queries=(*queries, kind),
        height=max(6, min(3 + facts.guards, 14)),
        columns=(*names, *columns, Column(field="criticality", title="Criticality", width=110)),
        sort=("Failed", "Degraded"),
    )


def policy(ask: Ask) -> Table:
    """Settings of one guard as the running service has them."""
    return Table(
        key="policy",
        title="Policy in force",
        description=(
            "Every number of this guard's policies, as the running service reports it; times in seconds. "
            "When two instances differ, a change is being rolled out: the largest value is shown."
        ),
        queries=(
            Query(
                expr=max_by(ask.scope.select(catalog.POLICY_SETTING), "policy", "setting"),
                shape="table",
                instant=True,
            ),
        ),
        width=12,
        height=9,
        unit="none",
        columns=(
            Column(field="policy", title="Policy"),
            Column(field="setting", title="Setting"),
            Column(field="Value", title="Value"),
        ),
    )
