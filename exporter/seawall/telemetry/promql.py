"""PromQL built from the catalog: dashboards and rules can't ask for a series or label that isn't there.

A `Scope` says which labels the scrape adds and which matchers every selector carries; it makes selectors from
catalog series. Functions and operators combine them and keep the parentheses right:

    scope = Scope(matchers=(matches("job", "$job"),))
    calls = rate(scope.select(CALLS), "$__rate_interval")
    failed = rate(scope.select(CALLS, equal("outcome", "failure")), "$__rate_interval")
    ratio(sum_by(failed, "dependency"), sum_by(calls, "dependency"))

Windows are strings, such as "5m" or "$__rate_interval". A label or a type that does not fit raises
`QueryError`. Values of labels may be any text: they come out escaped, for PromQL and for Grafana's variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from seawall.telemetry.catalog import Series
from seawall.telemetry.promql_text import (
    Matcher,
    QueryError,
    equal,
    matches,
    none_of,
    number,
    one_of,
    quoted,
    regex_literal,
    seconds,
    unequal,
    window,
)

__all__ = [
    "TARGET_LABELS",
    "Expr",
    "Matcher",
    "QueryError",
    "Scope",
    "absent",
    "aggregate",
    "avg_by",
    "call",
    "changes",
    "constant",
    "count_by",
    "equal",
    "histogram_quantile",
    "increase",
    "matches",
    "max_by",
    "min_by",
    "none_of",
    "number",
    "one_of",
    "over_time",
    "quantile_by",
    "quoted",
    "rate",
    "ratio",
    "raw",
    "regex_literal",
    "seconds",
    "sum_by",
    "topk",
    "unequal",
    "window",
]

TARGET_LABELS = ("job", "instance")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_WINDOW = re.compile(r"\$__(rate_interval|interval|range)|([0-9]+(ms|[smhdwy]))+")


@dataclass(frozen=True, slots=True)
class Expr:
    """A PromQL expression that gives a vector with ``labels``. Counters and selectors know that they are."""

    text: str
    labels: frozenset[str] = frozenset()
    compound: bool = False
    counter: bool = False
    selector: bool = False

    def __str__(self) -> str:
        return self.text

    def __add__(self, other: Expr | float) -> Expr:
        return self.binary("+", other)

    def __sub__(self, other: Expr | float) -> Expr:
        return self.binary("-", other)

    def __mul__(self, other: Expr | float) -> Expr:
        return self.binary("*", other)

    def __truediv__(self, other: Expr | float) -> Expr:
        return self.binary("/", other)

    def __or__(self, other: Expr | float) -> Expr:
        return self.binary("or", other if isinstance(other, Expr) else Expr(f"vector({number(other)})"))

    def __and__(self, other: Expr) -> Expr:
        return self.binary("and", other)

    def above(self, other: Expr | float) -> Expr:
        return self.binary(">", other)

    def below(self, other: Expr | float) -> Expr:
        return self.binary("<", other)

    def binary(self, operator: str, other: Expr | float, *, on: tuple[str, ...] | None = None) -> Expr:
        """``self operator other``; ``on`` names the labels that must agree (``()``: none)."""
        right = other if isinstance(other, Expr) else constant(other)
        matching = ""
        if on is not None:
            _known(on, self.labels, self.text)
            _known(on, right.labels, right.text)
            matching = f" on ({', '.join(on)})"
        elif operator != "or" and self.labels and right.labels and self.labels != right.labels:
            raise QueryError(f"labels differ, say which must agree: {self.text} {operator} {right.text}")
        own = self.labels or right.labels
        labels = own | right.labels if operator == "or" else own if on is None else frozenset(on)
        return Expr(f"{_inner(self)} {operator}{matching} {_inner(right)}", labels, compound=True)

    def unless(self, other: Expr, on: tuple[str, ...]) -> Expr:
        """Those of ``self`` that have no partner in ``other``."""
        return replace(self.binary("unless", other, on=on), labels=self.labels)

    def where(self, other: Expr, on: tuple[str, ...]) -> Expr:
        """Those of ``self`` that have a partner in ``other``; values and labels stay."""
        return replace(self.binary("and", other, on=on), labels=self.labels)

    def joined(self, operator: str, other: Expr, on: tuple[str, ...], bring: tuple[str, ...] = ()) -> Expr:
        """Many of ``self`` against one of ``other`` (``group_left``), which may ``bring`` labels along."""
        _known((*on, *bring), other.labels, other.text)
        _known(on, self.labels, self.text)
        text = (
            f"{_inner(self)} {operator} on ({', '.join(on)}) group_left ({', '.join(bring)}) {_inner(other)}"
        )
        return Expr(text, self.labels | set(bring), compound=True)


def constant(value: float) -> Expr:
    return Expr(number(value), compound=value < 0)


def raw(text: str, labels: Iterable[str] = ()) -> Expr:
    """An expression from elsewhere, such as the name of a recording rule's series with its labels."""
    return Expr(text, frozenset(labels), compound=True)


@dataclass(frozen=True, slots=True)
class Scope:
    """What every selector shares: ``target_labels`` that the scrape adds, and ``matchers``.

    A matcher on a label that a series does not have is left out of that series' selectors.
    """

    matchers: tuple[Matcher, ...] = ()
    target_labels: tuple[str, ...] = TARGET_LABELS

    def select(self, series: Series, *matchers: Matcher) -> Expr:
        """The series itself; a histogram has none of its own name: use `bucket`, `count` or `sum`."""
        if series.type == "histogram":
            raise QueryError(f"{series.name} is a histogram: select its bucket, count or sum")
        return self._selector(series.name, series.labels, matchers, counter=series.type == "counter")

    def bucket(self, series: Series, *matchers: Matcher) -> Expr:
        return self._selector(series.bucket, (*series.labels, "le"), matchers, counter=True)

    def count(self, series: Series, *matchers: Matcher) -> Expr:
        return self._selector(series.count, series.labels, matchers, counter=True)

    def sum(self, series: Series, *matchers: Matcher) -> Expr:
        return self._selector(series.sum, series.labels, matchers, counter=True)

    def narrowed(self, *matchers: Matcher) -> Scope:
        """The same with more matchers on every selector."""
        return replace(self, matchers=(*self.matchers, *matchers))

    def _selector(
        self, name: str, own: tuple[str, ...], matchers: tuple[Matcher, ...], *, counter: bool
    ) -> Expr:
        labels = frozenset((*own, *self.target_labels))
        everything = [m for m in self.matchers if m.label in labels]
        _known([m.label for m in matchers], labels, name)
        everything += matchers
        body = "{" + ", ".join(map(str, everything)) + "}" if everything else ""
        return Expr(name + body, labels, counter=counter, selector=True)


def rate(counter: Expr, over: str) -> Expr:
    """Per second increase of a counter, averaged over the window."""
    return _of_counter("rate", counter, over)


def increase(counter: Expr, over: str) -> Expr:
    return _of_counter("increase", counter, over)


def over_time(function: str, gauge: Expr, over: str) -> Expr:
    """``avg``, ``max``, ``min``, ``sum``, ``count``, ``last``, ``present`` of a gauge in a window."""
    _windowed(gauge, over)
    return Expr(f"{function}_over_time({gauge.text}[{over}])", gauge.labels)


def changes(gauge: Expr, over: str) -> Expr:
    _windowed(gauge, over)
    return Expr(f"changes({gauge.text}[{over}])", gauge.labels)


def aggregate(function: str, expr: Expr, by: tuple[str, ...], parameter: float | None = None) -> Expr:
    """``function by (labels) (expr)``, every label known. Counters are aggregated after `rate`."""
    _known(by, expr.labels, expr.text)
    if expr.counter:
        raise QueryError(f"take the rate before the {function}: {expr.text}")
    first = "" if parameter is None else number(parameter) + ", "
    grouping = f" by ({', '.join(by)}) " if by else ""
    kept = expr.labels if function in ("topk", "bottomk") else frozenset(by)
    return Expr(f"{function}{grouping}({first}{expr.text})", kept)


def sum_by(expr: Expr, *by: str) -> Expr:
    return aggregate("sum", expr, by)


def max_by(expr: Expr, *by: str) -> Expr:
    return aggregate("max", expr, by)


def min_by(expr: Expr, *by: str) -> Expr:
    return aggregate("min", expr, by)


def avg_by(expr: Expr, *by: str) -> Expr:
    return aggregate("avg", expr, by)


def count_by(expr: Expr, *by: str) -> Expr:
    return aggregate("count", expr, by)


def topk(count: int, expr: Expr) -> Expr:
    return aggregate("topk", expr, (), count)


def quantile_by(quantile: float, expr: Expr, *by: str) -> Expr:
    """A quantile over series (instances, say), not over a histogram's buckets."""
    return aggregate("quantile", expr, by, quantile)


def histogram_quantile(quantile: float, buckets: Expr) -> Expr:
    """The quantile of rates of buckets; ``buckets`` still has its ``le``."""
    _known(("le",), buckets.labels, buckets.text)
    return Expr(f"histogram_quantile({number(quantile)}, {buckets.text})", buckets.labels - {"le"})


def call(function: str, expr: Expr, *parameters: float) -> Expr:
    """A function that keeps labels, such as ``clamp_max`` or ``timestamp``; numbers go after the vector."""
    return Expr(f"{function}({', '.join((expr.text, *map(number, parameters)))})", expr.labels)


def absent(selector: Expr) -> Expr:
    return Expr(f"absent({selector.text})")


def ratio(part: Expr, total: Expr) -> Expr:
    """``part / total``: 0 where part has no series, and nothing (not NaN) where there was no traffic."""
    return Expr(f"({part.text} or 0 * {_inner(total)}) / ({total.text} > 0)", total.labels, compound=True)


def _of_counter(function: str, counter: Expr, over: str) -> Expr:
    if not counter.counter:
        raise QueryError(f"{function} needs a counter: {counter.text}")
    _windowed(counter, over)
    return Expr(f"{function}({counter.text}[{over}])", counter.labels)


def _windowed(expr: Expr, over: str) -> None:
    if not expr.selector:
        raise QueryError(f"a window needs a selector: {expr.text}")
    if not _WINDOW.fullmatch(over):
        raise QueryError(f"not a window: {over!r}; a PromQL duration such as 5m, or $__rate_interval")


def _known(labels: Iterable[str], known: frozenset[str], where: str) -> None:
    unknown = sorted({label for label in labels if label not in known or not _NAME.fullmatch(label)})
    if unknown:
        raise QueryError(
            f"no label {', '.join(map(repr, unknown))} in {where}; it has {', '.join(sorted(known))}"
        )


def _inner(expr: Expr) -> str:
    return f"({expr.text})" if expr.compound else expr.text
