"""Runbooks in Markdown, one for each alert's name, with the numbers of the policies it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seawall.alerts.context import Context
from seawall.alerts.document import GuardPolicy
from seawall.alerts.model import Alert
from seawall.alerts.templates import render
from seawall.telemetry.promql import number, window

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+.!|<>&~$-])")


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are Markdown already."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def build(context: Context, alerts: Sequence[Alert], heading: str) -> dict[str, str]:
    """Texts by file name."""
    names = dict.fromkeys(alert.name for alert in alerts)
    return {
        f"{name}.md": _page(context, [alert for alert in alerts if alert.name == name], heading)
        for name in names
    }


def _page(context: Context, same: Sequence[Alert], heading: str) -> str:
    runbook = same[0].runbook
    return render(
        "runbook.md.j2",
        # A comment of Markdown ends at two dashes and a bracket, and no name may bring them.
        heading=heading.replace("--", "- -").replace(">", ""),
        runbook=runbook,
        rules=[_rule(alert) for alert in same],
        service=escaped(context.document.service),
        table=_table(context, runbook.policy) if runbook.policy else None,
    )


def _rule(alert: Alert) -> str:
    criticality = alert.labels.get("criticality")
    who = f" for {criticality} dependencies" if criticality else ""
    long = alert.labels.get("long_window")
    over = f" over {long} and {alert.labels['short_window']}" if long else ""
    wait = f", after {window(alert.hold)}" if alert.hold else ", at once"
    return f"**{alert.severity}**{who}{over}{wait}"


def _table(context: Context, policy: str) -> Table | None:
    guards = [
        (guard, settings) for guard in context.document.guards if (settings := _settings(guard, policy))
    ]
    if not guards:
        return None
    # A setting that no guard uses would only push the others off a phone's screen.
    used = (name for _, settings in guards for name, value in settings.items() if _used(value))
    columns = list(dict.fromkeys(used))
    rows = tuple(
        (
            escaped(guard.name),
            guard.criticality,
            ", ".join(escaped(mode) for mode in guard.modes) or "none",
            *(_cell(settings.get(column)) for column in columns),
        )
        for guard, settings in guards
    )
    return Table(("dependency", "criticality", "fallback", *(f"`{name}`" for name in columns)), rows)


def _settings(guard: GuardPolicy, policy: str) -> Mapping[str, object]:
    if policy == "objectives":
        return guard.objectives
    if policy == "family":
        return guard.family
    found: dict[str, object] = {}
    for name, value in guard.policies.get(policy, {}).items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            found[name] = value
    return found


def _used(value: object) -> bool:
    return value is not None and value is not False and value != []


def _cell(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(escaped(str(item)) for item in value) or "none"
    return escaped(str(value))


def escaped(text: str) -> str:
    """``text`` as it stands, in a Markdown table: no markup, no HTML, no line of its own."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split())) or "\\ "
