"""Alertmanager's configuration: who is told, how soon, and what is muted as something else explains it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from seawall.alerts import breaker_alerts, told, watching_alerts
from seawall.alerts.context import Context
from seawall.alerts.document import CRITICALITIES
from seawall.alerts.model import Alert, Severity
from seawall.alerts.mutes import Mute
from seawall.alerts.receivers import SEVERITIES, Receiver
from seawall.alerts.yaml_text import dump
from seawall.telemetry.promql import quoted, regex_literal, window

#: Unscaled seconds: for more of the same, between notifications of a group, before a repetition.
WAIT: Mapping[Severity, float] = {"critical": 0.0, "warning": 30.0, "info": 60.0}
GROUP_INTERVAL: Mapping[Severity, float] = {"critical": 60.0, "warning": 300.0, "info": 900.0}
REPEAT: Mapping[Severity, float] = {"critical": 3600.0, "warning": 43200.0, "info": 86400.0}
NOBODY = "nobody"
TEMPLATES = "templates/*.tmpl"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told of alerts of one severity; ``criticality`` "" is for all that no other takes."""

    severity: Severity
    criticality: str
    receivers: tuple[Receiver, ...]

    @property
    def name(self) -> str:
        if not self.receivers:
            return NOBODY
        return f"{self.severity}-{self.criticality}" if self.criticality else self.severity


def build(context: Context, alerts: Sequence[Alert], heading: str) -> str:
    """``alertmanager.yml``, for the Alertmanager that the options name and newer ones."""
    options = context.options
    document: dict[str, object] = {
        "global": {"resolve_timeout": window(context.seconds(300.0))},
        "templates": [TEMPLATES],
        "route": _route(context),
        "inhibit_rules": list(_inhibitions(context, alerts)),
        "receivers": [{"name": NOBODY}, *(_receiver(context, each) for each in named(options.told))],
    }
    if options.mutes:
        document["time_intervals"] = [_interval(mute) for mute in options.mutes]
    return dump(document, heading)


def audiences(receivers: tuple[Receiver, ...]) -> list[Audience]:
    """For each severity who is told of all, then who of a criticality where that is somebody else."""
    found = []
    for severity in SEVERITIES:
        mine = tuple(receiver for receiver in receivers if severity in receiver.severities)
        usual = tuple(receiver for receiver in mine if not receiver.criticalities)
        found.append(Audience(severity, "", usual))
        for criticality in CRITICALITIES:
            of_these = tuple(r for r in mine if not r.criticalities or criticality in r.criticalities)
            if of_these != usual:
                found.append(Audience(severity, criticality, of_these))
    return found


def named(receivers: tuple[Receiver, ...]) -> list[Audience]:
    return [audience for audience in audiences(receivers) if audience.receivers]


def _route(context: Context) -> dict[str, object]:
    """Anything that no route takes is told like a warning: nothing is dropped for lack of a severity."""
    return {
        "receiver": "warning",
        "group_by": ["alertname", *_apart(context)],
        **_pace(context, "warning"),
        "routes": [
            {"receiver": NOBODY, "matchers": [_is("alertname", watching_alerts.WATCHDOG.name)]},
            *(_of_severity(context, severity) for severity in SEVERITIES),
        ],
    }


def _of_severity(context: Context, severity: Severity) -> dict[str, object]:
    usual, *special = [a for a in audiences(context.options.told) if a.severity == severity]
    names = [mute.name for mute in context.options.mutes if severity in mute.severities]
    # A route below another does not inherit when it is muted.
    muted: dict[str, object] = {"mute_time_intervals": names} if names else {}
    route: dict[str, object] = {
        "receiver": usual.name,
        "matchers": [_is("severity", severity)],
        **_pace(context, severity),
        **muted,
    }
    if special:
        route["routes"] = [
            {"receiver": each.name, "matchers": [_is("criticality", each.criticality)], **muted}
            for each in special
        ]
    return route


def _interval(mute: Mute) -> dict[str, object]:
    written: dict[str, object] = {}
    if mute.times:
        written["times"] = [{"start_time": a, "end_time": b} for a, b in mute.ranges("times")]
    for name in ("weekdays", "days_of_month", "months"):
        if ranges := mute.ranges(name):
            written[name] = [f"{first}:{last}" for first, last in ranges]
    return {"name": mute.name, "time_intervals": [{**written, "location": mute.location}]}


def _pace(context: Context, severity: Severity) -> dict[str, str]:
    options = context.options
    wait = context.seconds(WAIT[severity]) if options.group_wait is None else options.group_wait
    interval = options.group_interval or context.seconds(GROUP_INTERVAL[severity])
    # Never more often than a group may speak.
    repeat = max(options.repeat_interval or context.seconds(REPEAT[severity]), interval)
    return {
        "group_wait": window(wait) if wait else "0s",
        "group_interval": window(interval),
        "repeat_interval": window(repeat),
    }


def _receiver(context: Context, audience: Audience) -> dict[str, object]:
    entries: dict[str, list[object]] = {}
    for receiver in audience.receivers:
        kind, entry = told.written(receiver, context.options.servers)
        entries.setdefault(f"{kind}_configs", []).append(entry)
    return {"name": audience.name, **entries}


def _apart(context: Context) -> list[str]:
    """Labels that keep alerts apart; ``cluster`` is what each Prometheus adds where an alert has none."""
    return list(dict.fromkeys(("cluster", *context.by)))


def _inhibitions(context: Context, alerts: Sequence[Alert]) -> Iterator[dict[str, object]]:
    """Alertmanager takes a label that both sides lack for equal, so both must have what is compared."""
    named, apart = context.options.servers.names_inhibitions, _apart(context)
    known = [_some(label) for label in context.by]
    follows = sorted({alert.name for alert in alerts if alert.follows_open})
    if follows:
        # An open breaker explains them, for its own dependency.
        yield {
            **({"name": "an open breaker explains it"} if named else {}),
            "source_matchers": [_is("alertname", breaker_alerts.OPEN.name), *known],
            "target_matchers": [_any_of("alertname", follows), *known],
            "equal": apart,
        }
    for louder, quieter in (("critical", ("warning", "info")), ("warning", ("info",))):
        yield {
            **({"name": f"{louder} is told already"} if named else {}),
            "source_matchers": [_is("severity", louder), _some("alertname"), *known],
            "target_matchers": [_any_of("severity", quieter), _some("alertname"), *known],
            "equal": ["alertname", *apart],
        }


def _is(label: str, value: str) -> str:
    return f"{label}={quoted(value)}"


def _any_of(label: str, values: Iterable[str]) -> str:
    return f"{label}=~{quoted('|'.join(regex_literal(value) for value in values))}"


def _some(label: str) -> str:
    return f'{label}=~".+"'
