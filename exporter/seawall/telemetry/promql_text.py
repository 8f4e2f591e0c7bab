"""How texts, numbers, lengths of time and label matchers are written in PromQL."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
#: What `by (...)` takes for something else, in any case.
_NO_LABELS = ("inf", "nan", "without")
_UNITS = (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


class QueryError(ValueError):
    """An expression that could not be right: an unknown label, a rate of a gauge, a window that is none."""


def is_label(text: object) -> bool:
    """Whether targets may have a label of this name, and PromQL takes it wherever a label stands."""
    return isinstance(text, str) and bool(_LABEL.fullmatch(text)) and text.lower() not in _NO_LABELS


def quoted(text: str) -> str:
    """``text`` as a PromQL string. ``$`` and ``[`` are written as escapes: Grafana sees no variable."""
    out = []
    for char in text:
        if char in '\\"':
            out.append("\\" + char)
        elif char == "$" or char == "[" or not char.isprintable():
            out.append(_escaped(ord(char)))
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def _escaped(point: int) -> str:
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def regex_literal(text: str) -> str:
    """A regular expression (RE2) that matches ``text`` and nothing else."""
    return _REGEX_SPECIAL.sub(lambda found: "\\" + found[0], text)


def number(value: float) -> str:
    """``value`` as PromQL: the shortest decimal that is this number, without an exponent."""
    if not math.isfinite(value):
        raise QueryError(f"not a finite number: {value}")
    text = format(Decimal(str(value)), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def window(seconds: float) -> str:
    """A length of time as PromQL writes it: 90 -> "1m30s", 0.25 -> "250ms". None below a millisecond."""
    rest = round(seconds * 1000)
    if rest <= 0:
        raise QueryError(f"a window must be at least a millisecond: {seconds} s")
    out = ""
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        out += f"{count}{unit}" if count else ""
    return out


def seconds(text: str) -> float:
    """The length of a window as `window` writes it."""
    sizes = dict(_UNITS)
    return sum(int(count) * sizes[unit] for count, unit in re.findall(r"([0-9]+)(ms|[wdhms])", text)) / 1000


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher; ``text`` is its value as PromQL, quotes included."""

    label: str
    operator: Literal["=", "!=", "=~", "!~"]
    text: str

    def __str__(self) -> str:
        return self.label + self.operator + self.text


def equal(label: str, value: str) -> Matcher:
    return Matcher(label, "=", quoted(value))


def unequal(label: str, value: str) -> Matcher:
    return Matcher(label, "!=", quoted(value))


def one_of(label: str, values: Iterable[str]) -> Matcher:
    """Any of the values, taken literally. One value is an equality, which Prometheus finds faster."""
    each = list(values)
    if not each:
        raise QueryError(f"no value for {label}: the selector would match nothing")
    return equal(label, each[0]) if len(each) == 1 else Matcher(label, "=~", _alternatives(each))


def none_of(label: str, values: Iterable[str]) -> Matcher:
    return Matcher(label, "!~", _alternatives(list(values)))


def matches(label: str, pattern: str) -> Matcher:
    """The label fits a pattern of ours: a Grafana variable such as ``$job``, or a regex. Never a name."""
    return Matcher(label, "=~", '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"')


def _alternatives(values: list[str]) -> str:
    return quoted("|".join(regex_literal(value) for value in values))
