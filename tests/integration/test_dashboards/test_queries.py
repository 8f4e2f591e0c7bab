"""Every query of every dashboard on a real Prometheus with an hour of two instances and their troubles."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from seawall.dashboards import build
from seawall.resilience import Registry
from seawall.telemetry import catalog

pytestmark = pytest.mark.servers

Json = dict[str, Any]
Ask = Callable[[str], bytes]

HOSTILE = 'mail "} or x{z="'
WINDOWS = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "15s"}
#: Seconds before the end at which the bank had been dead for five minutes.
DURING = 2100.0
#: Panels that the hour leaves empty, and why.
EMPTY = {
    "Timeouts by scope": "calls are played in one thread, where no timer cuts them off",
    "Waiting for a place or a permit": "calls come one after the other: nobody queues",
}


def as_regex(name: str) -> str:
    """A value as Grafana's ``regex`` format writes it."""
    return re.sub(r"[\\^$*+?.()|\[\]{}/]", lambda found: "\\" + found[0], name)


def filled(expr: str, dependency: str) -> str:
    """As Grafana would send it: "All" for every variable, one dependency where one is given."""
    chosen = as_regex(dependency) if dependency else ".+"
    expr = expr.replace("`${dependency:regex}`", f"`{chosen}`")
    for variable, value in WINDOWS.items():
        expr = expr.replace(variable, value)
    for name in ("job", "instance", "operation"):
        expr = expr.replace(f'=~"${name}"', '=~".+"')
    assert "$" not in expr, expr
    return expr


@pytest.fixture(scope="module")
def boards(registry: Registry) -> dict[str, Json]:
    return {name: json.loads(text) for name, text in build(registry.describe()).items()}


def panels(board: Json) -> list[Json]:
    inside = [child for panel in board["panels"] for child in panel.get("panels", [])]
    return [panel for panel in (*board["panels"], *inside) if panel["type"] != "row"]


def asked(prometheus: Ask, expr: str, until: float, *, instant: bool) -> list[Json]:
    """Series that Prometheus answers with; fails with its own words where it refuses."""
    when = {"time": until} if instant else {"start": until - 3600, "end": until, "step": 15}
    path = "/api/v1/query" if instant else "/api/v1/query_range"
    answer = json.loads(prometheus(f"{path}?{urlencode({'query': expr, **when})}"))
    assert answer["status"] == "success", f"{expr}: {answer.get('error')}"
    assert not answer.get("warnings"), f"{expr}: {answer['warnings']}"
    return list(answer["data"]["result"])


def values(series: Json) -> list[float]:
    samples = series.get("values") or [series["value"]]
    return [float(value) for _, value in samples]


def test_every_query_runs_and_every_panel_shows_something(
    prometheus: Ask, boards: dict[str, Json], until: float
) -> None:
    """At the end of the hour or while the bank was dead: what asks for now is silent when all is well."""
    empty = []
    for name, board in boards.items():
        for panel in panels(board):
            chosen = "bank-api" if name == "dependency.json" else ""
            found = sum(answers(prometheus, panel, chosen, when) for when in (until, until - DURING))
            if not found and panel["title"] not in EMPTY:
                empty.append(f"{name}: {panel['title']}")
    assert empty == []


def answers(prometheus: Ask, panel: Json, chosen: str, when: float) -> int:
    """How many series a panel gets at a moment, its dashed lines not counted."""
    found = 0
    for target in panel["targets"]:
        series = asked(prometheus, filled(target["expr"], chosen), when, instant=target["instant"])
        for one in series:
            assert not any(value != value for value in values(one)), f"{panel['title']}: NaN"
        is_limit = catalog.POLICY_SETTING.name in target["expr"] and len(panel["targets"]) > 1
        found += 0 if is_limit else len(series)
    return found


def test_every_query_runs_for_a_name_that_tries_to_get_out(
    prometheus: Ask, boards: dict[str, Json], until: float
) -> None:
    """The guard with the hostile name has its own numbers, and only its own."""
    calls = 0.0
    for panel in panels(boards["dependency.json"]):
        for target in panel["targets"]:
            series = asked(prometheus, filled(target["expr"], HOSTILE), until, instant=target["instant"])
            if panel["title"] == "Calls by what the caller got":
                calls += sum(max(values(one)) for one in series if one["metric"]["outcome"] == "success")
    assert 0 < calls < 2


def test_the_boards_tell_what_happened(prometheus: Ask, boards: dict[str, Json], until: float) -> None:
    """The bank was dead from minute 20 to 35: the overview's timeline, table and marks say so."""
    overview = {panel["title"]: panel for panel in panels(boards["overview.json"])}
    states = asked(
        prometheus, filled(overview["Breaker states"]["targets"][0]["expr"], ""), until, instant=False
    )
    bank = next(one for one in states if one["metric"] == {"dependency": "bank-api"})
    at = {int(when - (until - 3600)) // 60: float(value) for when, value in bank["values"]}
    assert {at[minute] for minute in (5, 10, 45, 55)} == {0}
    assert max(at[minute] for minute in range(21, 34)) == 4
    marks = {note["name"]: note["expr"] for note in boards["overview.json"]["annotations"]["list"][1:]}
    opened = asked(prometheus, filled(marks["Breaker opened"], ""), until, instant=False)
    assert {one["metric"]["dependency"] for one in opened} == {"bank-api", "cache"}
    burning = asked(
        prometheus,
        filled(overview["Degradation budget burn, last hour"]["targets"][0]["expr"], ""),
        until,
        instant=True,
    )
    assert [one["metric"]["dependency"] for one in burning] == ["bank-api"]
    assert values(burning[0])[0] > 1


def test_during_the_outage_the_table_says_since_when(
    prometheus: Ask, boards: dict[str, Json], until: float
) -> None:
    table = next(p for p in panels(boards["overview.json"]) if p["type"] == "table")
    columns = table["transformations"][1]["options"]["renameByName"]
    letter = next(field for field, title in columns.items() if title == "Not closed for")[-1]
    expr = next(t["expr"] for t in table["targets"] if t["refId"] == letter)
    during = asked(prometheus, filled(expr, ""), until - 3600 + 1800, instant=True)
    assert [one["metric"]["dependency"] for one in during] == ["bank-api"]
    assert 400 < values(during[0])[0] < 700
    assert asked(prometheus, filled(expr, ""), until, instant=True) == []


def test_variables_offer_what_there_is(prometheus: Ask, boards: dict[str, Json], until: float) -> None:
    """`label_values` of each variable as Grafana asks it: over the label, with the selector as a match."""
    wanted = {
        "job": ["payments"],
        "instance": ["10.0.0.1:9464", "10.0.0.2:9464"],
        "dependency": ["bank-api", "cache", "ledger-db", HOSTILE],
        "operation": ["statements", "transfer"],
    }
    for board in boards.values():
        variables = board["templating"]["list"][1:]
        declared = [variable["name"] for variable in variables]
        for variable in variables:
            selector, label = variable["definition"].removeprefix("label_values(")[:-1].rsplit(", ", 1)
            assert set(re.findall(r"\$\{?(\w+)", selector)) <= set(declared)
            asks = {"match[]": filled(selector, "bank-api"), "start": until - 3600, "end": until}
            answer = json.loads(prometheus(f"/api/v1/label/{label}/values?{urlencode(asks)}"))
            assert answer["data"] == wanted[variable["name"]], board["title"]
