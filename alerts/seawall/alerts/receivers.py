"""Who is told of alerts, and how: webhook, e-mail, Slack, PagerDuty, Microsoft Teams.

A secret is only ever named by the path of a file that Alertmanager reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import ClassVar

from seawall.alerts.document import CRITICALITIES
from seawall.alerts.model import Severity
from seawall.alerts.targets import Target
from seawall.alerts.urls import is_place, url_problem
from seawall.resilience.errors import ConfigurationError

SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"

#: As mail servers take it without quotes. Braces are Alertmanager's own.
_ATOM = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`|~-]|[^\x00-\xa0])+"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@[\w-]+(?:\.[\w-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """What all of them have. Every violation is named in one `ConfigurationError`.

    ``severities``: of which alerts it is told. ``criticalities``: only of dependencies declared so; () takes
    all, and alerts about no dependency too. ``resolved``: it is told of the end as well.
    """

    kind: ClassVar[str] = ""
    #: Settings that name a file with a secret, of which one is needed, or none.
    secrets: ClassVar[tuple[str, ...]] = ()
    #: Those of them that Alertmanager looks for beside its configuration, if they are relative.
    beside: ClassVar[tuple[str, ...]] = ()

    severities: tuple[str, ...] = SEVERITIES
    criticalities: tuple[str, ...] = ()
    resolved: bool = True

    def __post_init__(self) -> None:
        problems = [f"{self.kind}.{problem}" for problem in self._problems()]
        if problems:
            raise ConfigurationError(problems)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that hold its secrets."""
        return tuple(path for name in self.secrets if (path := getattr(self, name)))

    def lacks(self, target: Target) -> str:
        """Why this target can't tell it; "" where it can."""
        return ""

    def _problems(self) -> Iterator[str]:
        # A value of the wrong type would only confuse what comes after.
        wrong = list(_types(self))
        yield from wrong
        if not wrong:
            yield from self._shared()
            yield from self._own()

    def _shared(self) -> Iterator[str]:
        for name, known in (("severities", SEVERITIES), ("criticalities", CRITICALITIES)):
            value: tuple[str, ...] = getattr(self, name)
            if not set(value) <= set(known) or len(set(value)) < len(value):
                yield f"{name} is {list(value)!r}; allowed: each of {', '.join(known)} once at most"
        if not self.severities:
            yield "severities is empty; allowed: at least one"
        for name in self.secrets:
            path = getattr(self, name)
            if path and not (path.startswith("/") or name in self.beside):
                yield (
                    f"{name} is {path!r}; allowed: an absolute path, as nobody knows "
                    f"Alertmanager's own folder"
                )
            elif not path.isprintable() or path.endswith("/"):
                yield f"{name} is {path!r}; allowed: the path of a file"

    def _own(self) -> Iterator[str]:
        yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Receiver):
    """Alertmanager's own JSON, as `seawall receive` takes it.

    ``url``, or ``url_file`` where the address is a secret. ``token_file``: a bearer token; or ``user`` with
    ``password_file``: basic authentication.
    """

    kind: ClassVar[str] = "webhook"
    secrets: ClassVar[tuple[str, ...]] = ("url_file", "token_file", "password_file")
    beside: ClassVar[tuple[str, ...]] = ("token_file", "password_file")

    url: str = ""
    url_file: str = ""
    token_file: str = ""
    user: str = ""
    password_file: str = ""

    def lacks(self, target: Target) -> str:
        return target.problem_with_url_file if self.url_file else ""

    def _own(self) -> Iterator[str]:
        if bool(self.url) is bool(self.url_file):
            yield "url and url_file are both given, or neither; allowed: one of them"
        elif self.url and (problem := url_problem(self.url)):
            yield f"url {problem}"
        if bool(self.user) is not bool(self.password_file):
            yield "user and password_file belong together; allowed: both, or neither"
        if self.token_file and self.password_file:
            yield "token_file and password_file are both given; allowed: one of them"
        if ":" in self.user:
            yield f"user is {self.user!r}; allowed: no colon, which ends the name in basic authentication"
        yield from _literal("user", self.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Email(Receiver):
    """A mail to each address in ``to``, from ``sender``, by way of ``smarthost`` (host:port).

    ``require_tls`` (True: a mail about an outage names internals): refuse a server without STARTTLS.
    """

    kind: ClassVar[str] = "email"
    secrets: ClassVar[tuple[str, ...]] = ("password_file",)

    to: tuple[str, ...] = ()
    sender: str = ""
    smarthost: str = ""
    user: str = ""
    password_file: str = ""
    require_tls: bool = True

    def _own(self) -> Iterator[str]:
        if not self.to:
            yield "to is empty; allowed: at least one address"
        for name, addresses in (("to", self.to), ("sender", (self.sender,))):
            for address in addresses:
                if not _ADDRESS.fullmatch(address) or not address.isprintable():
                    yield f"{name} is {address!r}; allowed: name@host"
        if not is_place(self.smarthost):
            yield f"smarthost is {self.smarthost!r}; allowed: host:port"
        if bool(self.user) is not bool(self.password_file):
            yield "user and password_file belong together; allowed: both, or neither"
        yield from _literal("user", self.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack(Receiver):
    """A message by an incoming webhook, whose address is the secret. ``channel``: another than its own."""

    kind: ClassVar[str] = "slack"
    secrets: ClassVar[tuple[str, ...]] = ("api_url_file",)

    api_url_file: str = ""
    channel: str = ""

    def _own(self) -> Iterator[str]:
        yield from _needed("api_url_file", self.api_url_file)
        yield from _literal("channel", self.channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDuty(Receiver):
    """An event of the Events API v2. ``url``: of another region than the United States."""

    kind: ClassVar[str] = "pagerduty"
    secrets: ClassVar[tuple[str, ...]] = ("routing_key_file",)

    routing_key_file: str = ""
    url: str = PAGERDUTY

    def _own(self) -> Iterator[str]:
        yield from _needed("routing_key_file", self.routing_key_file)
        if problem := url_problem(self.url):
            yield f"url {problem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams(Receiver):
    """A card in Microsoft Teams, by a flow's webhook; for Alertmanager 0.27 by a connector of before."""

    kind: ClassVar[str] = "teams"
    secrets: ClassVar[tuple[str, ...]] = ("webhook_url_file",)

    webhook_url_file: str = ""

    def lacks(self, target: Target) -> str:
        return target.problem_with_teams

    def _own(self) -> Iterator[str]:
        yield from _needed("webhook_url_file", self.webhook_url_file)


KINDS: dict[str, type[Receiver]] = {kind.kind: kind for kind in (Webhook, Email, Slack, PagerDuty, Teams)}


def everyone_is_told(receivers: tuple[Receiver, ...]) -> Iterator[str]:
    """Problems: severities above info of which nobody would be told, for some alerts at least."""
    for severity in ("critical", "warning"):
        if not any(severity in r.severities and not r.criticalities for r in receivers):
            yield (
                f"receivers: nobody is told of every {severity} alert; allowed: at least one "
                f"receiver of severity "
                f"{severity} without criticalities"
            )


def _types(receiver: Receiver) -> Iterator[str]:
    for field in fields(receiver):
        value = getattr(receiver, field.name)
        if str(field.type).startswith("tuple"):
            if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
                yield f"{field.name} is {value!r}; allowed: a list of texts"
        elif not isinstance(value, bool if field.type == "bool" else str):
            allowed = "true or false" if field.type == "bool" else "a text"
            yield f"{field.name} is {value!r}; allowed: {allowed}"


def _needed(name: str, value: str) -> Iterator[str]:
    if not value:
        yield f"{name} is missing; allowed: the path of a file with the secret"


def _literal(name: str, value: str) -> Iterator[str]:
    """Alertmanager takes these for templates."""
    if "{{" in value or not value.isprintable():
        yield f"{name} is {value!r}; allowed: printable characters, no {{{{"
