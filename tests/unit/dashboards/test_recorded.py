"""Boards over all replicas ask for what the rules of the same bundle keep, and for little of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
from tests.unit.dashboards.test_expressions import VARIABLES

from seawall import alerts, dashboards
from seawall.alerts.context import Context
from seawall.alerts.document import parse
from seawall.alerts.model import Recording
from seawall.alerts.rulefiles import groups
from seawall.dashboards import Options, OptionsError
from seawall.dashboards.recorded_ask import over_replicas
from seawall.telemetry import catalog
from seawall.telemetry.promql import QueryError

Json = dict[str, Any]
LABELS = {
    "cluster_label": "cluster",
    "namespace_label": "namespace",
    "job_label": "service",
    "instance_label": "pod",
}
#: Raw series that these boards ask for: one a replica.
FEW = {catalog.BUILD_INFO.name}


def selectors(node: Any) -> Iterator[Any]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "vector_selector", "param"):
        if (child := getattr(node, name, None)) is not None:
            yield from selectors(child)
    for child in getattr(node, "args", ()):
        yield from selectors(child)


def asked(document: Json, options: Options) -> dict[str, set[str]]:
    """Series of Overview and Fleet, and the labels that they are chosen by."""
    boards = dashboards.build(document, options)
    found: dict[str, set[str]] = {}
    for name in ("overview.json", "fleet.json"):
        board = json.loads(boards[name])
        inside = [child for panel in board["panels"] for child in panel.get("panels", [])]
        texts = [t["expr"] for panel in (*board["panels"], *inside) for t in panel.get("targets", ())]
        texts += [note["expr"] for note in board["annotations"]["list"] if "expr" in note]
        for text in texts:
            for variable, value in VARIABLES.items():
                text = text.replace(variable, value)
            for selector in selectors(promql_parser.parse(text)):
                found.setdefault(selector.name, set()).update(m.name for m in selector.matchers.matchers)
    return found


@pytest.mark.parametrize("more", [{}, LABELS], ids=["one service", "a fleet's labels"])
@pytest.mark.parametrize("pace", [1.0, 1 / 4], ids=["as in production", "faster"])
def test_what_they_ask_for_is_recorded(document: Json, more: dict[str, str], pace: float) -> None:
    rules = alerts.Options(**more, time_factor=pace)  # type: ignore[arg-type]  # label names
    context = Context(rules, parse(document))
    kept = {r.name: r.labels for g in groups(context) for r in g.rules if isinstance(r, Recording)}
    options = Options(**more, rate_window=rules.rate_window)  # type: ignore[arg-type]  # label names
    found = asked(document, options)
    assert len(found) == 17
    for name, labels in found.items():
        if name not in FEW:
            assert name in kept
            assert labels <= kept[name], name
    assert {name for name in found if name not in kept} == FEW


def test_without_rules_they_ask_for_raw_series(document: Json) -> None:
    assert not [name for name in asked(document, Options(recorded=False)) if ":" in name]


def test_every_rule_for_boards_is_asked_for(document: Json) -> None:
    """But what other rules are made from."""
    bundle = alerts.build(document)
    names = [
        line.split(": ")[1] for line in bundle["prometheus/rules/boards.yml"].splitlines() if "record" in line
    ]
    assert set(names) - set(asked(document, Options())) == {"job_instance_outcome:seawall_calls:rate5m"}


def test_a_board_over_all_replicas_offers_no_choice_that_would_change_nothing(document: Json) -> None:
    boards = {name: json.loads(text) for name, text in dashboards.build(document, Options(**LABELS)).items()}  # type: ignore[arg-type]  # label names

    def chosen(name: str) -> list[str]:
        return [variable["name"] for variable in boards[name]["templating"]["list"]]

    assert chosen("overview.json") == ["datasource", "cluster", "namespace", "job", "dependency"]
    assert chosen("fleet.json") == ["datasource", "cluster", "namespace", "job"]
    assert "$instance" not in json.dumps(boards["overview.json"])
    assert "$dependency" not in json.dumps(boards["fleet.json"])


def test_what_no_rule_keeps_can_not_be_asked_for() -> None:
    a = over_replicas(Options(), dependencies=True)
    each = ("job", "instance")
    with pytest.raises(QueryError, match=r"keeps seawall_retries_total over \$__rate_interval by"):
        a.total(catalog.RETRIES, by=("dependency",))
    with pytest.raises(QueryError, match=r"seawall_errors_total over .* by job, instance"):
        a.total(catalog.ERRORS, by=each)
    with pytest.raises(QueryError, match="counts seawall_errors_total"):
        a.count(catalog.ERRORS)
    with pytest.raises(QueryError, match="buckets of seawall_attempt_duration_seconds"):
        a.quantile(0.5, catalog.ATTEMPT_DURATION)
    with pytest.raises(QueryError, match="keeps seawall_calls_total over 2h"):
        a.calls(over="2h")
    for series, by in ((catalog.ATTEMPT_DURATION, each), (catalog.CALL_DURATION, ())):
        with pytest.raises(QueryError, match="keeps the mean of"):
            a.mean(series, by)


def test_the_window_of_the_rules_is_a_window() -> None:
    with pytest.raises(OptionsError, match="rate_window 'soon' is no window"):
        Options(rate_window="soon")
    assert ":rate1m30s{" in over_replicas(Options(rate_window="1m30s"), dependencies=True).calls().text


def test_curves_have_five_points_for_each_window_and_states_all_that_fit(document: Json) -> None:
    board = json.loads(dashboards.build(document, Options(rate_window="1m15s"))["overview.json"])
    steps = {
        panel["type"]: {t["interval"] for t in panel["targets"]}
        for panel in board["panels"]
        if "targets" in panel
    }
    assert (steps["timeseries"], steps["state-timeline"], steps["stat"]) == ({"15000ms"}, {""}, {""})
    raw = dashboards.build(document, Options(recorded=False))["overview.json"]
    assert '"interval": "15000ms"' not in raw
