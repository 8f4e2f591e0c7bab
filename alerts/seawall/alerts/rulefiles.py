"""Rules and their tests as files for Prometheus and promtool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from seawall.alerts import (
    board_cases,
    breaker_alerts,
    budget_alerts,
    by_hand_alerts,
    cases,
    causes,
    fallback_alerts,
    links,
    pressure_alerts,
    retry_alerts,
    slowness_alerts,
    thread_alerts,
    traffic_alerts,
    upkeep_alerts,
    watching_alerts,
)
from seawall.alerts.context import Context
from seawall.alerts.fit_records import FitRecords, long_interval
from seawall.alerts.model import Alert, Group, Recording
from seawall.alerts.records import Records
from seawall.alerts.yaml_text import dump
from seawall.telemetry.promql import window

#: More rules than this are split into groups of their own: a group is evaluated one rule after the other.
GROUP_SIZE = 20
#: Files of recordings that the alerts of a file read.
READS = {
    "breaker": ("rates", "breakers"),
    "by_hand": ("rates", "breakers"),
    "failure_budgets": ("rates", "failures_windows"),
    "degraded_budgets": ("rates", "degraded_windows"),
    "retries": ("rates", "shares"),
    "slowness": ("rates", "shares"),
    "pressure": ("rates", "shares"),
    "threads": ("rates", "shares"),
    "fallbacks": ("rates", "answers"),
    "traffic": ("rates",),
    "upkeep": ("rates", "breakers"),
    "watching": (),
}
#: Files of alerts about hours and days.
SELDOM = ("by_hand", "traffic", "upkeep")


def groups(context: Context) -> list[Group]:
    """All rules of a bundle."""
    records = Records(context)
    fits = FitRecords(records)
    families: dict[str, Iterable[Alert]] = {
        "breaker": breaker_alerts.alerts(context, records, fits),
        "by_hand": by_hand_alerts.alerts(context, fits),
        "failure_budgets": budget_alerts.alerts(context, records, "success"),
        "degraded_budgets": budget_alerts.alerts(context, records, "undegraded"),
        "retries": retry_alerts.alerts(context, records),
        "slowness": slowness_alerts.alerts(context, records),
        "pressure": pressure_alerts.alerts(context, records),
        "threads": thread_alerts.alerts(context, records),
        "fallbacks": fallback_alerts.alerts(context, records, fits),
        "traffic": traffic_alerts.alerts(context, records),
        "upkeep": upkeep_alerts.alerts(context, records, fits),
        "watching": watching_alerts.alerts(context),
    }
    own = [group for group in (*records.groups(), *fits.groups()) if group.rules]
    pace = dict.fromkeys(SELDOM, long_interval(context))
    for file, alerts in families.items():
        each = tuple(causes.explained(context, tuple(alerts)))
        asked = tuple(dict.fromkeys(asked for alert in each for asked in alert.asks))
        parts = [each[i : i + GROUP_SIZE] for i in range(0, len(each), GROUP_SIZE)]
        own += [
            Group(
                file,
                f"seawall alerts, {file}" + (f" {n}" if len(parts) > 1 else ""),
                part if n > 1 else (*asked, *part),
                pace.get(file),
            )
            for n, part in enumerate(parts, 1)
        ]
    return own


def rule_files(context: Context, own: Sequence[Group], heading: str) -> Iterator[tuple[str, str]]:
    """Name without folder, and text, of each rule file."""
    for file in dict.fromkeys(group.file for group in own):
        document = {"groups": [_group(context, g) for g in own if g.file == file]}
        yield f"{file}.yml", dump(document, heading)


def test_files(context: Context, own: Sequence[Group], heading: str) -> Iterator[tuple[str, str]]:
    """Tests for each file of alerts, beside the recordings that the alerts read, a file for each pace.

    promtool evaluates all tests of a file at one interval: a test of days at that of minutes takes hours.
    """
    every = [rule for group in own for rule in group.rules if isinstance(rule, Alert)]
    for file in dict.fromkeys(group.file for group in own if group.file in READS):
        mine = [g for g in own if g.file in (*READS[file], file)]
        alerts = [rule for group in mine for rule in group.rules if isinstance(rule, Alert)]
        for step in sorted({alert.scenario.every for alert in alerts}):
            document: dict[str, object] = {
                "rule_files": [f"../rules/{name}.yml" for name in dict.fromkeys(g.file for g in mine)],
                "evaluation_interval": window(step),
                "group_eval_order": [_name(context, g) for g in mine],
                "tests": [
                    case
                    for alert in alerts
                    if alert.scenario.every == step
                    for case in cases.of(context, alert, _siblings(alert, every))
                ],
            }
            yield f"{file}_every_{window(step)}_test.yml", dump(document, heading)
    if boards := board_cases.test_file(context):
        name, document = boards
        yield name, dump(document, heading)


def _siblings(alert: Alert, every: Sequence[Alert]) -> list[Alert]:
    return [
        other
        for other in every
        if other is not alert
        and other.name == alert.name
        and other.scenario.labels == alert.scenario.labels
        and other.labels.get("criticality") == alert.labels.get("criticality")
        # A louder one mutes it, and it mutes a quieter one.
        and other.severity == alert.severity
        and other.scenario.fires_from <= alert.scenario.bad_as
    ]


def _name(context: Context, group: Group) -> str:
    return f"{group.name}: {context.job}"


def _group(context: Context, group: Group) -> dict[str, object]:
    written: dict[str, object] = {"name": _name(context, group)}
    if group.interval is not None:
        written["interval"] = window(group.interval)
    written["rules"] = [_rule(context, rule) for rule in group.rules]
    return written


def _rule(context: Context, rule: Recording | Alert) -> dict[str, object]:
    if isinstance(rule, Recording):
        return {"record": rule.name, "expr": rule.expr.text}
    written: dict[str, object] = {"alert": rule.name, "expr": rule.expr.text}
    if rule.hold:
        written["for"] = window(rule.hold)
    if rule.keep:
        written["keep_firing_for"] = window(rule.keep)
    # Values of labels are templates too.
    written["labels"] = {name: value.replace("{{", '{{"{{"}}') for name, value in rule.static_labels.items()}
    texts = links.texts(context, rule)
    written["annotations"] = {name: text.template(context.by) for name, text in texts.items()}
    return written
