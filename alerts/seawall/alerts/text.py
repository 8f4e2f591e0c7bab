"""Texts of annotations: one description of a text gives the Go template and what the template will say.

Rules carry the template. The tests generated with them carry what it must say for their input, so that every
template is executed, with names that users chose as data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import quote_plus

from seawall.telemetry.catalog import DEGRADATIONS, POLICY_SETTING

#: Names of the labels that tell one guard of one service from all others.
Labels = Sequence[str]
Format = Literal["percent", "seconds", "number", "count"]
_PIPES: dict[Format, str] = {
    "percent": "humanizePercentage",
    "seconds": "humanizeDuration",
    "number": 'printf "%.4g"',
    "count": 'printf "%.0f"',
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a template sees when it runs: labels and value of the alert, settings and modes of its guard."""

    labels: Mapping[str, str]
    value: float
    settings: Mapping[tuple[str, str], float]
    modes: tuple[str, ...] = ()


class Part(Protocol):
    def template(self, by: Labels) -> str:
        """``by``: what a question about the alert's guard has to name."""

    def shown(self, seen: Seen) -> str: ...


@dataclass(frozen=True, slots=True)
class Literally:
    """Text as it stands; braces in it are no template."""

    text: str

    def template(self, by: Labels) -> str:
        return self.text.replace("{{", '{{"{{"}}')

    def shown(self, seen: Seen) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Label:
    """A label of the alert; ``in_url`` escapes it for the query part of an address."""

    name: str
    in_url: bool = False

    def template(self, by: Labels) -> str:
        return f"{{{{ $labels.{self.name}{' | urlquery' if self.in_url else ''} }}}}"

    def shown(self, seen: Seen) -> str:
        text = seen.labels.get(self.name, "")
        return quote_plus(text, safe="") if self.in_url else text


@dataclass(frozen=True, slots=True)
class Value:
    """The value of the alert's expression."""

    format: Format

    def template(self, by: Labels) -> str:
        return f"{{{{ $value | {_PIPES[self.format]} }}}}"

    def shown(self, seen: Seen) -> str:
        return human(seen.value, self.format)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the alert's guard, asked from Prometheus when the alert fires: never out of date.

    Says "not set" where the guard has none.
    """

    policy: str
    setting: str
    format: Format

    def template(self, by: Labels) -> str:
        more = f',policy="{self.policy}",setting="{self.setting}"'
        return (
            f"{{{{ with {_asked(f'max({POLICY_SETTING.name}%s)', by, more)} | query }}}}"
            f"{{{{ . | first | value | {_PIPES[self.format]} }}}}{{{{ else }}}}not set{{{{ end }}}}"
        )

    def shown(self, seen: Seen) -> str:
        value = seen.settings.get((self.policy, self.setting))
        return "not set" if value is None else human(value, self.format)


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What callers get meanwhile: the modes of the guard's fallback, asked from Prometheus, or none."""

    def template(self, by: Labels) -> str:
        return (
            f"{{{{ with {_asked(f'count by (mode) ({DEGRADATIONS.name}%s)', by)} | query }}}}"
            "Meanwhile callers get degraded answers from its fallback ("
            '{{ range $i, $s := . | sortByLabel "mode" }}{{ if $i }}, {{ end }}'
            '{{ $s | label "mode" }}{{ end }}).'
            "{{ else }}It has no fallback: meanwhile callers get an error at once, without waiting.{{ end }}"
        )

    def shown(self, seen: Seen) -> str:
        if seen.modes:
            return (
                f"Meanwhile callers get degraded answers from its fallback ({', '.join(sorted(seen.modes))})."
            )
        return "It has no fallback: meanwhile callers get an error at once, without waiting."


@dataclass(frozen=True, slots=True)
class Text:
    parts: tuple[Part, ...]

    def template(self, by: Labels) -> str:
        return "".join(part.template(by) for part in self.parts)

    def shown(self, seen: Seen) -> str:
        return "".join(part.shown(seen) for part in self.parts)


def text(*parts: Part | str) -> Text:
    """A text of parts; plain strings stand for themselves."""
    return Text(tuple(Literally(part) if isinstance(part, str) else part for part in parts))


def human(value: float, how: Format) -> str:
    """What Prometheus' ``humanizePercentage``, ``humanizeDuration`` and ``printf`` say."""
    if how == "percent":
        return f"{value * 100:.4g}%"
    if how == "count":
        return f"{value:.0f}"
    if how == "number":
        return f"{value:.4g}"
    if value == 0:
        return "0s"
    if abs(value) < 1:
        return f"{value * 1000:.4g}ms" if abs(value) >= 0.001 else f"{value * 1e6:.4g}us"
    sign, whole = ("-" if value < 0 else ""), int(abs(value))
    days, hours, minutes, seconds = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{abs(value):.4g}s"


def _asked(query: str, by: Labels, more: str = "") -> str:
    """A query in which ``%s`` selects the alert's guard. Go's ``%q`` quotes its labels, as PromQL does."""
    matchers = ",".join(f"{name}=%q" for name in by) + more
    literal = query.replace("%s", f"{{{matchers}}}").replace("\\", "\\\\").replace('"', '\\"')
    return " ".join((f'printf "{literal}"', *(f"$labels.{name}" for name in by)))
