"""The expression builder: right text, right labels, and errors for what could not be right."""

from __future__ import annotations

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.telemetry import catalog
from seawall.telemetry.promql import (
    Expr,
    QueryError,
    Scope,
    absent,
    call,
    changes,
    constant,
    equal,
    histogram_quantile,
    increase,
    matches,
    max_by,
    none_of,
    number,
    one_of,
    over_time,
    quantile_by,
    quoted,
    rate,
    ratio,
    sum_by,
    topk,
    unequal,
    window,
)

SCOPE = Scope((matches("job", "$job"),))
CALLS = SCOPE.select(catalog.CALLS)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=200)


@given(NAMES)
def test_any_name_comes_back_from_an_equality(name: str) -> None:
    parsed = promql_parser.parse(Scope((equal("dependency", name),)).select(catalog.CALLS).text)
    matchers = parsed.matchers.matchers
    assert [(m.name, m.value) for m in matchers] == [("dependency", name)]


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_any_names_stay_one_matcher(names: list[str]) -> None:
    parsed = promql_parser.parse(Scope((one_of("dependency", names),)).select(catalog.CALLS).text)
    assert len(parsed.matchers.matchers) == 1


@given(NAMES)
def test_grafana_sees_no_variable_in_a_name(name: str) -> None:
    for text in (quoted(name), one_of("dependency", [name, "x"]).text):
        assert "$" not in text
        assert "[" not in text


def test_text() -> None:
    assert str(equal("a", 'x"\\\n')) == 'a="x\\"\\\\\\x0a"'
    assert str(unequal("a", "$x")) == 'a!="\\x24x"'
    assert str(one_of("a", ["x.y"])) == 'a="x.y"'
    assert str(one_of("a", ["x.y", "z"])) == 'a=~"x\\\\.y|z"'
    assert str(none_of("a", ["x|y"])) == 'a!~"x\\\\|y"'
    with pytest.raises(QueryError):
        one_of("a", [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (0.5, "0.5"),
        (1e-9, "0.000000001"),
        (100.0, "100"),
        (1e21, "1" + "0" * 21),
        (-0.0, "0"),
        (14.4, "14.4"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_round_trip(value: float) -> None:
    assert float(number(value)) == value
    assert "e" not in number(value).lower()


def test_what_is_no_number() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(QueryError):
            number(value)


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "1m30s"), (0.25, "250ms"), (3600, "1h"), (86400 * 8, "1w1d"), (1.5, "1s500ms")]
)
def test_windows(seconds: float, text: str) -> None:
    assert window(seconds) == text


def test_no_window() -> None:
    with pytest.raises(QueryError):
        window(0)
    with pytest.raises(QueryError, match="not a window"):
        rate(CALLS, "five minutes")


def test_a_matcher_that_a_series_has_no_label_for_is_left_out() -> None:
    scope = SCOPE.narrowed(equal("operation", "get"))
    assert 'operation="get"' in scope.select(catalog.CALLS).text
    assert "operation" not in scope.select(catalog.ERRORS).text


def test_labels_are_checked() -> None:
    with pytest.raises(QueryError, match="no label 'colour'"):
        SCOPE.select(catalog.CALLS, equal("colour", "red"))
    with pytest.raises(QueryError, match="no label 'colour'"):
        sum_by(rate(CALLS, "5m"), "colour")
    with pytest.raises(QueryError, match="no label 'le'"):
        histogram_quantile(0.9, sum_by(rate(SCOPE.bucket(catalog.CALL_DURATION), "5m"), "dependency"))
    with pytest.raises(QueryError, match="labels differ"):
        sum_by(rate(CALLS, "5m"), "dependency") / sum_by(rate(CALLS, "5m"), "job")
    with pytest.raises(QueryError, match="no label 'job'"):
        sum_by(rate(CALLS, "5m"), "dependency").binary("/", rate(CALLS, "5m"), on=("job",))


def test_types_are_checked() -> None:
    state = SCOPE.select(catalog.BREAKER_STATE)
    with pytest.raises(QueryError, match="rate needs a counter"):
        rate(state, "5m")
    with pytest.raises(QueryError, match="take the rate before the sum"):
        sum_by(CALLS, "dependency")
    with pytest.raises(QueryError, match="is a histogram"):
        SCOPE.select(catalog.CALL_DURATION)
    with pytest.raises(ValueError, match="only a histogram"):
        SCOPE.bucket(catalog.CALLS)
    with pytest.raises(QueryError, match="a window needs a selector"):
        over_time("max", max_by(state, "dependency"), "5m")


def test_a_ratio_is_safe() -> None:
    part = sum_by(rate(SCOPE.select(catalog.CALLS, equal("outcome", "failure")), "5m"), "dependency")
    total = sum_by(rate(CALLS, "5m"), "dependency")
    assert ratio(part, total).text == f"({part} or 0 * {total}) / ({total} > 0)"


def test_parentheses() -> None:
    a, b = sum_by(rate(CALLS, "5m")), sum_by(increase(CALLS, "5m"))
    assert ((a + b) * 2).text == f"({a} + {b}) * 2"
    assert (a - constant(-1)).text == f"{a} - (-1)"
    assert (a | 0).text == f"{a} or vector(0)"
    assert (constant(1) - a).text == f"1 - {a}"
    assert ((a & b) | a).text == f"({a} and {b}) or {a}"
    assert a.above(1).text == f"{a} > 1"
    assert a.below(1).text == f"{a} < 1"


def test_joins_keep_labels() -> None:
    info = max_by(SCOPE.select(catalog.POLICY_INFO), "dependency", "criticality")
    calls = sum_by(rate(CALLS, "5m"), "dependency", "operation")
    joined = calls.joined("*", info, on=("dependency",), bring=("criticality",))
    assert joined.labels == {"dependency", "operation", "criticality"}
    by_name = sum_by(joined, "criticality", "operation")
    assert promql_parser.parse(by_name.text) is not None
    assert calls.unless(info, on=("dependency",)).labels == calls.labels
    assert calls.where(info, on=("dependency",)).labels == calls.labels


def test_the_other_functions_are_promql() -> None:
    state = SCOPE.select(catalog.BREAKER_STATE, equal("state", "open"))
    each: list[Expr] = [
        absent(state),
        changes(state, "$__rate_interval".replace("$__rate_interval", "1m")),
        over_time("max", state, "5m"),
        call("clamp_max", max_by(state, "dependency"), 1),
        topk(3, max_by(state, "dependency")),
        quantile_by(0.9, rate(SCOPE.count(catalog.CALL_DURATION), "5m"), "dependency"),
        rate(SCOPE.sum(catalog.CALL_DURATION), "5m"),
    ]
    for expr in each:
        assert promql_parser.parse(expr.text) is not None
