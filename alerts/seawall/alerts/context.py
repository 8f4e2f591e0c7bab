"""What every rule is built with: options, document, and selectors that stay inside this service's job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from seawall.alerts.document import Document, GuardPolicy
from seawall.alerts.model import Recording, Signal, recording
from seawall.alerts.options import BASE_WINDOW, Options
from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.promql import Expr, Matcher, Scope, equal, max_by, over_time, window
from seawall.telemetry.recorded import Recordings, service_labels

#: The cluster that tests happen in, and one in which nothing does.
CLUSTER, ELSEWHERE = "here", "elsewhere"


@dataclass(frozen=True)
class Context:
    options: Options
    document: Document

    @cached_property
    def job(self) -> str:
        return self.options.job or self.document.service

    @cached_property
    def service(self) -> tuple[str, ...]:
        """What a service of alerts is: its job, in one cluster where targets say which."""
        return tuple(dict.fromkeys((*filter(None, (self.options.cluster_label,)), "job")))

    @cached_property
    def by(self) -> tuple[str, ...]:
        """What alerts are kept apart by."""
        return (*self.service, "dependency")

    @cached_property
    def own(self) -> dict[str, str]:
        """The service's labels in tests."""
        return dict.fromkeys(self.service, CLUSTER) | {"job": self.job}

    def level(self, *more: str) -> str:
        """How recordings that keep these labels are called."""
        return "_".join((*self.by, *more))

    @cached_property
    def scope(self) -> Scope:
        return Scope(matchers=(equal("job", self.job),), target_labels=(*self.service, "instance"))

    def seconds(self, unscaled: float) -> float:
        """A length of time under the time factor."""
        return unscaled * self.options.time_factor

    def window(self, unscaled: float = BASE_WINDOW) -> str:
        return window(self.seconds(unscaled))

    @cached_property
    def step(self) -> float:
        """Distance of samples and evaluations in tests: five in the shortest window."""
        return self.seconds(BASE_WINDOW) / 5

    def recorded(self, recording: Recording, *matchers: Matcher) -> Expr:
        """The series of a recording rule, of this job only."""
        body = ", ".join(map(str, (equal("job", self.job), *matchers)))
        return Expr(f"{recording.name}{{{body}}}", recording.labels, selector=True)

    @cached_property
    def kept(self) -> Recordings:
        """What is recorded for boards, too."""
        options = self.options
        service = service_labels(options.cluster_label, options.namespace_label, options.job_label)
        return Recordings(
            scope=replace(self.scope, target_labels=(*service, options.instance_label)),
            service_labels=service,
            instance_label=options.instance_label,
            window=options.rate_window,
            interval=window(options.evaluation_interval),
        )

    @cached_property
    def policy_settings(self) -> Recording:
        return recording(self.kept.settings)

    @cached_property
    def criticalities(self) -> Recording:
        return recording(self.kept.criticalities)

    def setting(self, policy: str, name: str) -> Expr:
        """A number of each guard's policy, one series per dependency: the largest, while a deployment runs.

        The last one within a window, so that a missed scrape does not restart an alert's waiting time.
        """
        mine = self.recorded(self.policy_settings, equal("policy", policy), equal("setting", name))
        return max_by(over_time("last", mine, self.window()), *self.by)

    def of_criticality(self, expr: Expr, criticality: str) -> Expr:
        """Only those dependencies that are declared this critical."""
        mine = self.recorded(self.criticalities, equal("criticality", criticality))
        return expr.where(over_time("last", mine, self.window()), self.by)

    def counter(
        self,
        guard: GuardPolicy,
        series: Series,
        quiet: float,
        firing: float,
        near: float | None = None,
        **labels: str,
    ) -> Signal:
        """A counter of one guard as a test's input; figures are per second."""
        return Signal(series.name, self.target(guard, labels), "counter", quiet, firing, near)

    def gauge(
        self,
        guard: GuardPolicy,
        series: Series,
        quiet: float,
        firing: float,
        near: float | None = None,
        **labels: str,
    ) -> Signal:
        return Signal(series.name, self.target(guard, labels), "gauge", quiet, firing, near)

    def identity(self, guard: GuardPolicy) -> Signal:
        """The guard's policy info, as its exporter shows it."""
        return self.gauge(
            guard, catalog.POLICY_INFO, 1, 1, criticality=guard.criticality, policy_hash=guard.hash
        )

    def settings(
        self, guard: GuardPolicy, *names: tuple[str, str]
    ) -> tuple[dict[tuple[str, str], float], list[Signal]]:
        """The guard's numbers for (policy, setting), and the series that show them, but what is not set."""
        values: dict[tuple[str, str], float] = {}
        for policy, name in names:
            if policy == "objectives":
                value = guard.objectives.get(name)
            elif policy == "retry_budget":
                value = guard.number("retry", f"budget.{name}")
            else:
                value = guard.number(policy, name)
            if value is not None:
                values[policy, name] = value
        signals = [
            self.gauge(guard, catalog.POLICY_SETTING, value, value, policy=policy, setting=name)
            for (policy, name), value in values.items()
        ]
        return values, signals

    def fallback_modes(self, guard: GuardPolicy) -> list[Signal]:
        """The idle counters of the guard's fallback: a description reads its modes from them."""
        operation = guard.operations[0]
        return [
            self.counter(guard, catalog.DEGRADATIONS, 0, 0, operation=operation, mode=mode, outcome="served")
            for mode in guard.modes
        ]

    def target(self, guard: GuardPolicy, labels: dict[str, str]) -> dict[str, str]:
        return {**self.own, "instance": "replica-1:9464", "dependency": guard.name, **labels}
