"""Each kind of receiver as Alertmanager's configuration has it, with the texts that it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seawall.alerts.receivers import Email, PagerDuty, Receiver, Slack, Teams, Webhook
from seawall.alerts.targets import Target


def _call(name: str) -> str:
    return f'{{{{ template "seawall.{name}" . }}}}'


SUBJECT = _call("title")
TEXT = _call("text")
HTML = _call("email.html")
SLACK: dict[str, Any] = {
    "color": '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}',
    "fallback": _call("slack.title"),
    "title": _call("slack.title"),
    "title_link": "{{ .CommonAnnotations.dashboard_url }}",
    "text": _call("slack.text"),
    # Elsewhere, so that no name in the text is taken for markup.
    "mrkdwn_in": ["pretext"],
}
PAGERDUTY: dict[str, Any] = {
    "client": "seawall",
    "client_url": "{{ .CommonAnnotations.dashboard_url }}",
    "description": SUBJECT,
    "severity": _call("pagerduty.severity"),
    "class": "{{ .CommonLabels.alertname }}",
    "component": "{{ .CommonLabels.dependency }}",
    "group": "{{ .CommonLabels.job }}",
}
#: The first two replace what Alertmanager would say at length.
PAGERDUTY_DETAILS = {"firing": _call("pagerduty.firing"), "resolved": _call("pagerduty.resolved")}
PAGERDUTY_LINKS = (
    ("{{ .CommonAnnotations.dashboard_url }}", "Dashboard"),
    ("{{ .CommonAnnotations.runbook_url }}", "Runbook"),
)
TEAMS = {"title": _call("teams.title"), "text": _call("teams.text")}


def written(receiver: Receiver, target: Target) -> tuple[str, dict[str, Any]]:
    """The name of the list, without ``_configs``, and the entry in it."""
    if isinstance(receiver, Teams):
        return target.teams, _teams(receiver)
    return receiver.kind, _WRITERS[type(receiver)](receiver)


def _webhook(receiver: Webhook) -> dict[str, Any]:
    address = {"url": receiver.url} if receiver.url else {"url_file": receiver.url_file}
    written: dict[str, Any] = {**address, "send_resolved": receiver.resolved, "max_alerts": 0}
    if receiver.token_file:
        written["http_config"] = {
            "authorization": {"type": "Bearer", "credentials_file": receiver.token_file}
        }
    if receiver.user:
        login = {"username": receiver.user, "password_file": receiver.password_file}
        written["http_config"] = {"basic_auth": login}
    return written


def _email(receiver: Email) -> dict[str, Any]:
    written: dict[str, Any] = {
        "to": ", ".join(receiver.to),
        "from": receiver.sender,
        "smarthost": receiver.smarthost,
    }
    if receiver.user:
        written |= {"auth_username": receiver.user, "auth_password_file": receiver.password_file}
    return written | {
        "require_tls": receiver.require_tls,
        "send_resolved": receiver.resolved,
        "headers": {"Subject": SUBJECT},
        "text": TEXT,
        "html": HTML,
    }


def _slack(receiver: Slack) -> dict[str, Any]:
    channel = {"channel": receiver.channel} if receiver.channel else {}
    return {"api_url_file": receiver.api_url_file, **channel, "send_resolved": receiver.resolved, **SLACK}


def _pagerduty(receiver: PagerDuty) -> dict[str, Any]:
    return {
        "routing_key_file": receiver.routing_key_file,
        "url": receiver.url,
        "send_resolved": receiver.resolved,
        **PAGERDUTY,
        "details": dict(PAGERDUTY_DETAILS),
        "links": [{"href": href, "text": text} for href, text in PAGERDUTY_LINKS],
    }


def _teams(receiver: Teams) -> dict[str, Any]:
    return {
        "webhook_url_file": receiver.webhook_url_file,
        "send_resolved": receiver.resolved,
        **TEAMS,
    }


_WRITERS: dict[type[Receiver], Callable[[Any], dict[str, Any]]] = {
    Webhook: _webhook,
    Email: _email,
    Slack: _slack,
    PagerDuty: _pagerduty,
}
