"""The list of what every query of every panel returned, for people who want to see it without the demo."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby

from reference.demo.promise import Evidence
from reference.demo.queries import RULES, Result
from reference.demo.quiet import ABSENT, QUIET

COMMAND = "make campaign-boards"
INTRODUCTION = """\
# What every panel shows of the reference scenario

`{command}`, {made}: seawall {seawall}, Python {python}, Prometheus {prometheus}. The reference \
service went through the demo's {seconds:.0f} s ({phases}), scraped every second, the rules evaluated every \
second. Then every query of every panel, annotation and variable of all its boards, and of every rule, was \
asked of this Prometheus, as Grafana fills it in with "All" chosen; where a dependency has to be chosen, \
for each of them, and the series of all are counted.

**{answered} of {all} queries of {boards} boards returned something**, {at_end} of them still at the end, \
when everything had recovered; {refused} were refused. So did {recorded} of {recordings} recordings, and \
{fired} of {alerts} alerts fired. A query that returns nothing has its reason here, or the demo fails; so \
it does where a reason is given and something is returned. `tests/integration/test_dashboards` asks the \
same of an hour of two processes, one of them left behind by a roll-out, with a listener that fails.

*over it*: series over the whole scenario. *at its end*: series at its last moment, where what looks for \
trouble is silent.
"""


def listing(evidence: Evidence, prometheus: str) -> str:
    """Markdown. `prometheus`: the server's version."""
    results = [one for one in evidence.results if one.query.board != RULES]
    rules = [one for one in evidence.results if one.query.board == RULES]
    alerts = [one for one in rules if one.query.alert]
    recordings = [one for one in rules if not one.query.alert]
    boards = list(dict.fromkeys(one.query.board for one in results))
    played = evidence.story.played
    text = [
        INTRODUCTION.format(
            command=COMMAND,
            made=datetime.now(UTC).strftime("%Y-%m-%d"),
            seawall=version("seawall"),
            python=platform.python_version(),
            prometheus=prometheus,
            seconds=evidence.story.ended - evidence.story.began,
            phases=", ".join(f"{one.phase.name} {one.phase.seconds:.0f} s" for one in played),
            answered=_answered(results),
            all=len(results),
            boards=len(boards),
            at_end=sum(bool(one.series and one.at_end) for one in results),
            refused=sum(bool(one.problem) for one in evidence.results),
            recorded=_answered(recordings),
            recordings=len(recordings),
            fired=_answered(alerts),
            alerts=len(alerts),
        ).rstrip()
    ]
    for board in boards:
        mine = [one for one in results if one.query.board == board]
        text += ["", f"## {board.capitalize()}", "", *_table("panel | query", _panels(mine))]
    text += [
        "",
        "## Recordings",
        "",
        *_table("recording", [_row([f"`{one.query.panel}`"], one) for one in recordings]),
    ]
    text += [
        "",
        "## What these boards do not have",
        "",
        *(f"- {panel}: {why}" for panel, why in ABSENT.items()),
    ]
    return "\n".join(text) + "\n"


def _answered(results: Iterable[Result]) -> int:
    return sum(bool(one.series) for one in results)


def _table(first: str, rows: Sequence[str]) -> list[str]:
    columns = first.count("|") + 1
    head = f"| {first} | over it | at its end | why it is empty |"
    return [head, "|" + "---|" * columns + "--:|--:|---|", *rows]


def _panels(results: Sequence[Result]) -> list[str]:
    """A line each; a panel's name stands on its first."""
    rows = []
    for panel, group in groupby(results, key=lambda one: one.query.panel):
        for number, one in enumerate(group):
            rows.append(_row([panel if not number else "", f"`{one.query.part}`"], one))
    return rows


def _row(cells: Sequence[str], one: Result) -> str:
    why = f"refused: {one.problem}" if one.problem else QUIET.get(one.query.place, "")
    return f"| {' | '.join((*cells, str(one.series), str(one.at_end), why))} |"
