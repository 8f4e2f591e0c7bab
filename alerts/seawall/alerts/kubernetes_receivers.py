"""Alertmanager's configuration as the operator's ``AlertmanagerConfig``: other names, secrets of the cluster.

Made from the configuration as it is written for Alertmanager, so that both tell the same people the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seawall.resilience.errors import ConfigurationError

_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)("(?:[^"\\]|\\.)*")')
_SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_WORD = re.compile(r"_([a-z0-9])")
#: Where a file's path stands in Alertmanager's configuration, and the secret in the resource.
_SECRETS = {
    "url_file": "urlSecret",
    "auth_password_file": "authPassword",
    "api_url_file": "apiURL",
    "routing_key_file": "routingKey",
}
_NAMES = {"require_tls": "requireTLS", "client_url": "clientURL"}
_KINDS = {
    "webhook_configs": "webhookConfigs",
    "email_configs": "emailConfigs",
    "slack_configs": "slackConfigs",
    "pagerduty_configs": "pagerdutyConfigs",
    "msteams_configs": "msteamsConfigs",
    "msteamsv2_configs": "msteamsv2Configs",
}


@dataclass(frozen=True, slots=True)
class Told:
    """``secret``: the name of the Secret. ``texts``: the templates, which stand before each text using them,
    as an AlertmanagerConfig can bring no file.
    """

    secret: str
    texts: str
    problems: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, path: str) -> dict[str, str]:
        """The secret that a file holds elsewhere."""
        key = path.rpartition("/")[2]
        if not _SECRET_KEY.fullmatch(key):
            self.problems.append(
                f"secret file {path}: its name is no key of a Secret; allowed: letters, digits, -_."
            )
        if self.keys.setdefault(key, path) != path:
            self.problems.append(f"secret files {self.keys[key]} and {path} would be one key of a Secret")
        return {"name": self.secret, "key": key}

    def text(self, text: str) -> str:
        return self.texts + text if '{{ template "seawall.' in text else text


def notifications(configuration: Mapping[str, Any], told: Told) -> dict[str, Any]:
    """The ``spec``. `ConfigurationError` names what an AlertmanagerConfig can't say."""
    made: dict[str, Any] = {
        "route": _route(configuration["route"]),
        "inhibitRules": [_inhibition(rule) for rule in configuration["inhibit_rules"]],
        "receivers": [_receiver(each, told) for each in configuration["receivers"]],
    }
    if intervals := configuration.get("time_intervals"):
        made["muteTimeIntervals"] = [_interval(each, told) for each in intervals]
    if told.problems:
        raise ConfigurationError(told.problems)
    return made


def _route(route: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in route.items():
        if name == "matchers":
            made[name] = [_matcher(text) for text in value]
        elif name == "routes":
            made[name] = [_route(each) for each in value]
        elif name == "mute_time_intervals":
            made["muteTimeIntervals"] = value
        else:
            made[_camel(name)] = value
    return made


def _inhibition(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sourceMatch": [_matcher(text) for text in rule["source_matchers"]],
        "targetMatch": [_matcher(text) for text in rule["target_matchers"]],
        "equal": rule["equal"],
    }


def _matcher(text: str) -> dict[str, str]:
    found = _MATCHER.fullmatch(text)
    assert found is not None
    return {"name": found[1], "matchType": found[2], "value": json.loads(found[3])}


def _interval(interval: Mapping[str, Any], told: Told) -> dict[str, Any]:
    times = []
    for each in interval["time_intervals"]:
        if each["location"] != "UTC":
            told.problems.append(
                f"mute {interval['name']!r} has the location {each['location']}; an "
                f"AlertmanagerConfig takes: UTC"
            )
        made: dict[str, Any] = {}
        if "times" in each:
            made["times"] = [{"startTime": t["start_time"], "endTime": t["end_time"]} for t in each["times"]]
        if "days_of_month" in each:
            pairs = (days.partition(":") for days in each["days_of_month"])
            made["daysOfMonth"] = [{"start": int(first), "end": int(last)} for first, _, last in pairs]
        times.append(made | {name: each[name] for name in ("weekdays", "months") if name in each})
    return {"name": interval["name"], "timeIntervals": times}


def _receiver(receiver: Mapping[str, Any], told: Told) -> dict[str, Any]:
    made: dict[str, Any] = {"name": receiver["name"]}
    for kind, entries in receiver.items():
        if kind != "name":
            made[_KINDS[kind]] = [_entry(kind, entry, told) for entry in entries]
    return made


def _entry(kind: str, entry: Mapping[str, Any], told: Told) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in entry.items():
        if name in _SECRETS:
            made[_SECRETS[name]] = told.key(value)
        elif name == "webhook_url_file":
            made["webhookURL" if kind == "msteamsv2_configs" else "webhookUrl"] = told.key(value)
        elif name in _SPECIAL:
            place, write = _SPECIAL[name]
            made[place] = write(value, told)
        else:
            made[_NAMES.get(name, _camel(name))] = told.text(value) if isinstance(value, str) else value
    return made


def _pairs(value: Mapping[str, str], told: Told) -> list[dict[str, str]]:
    return [{"key": key, "value": told.text(text)} for key, text in value.items()]


def _links(value: list[Mapping[str, str]], _: Told) -> list[dict[str, str]]:
    return [{"href": link["href"], "alt": link["text"]} for link in value]


def _http(value: Mapping[str, Any], told: Told) -> dict[str, Any]:
    if "authorization" in value:
        shown = value["authorization"]
        return {"authorization": {"type": shown["type"], "credentials": told.key(shown["credentials_file"])}}
    # Of a user, the name is a secret here too.
    login = value["basic_auth"]
    user = told.key(f"{login['password_file']}.user")
    return {"basicAuth": {"username": user, "password": told.key(login["password_file"])}}


_SPECIAL: dict[str, tuple[str, Callable[[Any, Told], Any]]] = {
    "details": ("details", _pairs),
    "headers": ("headers", _pairs),
    "links": ("pagerDutyLinkConfigs", _links),
    "http_config": ("httpConfig", _http),
}


def _camel(name: str) -> str:
    return _WORD.sub(lambda found: found[1].upper(), name)
