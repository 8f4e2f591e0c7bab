"""Settings that stand in files: how each is given a text, how a refusal begins, where the text comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seawall.alerts import Email, Mute, Options, PagerDuty, Slack, Teams, Webhook
from seawall.alerts.receivers import Receiver

Json = dict[str, Any]
MAIL: Json = {"to": ("a@b.example",), "sender": "a@b.example", "smarthost": "mail:25"}


@dataclass(frozen=True)
class Case:
    """A setting: options with a text in it, how a refusal begins, where it stands, and what stands there."""

    make: Callable[[str], Options]
    refused: str
    found: Callable[[Json, Json], object]
    wanted: Callable[[str], object] = str


def told(make: Callable[[str], Receiver]) -> Callable[[str], Options]:
    return lambda text: Options(receivers=(make(text),), target="alertmanager=0.28")


def entry(kind: str, *path: str) -> Callable[[Json, Json], object]:
    def found(_: Json, written: Json) -> object:
        at: Any = written["receivers"][1][f"{kind}_configs"][0]
        for name in path:
            at = at[name]
        return at

    return found


def scraped(written: Json, _: Json) -> Json:
    static: Json = written["scrape_configs"][0]["static_configs"][0]
    return static


CASES = {
    "targets": Case(
        lambda text: Options(targets=(f"x{text}:1", "y:1")),
        "options.targets holds ",
        lambda p, a: scraped(p, a)["targets"],
        lambda text: [f"x{text}:1", "y:1"],
    ),
    "alertmanagers": Case(
        lambda text: Options(alertmanagers=(f"{text}",)),
        "options.alertmanagers holds ",
        lambda p, _: p["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"][0],
    ),
    "value of a label": Case(
        lambda text: Options(target_labels=(("team", text),)),
        "options.target_labels says team is ",
        lambda p, a: scraped(p, a)["labels"]["team"],
    ),
    "name of a label": Case(
        lambda text: Options(target_labels=((text, "x"),)),
        "options.target_labels names ",
        lambda p, a: next(iter(scraped(p, a)["labels"])),
    ),
    "webhook_url": Case(
        lambda text: Options(webhook_url=f"http://x/{text}"),
        "options.webhook_url ",
        entry("webhook", "url"),
        lambda text: f"http://x/{text}",
    ),
    "host of webhook_url": Case(
        lambda text: Options(webhook_url=f"https://{text}/"),
        "options.webhook_url ",
        entry("webhook", "url"),
        lambda text: f"https://{text}/",
    ),
    "webhook.user": Case(
        told(lambda text: Webhook(url="http://x", user=f"u{text}", password_file="/p")),
        "webhook.user is ",
        entry("webhook", "http_config", "basic_auth", "username"),
        lambda text: f"u{text}",
    ),
    "webhook.password_file": Case(
        told(lambda text: Webhook(url="http://x", user="u", password_file=text)),
        "webhook.password_file is ",
        entry("webhook", "http_config", "basic_auth", "password_file"),
    ),
    "webhook.token_file": Case(
        told(lambda text: Webhook(url="http://x", token_file=text)),
        "webhook.token_file is ",
        entry("webhook", "http_config", "authorization", "credentials_file"),
    ),
    "webhook.url_file": Case(
        told(lambda text: Webhook(url_file=f"/{text}")),
        "webhook.url_file is ",
        entry("webhook", "url_file"),
        lambda text: f"/{text}",
    ),
    "email.to": Case(
        told(lambda text: Email(**{**MAIL, "to": (f"{text}@b.example",)})),
        "email.to is ",
        entry("email", "to"),
        lambda text: f"{text}@b.example",
    ),
    "email.sender": Case(
        told(lambda text: Email(**{**MAIL, "sender": f"a@{text}"})),
        "email.sender is ",
        entry("email", "from"),
        lambda text: f"a@{text}",
    ),
    "email.smarthost": Case(
        told(lambda text: Email(**{**MAIL, "smarthost": f"{text}:25"})),
        "email.smarthost is ",
        entry("email", "smarthost"),
        lambda text: f"{text}:25",
    ),
    "email.user": Case(
        told(lambda text: Email(**MAIL, user=text, password_file="/p")),
        "email.user is ",
        entry("email", "auth_username"),
    ),
    "slack.channel": Case(
        told(lambda text: Slack(api_url_file="/s", channel=text)),
        "slack.channel is ",
        entry("slack", "channel"),
    ),
    "slack.api_url_file": Case(
        told(lambda text: Slack(api_url_file=f"/{text}")),
        "slack.api_url_file is ",
        entry("slack", "api_url_file"),
        lambda text: f"/{text}",
    ),
    "pagerduty.routing_key_file": Case(
        told(lambda text: PagerDuty(routing_key_file=f"/{text}")),
        "pagerduty.routing_key_file is ",
        entry("pagerduty", "routing_key_file"),
        lambda text: f"/{text}",
    ),
    "pagerduty.url": Case(
        told(lambda text: PagerDuty(routing_key_file="/k", url=f"http://x?{text}")),
        "pagerduty.url ",
        entry("pagerduty", "url"),
        lambda text: f"http://x?{text}",
    ),
    "teams.webhook_url_file": Case(
        told(lambda text: Teams(webhook_url_file=f"/{text}")),
        "teams.webhook_url_file is ",
        entry("msteamsv2", "webhook_url_file"),
        lambda text: f"/{text}",
    ),
    "mute.name": Case(
        lambda text: Options(mutes=(Mute(name=text, times=("00:00-07:00",)),)),
        "mute.name is ",
        lambda _, a: a["time_intervals"][0]["name"],
    ),
    "mute.days_of_month": Case(
        lambda text: Options(mutes=(Mute(name="x", days_of_month=(f"1:{text}",)),)),
        "mute.days_of_month has ",
        lambda _, a: a["time_intervals"][0]["time_intervals"][0]["days_of_month"],
        lambda text: [f"1:{text}"],
    ),
    "mute.location": Case(
        lambda text: Options(mutes=(Mute(name="x", months=("may",), location=text),)),
        "mute.location is ",
        lambda _, a: a["time_intervals"][0]["time_intervals"][0]["location"],
    ),
}
#: What stands for itself in each of them.
TAKEN = {"alertmanagers": "x:1", "mute.days_of_month": "7", "mute.location": "Europe/Berlin"}
