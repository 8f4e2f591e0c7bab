"""Every expression of every rule: it parses, and names only series and labels that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from seawall.alerts.causes import ALERTS
from seawall.alerts.context import Context
from seawall.alerts.document import parse
from seawall.alerts.model import Alert, Recording
from seawall.alerts.options import Options
from seawall.alerts.rulefiles import groups
from seawall.alerts.watching_alerts import UP
from seawall.telemetry.catalog import SERIES

EXPOSED = {
    name: frozenset((*series.labels, *more))
    for series in (*SERIES, UP, ALERTS)
    for name, more in (
        [(series.name, ())]
        if series.type != "histogram"
        else [(series.bucket, ("le",)), (series.sum, ()), (series.count, ())]
    )
}
TARGET = {"job", "instance"}


def rules(document: dict[str, Any], options: Options | None = None) -> list[Recording | Alert]:
    context = Context(options or Options(), parse(document))
    return [rule for group in groups(context) for rule in group.rules]


def selectors(node: Any) -> Iterator[Any]:
    """Every vector selector below a node of the parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None:
            yield from selectors(child)
    for child in getattr(node, "args", ()):
        yield from selectors(child)


def known(rules: list[Recording | Alert]) -> dict[str, frozenset[str]]:
    """Labels of every series that rules may ask, recorded ones included."""
    own = {rule.name: rule.labels for rule in rules if isinstance(rule, Recording)}
    return own | {name: labels | TARGET for name, labels in EXPOSED.items()}


def unknown(expression: str, series: dict[str, frozenset[str]]) -> list[str]:
    """What the expression names and nothing emits."""
    found = []
    for selector in selectors(promql_parser.parse(expression)):
        if selector.name not in series:
            found.append(selector.name)
            continue
        found += [
            f"{selector.name}.{matcher.name}"
            for matcher in selector.matchers.matchers
            if matcher.name not in series[selector.name]
        ]
    return found


def test_every_expression_names_what_exists(document: dict[str, Any]) -> None:
    found = rules(document)
    series = known(found)
    assert len(found) > 50
    for rule in found:
        assert unknown(rule.expr.text, series) == [], rule.name


def test_a_series_or_label_that_does_not_exist_is_found() -> None:
    series = {"a": frozenset({"x"})}
    assert unknown('sum(rate(a{x="1"}[5m])) / b', series) == ["b"]
    assert unknown('a{x="1",y="2"} > 1', series) == ["a.y"]


def test_no_rule_looks_beyond_its_own_job(document: dict[str, Any]) -> None:
    for rule in rules(document):
        for selector in selectors(promql_parser.parse(rule.expr.text)):
            jobs = [m.value for m in selector.matchers.matchers if m.name == "job"]
            assert jobs == ["shop"], rule.name


def test_recordings_are_named_by_level_metric_and_operations(document: dict[str, Any]) -> None:
    for rule in rules(document):
        if isinstance(rule, Recording):
            level, metric, operations = rule.name.split(":")
            assert set(rule.labels) == labels_of(level), rule.name
            assert re.fullmatch(r"seawall_[a-z_]+", metric)
            assert re.fullmatch(
                r"((ratio_|avg_)?rate[0-9a-z]+|mean5m|max_(increase|ratio|avg)[0-9a-z]+|ratio|max|count|sum|delta)",
                operations,
            )


def labels_of(level: str) -> set[str]:
    """A dependency over all replicas, or a replica over all dependencies."""
    job, other, *rest = level.replace("to_state", "to-state").split("_")
    assert job == "job"
    assert other in ("dependency", "instance")
    return {job, other, *(label.replace("-", "_") for label in rest)}


def test_no_rate_is_asked_of_a_window_shorter_than_four_scrapes(document: dict[str, Any]) -> None:
    options = Options(scrape_interval=1.0, evaluation_interval=1.0, time_factor=4 / 300)
    for rule in rules(document, options):
        for window in re.findall(r"\[(\w+)\]", rule.expr.text):
            assert seconds(window) >= 4, rule.name


def seconds(window: str) -> float:
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)(ms|[dhms])", window))


@pytest.mark.parametrize("policy", ["breaker", "retry", "timeout", "bulkhead", "rate_limit", "fallback"])
def test_a_policy_that_no_guard_has_brings_no_rule(policy: str, document: dict[str, Any]) -> None:
    guards = [
        {**guard, "policies": {n: s for n, s in guard["policies"].items() if n != policy}}
        for guard in document["guards"]
    ]
    less = rules({**document, "guards": guards})
    assert len(less) < len(rules(document))
    series = known(less)
    for rule in less:
        assert unknown(rule.expr.text, series) == []
