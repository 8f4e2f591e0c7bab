"""Alertmanager's configuration: who is told, how soon, and what is muted as something else explains it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from seawall.alerts import breaker_alerts, watching_alerts
from seawall.alerts.context import Context
from seawall.alerts.model import Alert, Severity
from seawall.alerts.yaml_text import dump
from seawall.telemetry.promql import quoted, regex_literal, window

GROUP_BY = ("alertname", "cluster", "job", "dependency")
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
#: Unscaled seconds: for more of the same, between notifications of a group, before a repetition.
WAIT: Mapping[Severity, float] = {"critical": 0.0, "warning": 30.0, "info": 60.0}
GROUP_INTERVAL: Mapping[Severity, float] = {"critical": 60.0, "warning": 300.0, "info": 900.0}
REPEAT: Mapping[Severity, float] = {"critical": 3600.0, "warning": 43200.0, "info": 86400.0}
NOBODY = "nobody"
TEMPLATES = "templates/*.tmpl"


def build(context: Context, alerts: Sequence[Alert], heading: str) -> str:
    """``alertmanager.yml``, for Alertmanager 0.25 and newer."""
    return dump(
        {
            "global": {"resolve_timeout": window(context.seconds(300.0))},
            "templates": [TEMPLATES],
            "route": _route(context),
            "inhibit_rules": list(_inhibitions(alerts)),
            "receivers": [{"name": NOBODY}, *(_receiver(context, severity) for severity in SEVERITIES)],
        },
        heading,
    )


def _route(context: Context) -> dict[str, object]:
    """Anything that no route takes is told like a warning: nothing is dropped for lack of a severity."""
    return {
        "receiver": "warning",
        "group_by": list(GROUP_BY),
        **_pace(context, "warning"),
        "routes": [
            {"receiver": NOBODY, "matchers": [_is("alertname", watching_alerts.WATCHDOG.name)]},
            *(
                {"receiver": severity, "matchers": [_is("severity", severity)], **_pace(context, severity)}
                for severity in SEVERITIES
            ),
        ],
    }


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


def _receiver(context: Context, severity: Severity) -> dict[str, object]:
    webhook: dict[str, object] = {"url": context.options.webhook_url, "send_resolved": True, "max_alerts": 0}
    if context.options.webhook_token_file:
        webhook["http_config"] = {
            "authorization": {"type": "Bearer", "credentials_file": context.options.webhook_token_file}
        }
    return {"name": severity, "webhook_configs": [webhook]}


def _inhibitions(alerts: Sequence[Alert]) -> Iterator[dict[str, object]]:
    """Alertmanager takes a label that both sides lack for equal, so both must have what is compared."""
    known = [_some("job"), _some("dependency")]
    follows = sorted({alert.name for alert in alerts if alert.follows_open})
    if follows:
        # An open breaker explains them, for its own dependency.
        yield {
            "source_matchers": [_is("alertname", breaker_alerts.OPEN.name), *known],
            "target_matchers": [_any_of("alertname", follows), *known],
            "equal": ["cluster", "job", "dependency"],
        }
    for louder, quieter in (("critical", ("warning", "info")), ("warning", ("info",))):
        yield {
            "source_matchers": [_is("severity", louder), _some("alertname"), *known],
            "target_matchers": [_any_of("severity", quieter), _some("alertname"), *known],
            "equal": ["alertname", "cluster", "job", "dependency"],
        }


def _is(label: str, value: str) -> str:
    return f"{label}={quoted(value)}"


def _any_of(label: str, values: Iterable[str]) -> str:
    return f"{label}=~{quoted('|'.join(regex_literal(value) for value in values))}"


def _some(label: str) -> str:
    return f'{label}=~".+"'
