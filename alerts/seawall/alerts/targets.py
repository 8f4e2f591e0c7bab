"""Which servers a bundle is written for, and what differs between their versions: here, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from seawall.resilience.errors import ConfigurationError

Server = Literal["prometheus", "alertmanager"]
Version = tuple[int, int]

#: First and last minor version of each major one that is known.
KNOWN: dict[Server, dict[int, Version]] = {
    "prometheus": {2: (42, 55), 3: (0, 16)},
    "alertmanager": {0: (25, 34)},
}
#: What the oldest of both take, and all newer ones too: the default.
OLDEST = "prometheus=2.42,alertmanager=0.25"
#: ``routing_key_file``, ``api_url_file`` and ``auth_password_file`` are in every Alertmanager that is known,
#: as is ``keep_firing_for`` in every Prometheus.
URL_FILE: Version = (0, 28)
TEAMS: Version = (0, 27)
TEAMS_BY_FLOW: Version = (0, 28)
NAMED_INHIBITIONS: Version = (0, 30)

_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Target:
    """Major and minor version of each server."""

    prometheus: Version = (2, 42)
    alertmanager: Version = (0, 25)

    @property
    def problem_with_url_file(self) -> str:
        """Why a webhook's address can't be in a file; "" where it can."""
        if self.alertmanager >= URL_FILE:
            return ""
        return (
            f"url_file needs Alertmanager {shown(URL_FILE)} (0.26 and 0.27 know it, and crash when "
            f"the webhook "
            f"answers an error), and the target is {shown(self.alertmanager)}; allowed: url and token_file"
        )

    @property
    def problem_with_teams(self) -> str:
        """Why Microsoft Teams can't be told; "" where it can."""
        if self.alertmanager >= TEAMS:
            return ""
        return (
            f"teams needs Alertmanager {shown(TEAMS)} (0.26 takes the secret address in its "
            f"configuration only), "
            f"and the target is {shown(self.alertmanager)}; allowed: webhook, email, slack, pagerduty"
        )

    @property
    def teams(self) -> str:
        """The name of Teams among a receiver's lists: a flow's webhook, or the connector of before."""
        return "msteamsv2" if self.alertmanager >= TEAMS_BY_FLOW else "msteams"

    @property
    def names_inhibitions(self) -> bool:
        return self.alertmanager >= NAMED_INHIBITIONS


def shown(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def allowed(server: Server) -> str:
    return ", ".join(f"{major}.{low} to {major}.{high}" for major, (low, high) in KNOWN[server].items())


def parse(text: str) -> Target:
    """``prometheus=3.5,alertmanager=0.28``; who is not named is the oldest. Every problem in one error."""
    problems: list[str] = []
    found: dict[str, Version] = {}
    for part in text.split(","):
        name, equals, number = (word.strip() for word in part.partition("="))
        if name not in KNOWN or not equals:
            problems.append(
                f"target {part.strip()!r} is unknown; allowed: prometheus=VERSION, "
                f"alertmanager=VERSION, or both "
                "with a comma between"
            )
            continue
        version = _version(name, number)
        if version is None:
            problems.append(f"target {name} is {number!r}; allowed: {allowed(name)}")
        elif name in found:
            problems.append(f"target {name} is given twice; allowed: once")
        else:
            found[name] = version
    if problems:
        raise ConfigurationError(problems)
    return Target(**found)


def _version(server: Server, text: str) -> Version | None:
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor = int(match[1]), int(match[2])
    low, high = KNOWN[server].get(major, (1, 0))
    return (major, minor) if low <= minor <= high else None
