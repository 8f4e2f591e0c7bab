"""Who is told: receivers that can't be, and what is written of those that can."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from seawall.alerts import Email, Mute, Options, PagerDuty, Slack, Teams, Webhook, build
from seawall.alerts.receivers import KINDS, Receiver
from seawall.resilience import ConfigurationError

MAIL: dict[str, Any] = {"to": ("a@shop.example",), "sender": "alerts@shop.example", "smarthost": "mail:587"}


def configured(document: dict[str, Any], *receivers: Receiver, **more: Any) -> dict[str, Any]:
    files = build(document, Options(receivers=receivers, **more))
    found: dict[str, Any] = yaml.safe_load(files["alertmanager/alertmanager.yml"])
    return found


def receiver(configuration: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in configuration["receivers"] if each["name"] == name)
    return dict(found)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (Webhook, {}, ["webhook.url and url_file are both given, or neither; allowed: one of them"]),
        (Webhook, {"url": "ftp://x"}, ["webhook.url is 'ftp://x'; allowed: an http or https address"]),
        (
            Webhook,
            {"url": "http://x", "user": "u"},
            ["webhook.user and password_file belong together; allowed: both, or neither"],
        ),
        (
            Webhook,
            {"url": "http://x", "token_file": "/t", "user": "u", "password_file": "/p"},
            ["webhook.token_file and password_file are both given; allowed: one of them"],
        ),
        (
            Webhook,
            {"url": "http://x", "user": "a:b", "password_file": "/p"},
            ["webhook.user is 'a:b'; allowed: no colon, which ends the name in basic authentication"],
        ),
        (
            Webhook,
            {"url_file": "secret"},
            [
                "webhook.url_file is 'secret'; allowed: an absolute path, as nobody knows "
                "Alertmanager's own folder"
            ],
        ),
        (
            Email,
            {},
            [
                "email.to is empty; allowed: at least one address",
                "email.sender is ''; allowed: name@host",
                "email.smarthost is ''; allowed: host:port",
            ],
        ),
        (Email, {**MAIL, "to": ("a@b", "x")}, ["email.to is 'x'; allowed: name@host"]),
        (Email, {**MAIL, "smarthost": "mail:70000"}, ["email.smarthost is 'mail:70000'; allowed: host:port"]),
        (Email, {**MAIL, "smarthost": "[mail:25"}, ["email.smarthost is '[mail:25'; allowed: host:port"]),
        (Email, {**MAIL, "to": ("a(b@c",)}, ["email.to is 'a(b@c'; allowed: name@host"]),
        (Email, {**MAIL, "to": ("a..b@c",)}, ["email.to is 'a..b@c'; allowed: name@host"]),
        (Email, {**MAIL, "sender": "a@b;c"}, ["email.sender is 'a@b;c'; allowed: name@host"]),
        (Email, {**MAIL, "require_tls": "no"}, ["email.require_tls is 'no'; allowed: true or false"]),
        (
            Email,
            {**MAIL, "user": "u"},
            ["email.user and password_file belong together; allowed: both, or neither"],
        ),
        (Slack, {}, ["slack.api_url_file is missing; allowed: the path of a file with the secret"]),
        (Slack, {"api_url_file": "/s/"}, ["slack.api_url_file is '/s/'; allowed: the path of a file"]),
        (
            Slack,
            {"api_url_file": "/s", "channel": "{{ .X }}"},
            ["slack.channel is '{{ .X }}'; allowed: printable characters, no {{"],
        ),
        (PagerDuty, {"url": "x"}, ["pagerduty.routing_key_file is missing", "pagerduty.url is 'x'; allowed"]),
        (Teams, {}, ["teams.webhook_url_file is missing; allowed: the path of a file with the secret"]),
        (
            Teams,
            {"webhook_url_file": "/t", "severities": ("page",), "criticalities": ("x", "x")},
            [
                "teams.severities is ['page']; allowed: each of critical, warning, info once at most",
                "teams.criticalities is ['x', 'x']; allowed: each of critical, default, sheddable "
                "once at most",
            ],
        ),
        (
            Slack,
            {"api_url_file": "/s", "severities": ()},
            ["slack.severities is empty; allowed: at least one"],
        ),
        (
            Slack,
            {"api_url_file": 3, "severities": "all"},
            ["slack.severities is 'all'", "slack.api_url_file is 3"],
        ),
    ],
)
def test_what_is_wrong_is_named(kind: type[Receiver], settings: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        kind(**settings)
    assert len(caught.value.problems) == len(said)
    for problem, expected in zip(caught.value.problems, said, strict=True):
        assert problem.startswith(expected)


def test_a_secret_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Webhook(url="http://user:hunter2@x/")
    assert str(caught.value) == (
        "webhook.url holds a user name or password; allowed: none, secrets go by file only"
    )


@pytest.mark.parametrize(
    ("target", "made", "said"),
    [
        (
            "alertmanager=0.27",
            Webhook(url_file="/s"),
            "receivers: url_file needs Alertmanager 0.28 (0.26 and 0.27 know it, and crash when the "
            "webhook answers "
            "an error), and the target is 0.27; allowed: url and token_file",
        ),
        (
            "alertmanager=0.26",
            Teams(webhook_url_file="/s"),
            "receivers: teams needs Alertmanager 0.27 (0.26 takes the secret address in its "
            "configuration only), and "
            "the target is 0.26; allowed: webhook, email, slack, pagerduty",
        ),
    ],
)
def test_what_the_target_can_not_do_is_an_error(target: str, made: Receiver, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Options(target=target, receivers=(made,))
    assert caught.value.problems == (said,)


def test_nobody_may_be_left_untold() -> None:
    only = Slack(api_url_file="/s", severities=("critical", "warning"), criticalities=("critical",))
    page = Slack(api_url_file="/s", severities=("critical",))
    with pytest.raises(ConfigurationError) as caught:
        Options(receivers=(only, page))
    assert caught.value.problems == (
        "receivers: nobody is told of every warning alert; allowed: at least one receiver of "
        "severity warning "
        "without criticalities",
    )


def test_a_mute_has_one_declaration() -> None:
    night = Mute(name="night", times=("00:00-07:00",))
    with pytest.raises(ConfigurationError) as caught:
        Options(mutes=(night, night))
    assert caught.value.problems == ("mute 'night' is declared twice; allowed: once",)


def test_each_is_written_as_alertmanager_has_it(document: dict[str, Any]) -> None:
    found = receiver(
        configured(
            document,
            Webhook(url="http://x/", user="u", password_file="/p", resolved=False),
            Webhook(url_file="/hook", token_file="/t"),
            Email(**MAIL, user="u", password_file="/p"),
            Slack(api_url_file="/slack", channel="#shop"),
            PagerDuty(routing_key_file="/pd"),
            Teams(webhook_url_file="/teams"),
            target="alertmanager=0.28",
        ),
        "warning",
    )
    assert found["webhook_configs"] == [
        {
            "url": "http://x/",
            "send_resolved": False,
            "max_alerts": 0,
            "http_config": {"basic_auth": {"username": "u", "password_file": "/p"}},
        },
        {
            "url_file": "/hook",
            "send_resolved": True,
            "max_alerts": 0,
            "http_config": {"authorization": {"type": "Bearer", "credentials_file": "/t"}},
        },
    ]
    (mail,) = found["email_configs"]
    assert (mail["to"], mail["from"], mail["smarthost"]) == (
        "a@shop.example",
        "alerts@shop.example",
        "mail:587",
    )
    assert (mail["auth_username"], mail["auth_password_file"], mail["require_tls"]) == ("u", "/p", True)
    (slack,) = found["slack_configs"]
    assert (slack["api_url_file"], slack["channel"]) == ("/slack", "#shop")
    (page,) = found["pagerduty_configs"]
    assert (page["routing_key_file"], page["url"]) == ("/pd", "https://events.pagerduty.com/v2/enqueue")
    (card,) = found["msteamsv2_configs"]
    assert card["webhook_url_file"] == "/teams"


def test_teams_is_told_by_a_connector_where_there_is_no_other(document: dict[str, Any]) -> None:
    found = configured(document, Teams(webhook_url_file="/t"), target="alertmanager=0.27")
    assert [card["webhook_url_file"] for card in receiver(found, "critical")["msteams_configs"]] == ["/t"]


def test_routes_go_by_severity_and_by_criticality(document: dict[str, Any]) -> None:
    found = configured(
        document,
        Slack(api_url_file="/all", severities=("critical", "warning")),
        PagerDuty(routing_key_file="/pd", severities=("critical",), criticalities=("critical", "default")),
        mutes=(Mute(name="night", times=("00:00-07:00",)),),
    )
    _, critical, warning, info = found["route"]["routes"]
    assert (critical["receiver"], warning["receiver"], info["receiver"]) == ("critical", "warning", "nobody")
    assert critical["routes"] == [
        {"receiver": "critical-critical", "matchers": ['criticality="critical"']},
        {"receiver": "critical-default", "matchers": ['criticality="default"']},
    ]
    assert "mute_time_intervals" not in critical
    assert warning["mute_time_intervals"] == info["mute_time_intervals"] == ["night"]
    assert "routes" not in warning
    assert set(receiver(found, "critical")) == {"name", "slack_configs"}
    assert set(receiver(found, "critical-default")) == {"name", "slack_configs", "pagerduty_configs"}
    assert [each["name"] for each in found["receivers"]] == [
        "nobody", "critical", "critical-critical", "critical-default", "warning",
    ]  # fmt: skip


def test_a_route_below_is_muted_with_the_one_above(document: dict[str, Any]) -> None:
    found = configured(
        document,
        Slack(api_url_file="/all"),
        PagerDuty(routing_key_file="/pd", criticalities=("critical",)),
        mutes=(Mute(name="night", times=("00:00-07:00",), severities=("info",)),),
    )
    info = found["route"]["routes"][3]
    assert [route["mute_time_intervals"] for route in (info, *info["routes"])] == [["night"], ["night"]]


def test_a_mute_is_written_as_alertmanager_has_it(document: dict[str, Any]) -> None:
    found = configured(
        document,
        Slack(api_url_file="/s"),
        mutes=(
            Mute(
                name="summer nights",
                times=("22:00-24:00", "00:00-07:00"),
                weekdays=("monday:friday", "sunday"),
                days_of_month=("1", "3:7"),
                months=("july:august",),
                location="Europe/Berlin",
            ),
        ),
    )
    assert found["time_intervals"] == [
        {
            "name": "summer nights",
            "time_intervals": [
                {
                    "times": [
                        {"start_time": "22:00", "end_time": "24:00"},
                        {"start_time": "00:00", "end_time": "07:00"},
                    ],
                    "weekdays": ["monday:friday", "sunday:sunday"],
                    "days_of_month": ["1:1", "3:7"],
                    "months": ["july:august"],
                    "location": "Europe/Berlin",
                }
            ],
        }
    ]


def test_no_kind_takes_a_secret_in_its_settings() -> None:
    for kind in KINDS.values():
        for name in getattr(kind, "__slots__", ()):
            assert not any(word in name for word in ("token", "password", "key")) or name.endswith("_file")
