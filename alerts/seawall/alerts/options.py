"""What the generated bundle depends on beside the policies: addresses, intervals, labels."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

from seawall.alerts import labels
from seawall.alerts.document import NAME, is_name
from seawall.alerts.mutes import Mute
from seawall.alerts.receivers import Receiver, Webhook, everyone_is_told
from seawall.alerts.targets import OLDEST, Target
from seawall.alerts.targets import parse as target_of
from seawall.alerts.urls import is_place, url_problem
from seawall.resilience.errors import ConfigurationError
from seawall.telemetry.promql import window

#: The shortest window that rules use, before ``time_factor``. Seconds.
BASE_WINDOW = 300.0
#: A rate needs this many scrapes in its window to survive one that is missed.
SCRAPES_PER_WINDOW = 4
#: The largest of each, so that what is made of it is a length of time to Go, too: 292 years at most.
MOST = {"scrape_interval": 86_400, "evaluation_interval": 86_400, "time_factor": 100}
A_YEAR = 31_536_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of a bundle. Times are seconds; every violation is named in one `ConfigurationError`.

    ``time_factor`` multiplies every window, ``for`` and interval of rules and notifications: 1/60 turns
    an hour into a minute, for demonstrations and campaigns. Intervals given explicitly are taken as they are.
    """

    #: The ``job`` label of the service's targets; "" takes the name of the service in the policy document.
    job: str = ""
    cluster: str = "local"
    targets: tuple[str, ...] = ("127.0.0.1:9464",)
    alertmanagers: tuple[str, ...] = ("127.0.0.1:9093",)
    webhook_url: str = "http://127.0.0.1:9465/notifications"
    #: A file with the bearer token that the webhook wants; secrets are never written into the bundle.
    webhook_token_file: str = ""
    scrape_interval: float = 15.0
    evaluation_interval: float = 15.0
    time_factor: float = 1.0
    #: ``None``: 0 s for critical, 30 s for the rest, times ``time_factor``.
    group_wait: float | None = None
    group_interval: float | None = None
    repeat_interval: float | None = None
    dashboard_base_url: str = "http://127.0.0.1:3000"
    runbook_base_url: str = "http://127.0.0.1:9464/runbooks"
    #: Labels of the targets, beside ``job`` and ``instance``, that Prometheus writes on every series.
    target_labels: tuple[tuple[str, str], ...] = ()
    #: Labels that name a service and its replicas where the targets have such, as in the dashboards' options.
    #: What is recorded keeps them, so that boards can choose by them; alerts go by ``job`` and by cluster.
    cluster_label: str = ""
    namespace_label: str = ""
    job_label: str = "job"
    instance_label: str = "instance"
    #: Versions of the servers, as in ``prometheus=3.5,alertmanager=0.28``; what these take, newer ones take.
    target: str = OLDEST
    #: Who is told; () tells ``webhook_url``, of everything.
    receivers: tuple[Receiver, ...] = ()
    #: When nobody is told.
    mutes: tuple[Mute, ...] = ()

    def __post_init__(self) -> None:
        problems: list[str] = []
        for name in ("scrape_interval", "evaluation_interval", "time_factor"):
            problems += _positive(name, getattr(self, name))
        for name in ("group_wait", "group_interval", "repeat_interval"):
            value = getattr(self, name)
            if value is not None and not (name == "group_wait" and value == 0):
                problems += _positive(name, value)
        if not problems and BASE_WINDOW * self.time_factor < SCRAPES_PER_WINDOW * self.scrape_interval:
            least = SCRAPES_PER_WINDOW * self.scrape_interval / BASE_WINDOW
            problems.append(
                f"options.time_factor is {self.time_factor:g}; allowed: at least {least:.4g} with a scrape "
                f"interval of {self.scrape_interval:g} s, so that the shortest window holds "
                f"{SCRAPES_PER_WINDOW} scrapes"
            )
        for name in ("targets", "alertmanagers"):
            if isinstance(given := getattr(self, name), str):
                problems.append(f"options.{name} is {given!r}; allowed: a tuple of host:port")
                continue
            for address in given:
                problems += _address(name, address)
        if not self.targets:
            problems.append("options.targets is empty; allowed: at least one host:port")
        for name in ("webhook_url", "dashboard_base_url", "runbook_base_url"):
            if problem := url_problem(getattr(self, name)):
                problems.append(f"options.{name} {problem}")
            elif name == "dashboard_base_url" and re.search("[?#]", self.dashboard_base_url):
                problems.append(f"options.{name} is {self.dashboard_base_url!r}; allowed: none with ? or #")
        if self.job and not is_name(self.job):
            problems.append(f"options.job is {self.job!r}; allowed: {NAME}")
        if not is_name(self.cluster) or "$" in self.cluster:
            problems.append(
                f"options.cluster is {self.cluster!r}; allowed: {NAME} or $, where Prometheus 3 would "
                "put a variable of its environment"
            )
        problems += self._notifications()
        problems += [f"options.target_labels {wrong}" for wrong in labels.of_targets(self.target_labels)]
        names = ("cluster_label", "namespace_label", "job_label", "instance_label")
        given = {name: getattr(self, name) for name in names}
        problems += [f"options.{wrong}" for wrong in labels.of_services(given)]
        if problems:
            raise ConfigurationError(problems)

    @property
    def servers(self) -> Target:
        return target_of(self.target)

    @property
    def told(self) -> tuple[Receiver, ...]:
        return self.receivers or (Webhook(url=self.webhook_url, token_file=self.webhook_token_file),)

    def _notifications(self) -> list[str]:
        try:
            servers = self.servers
        except ConfigurationError as error:
            return list(error.problems)
        problems = [f"receivers: {lack}" for r in self.receivers if (lack := r.lacks(servers))]
        try:
            Webhook(url_file="/checked/elsewhere", token_file=self.webhook_token_file)
        except ConfigurationError as error:
            problems += [problem.replace("webhook.", "options.webhook_", 1) for problem in error.problems]
        if self.receivers:
            problems += everyone_is_told(self.receivers)
        twice = [name for name, count in Counter(mute.name for mute in self.mutes).items() if count > 1]
        return problems + [f"mute {name!r} is declared twice; allowed: once" for name in twice]

    @property
    def rate_window(self) -> str:
        """The shortest window of the rules, as PromQL: what the names of recorded rates end with."""
        return window(BASE_WINDOW * self.time_factor)


def _positive(name: str, value: object) -> list[str]:
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0.001
    ):
        most = MOST.get(name, A_YEAR)
        return [] if value <= most else [f"options.{name} is {value!r}; allowed: a number of at most {most}"]
    return [f"options.{name} is {value!r}; allowed: a number of at least 0.001"]


def _address(name: str, address: str) -> list[str]:
    return [] if is_place(address) else [f"options.{name} holds {address!r}; allowed: host:port"]
