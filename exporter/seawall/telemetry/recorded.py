"""What recording rules keep, for boards over many replicas and for alerts: names, labels, expressions.

Rules are made from it and boards ask for it, so that neither can name what the other does not know. A name is
``level:metric:operations``; the level is the labels that are left. Two levels: a dependency over all replicas
(``job_dependency...``), and a replica over all dependencies (``job_instance...``); never both at once, so
that a board reads some hundreds of series whatever the fleet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.promql import (
    Expr,
    Matcher,
    Scope,
    call,
    count_by,
    equal,
    max_by,
    one_of,
    over_time,
    rate,
    ratio,
    sum_by,
    unequal,
)

#: What a caller has to call an error. Degraded is an answer; cancelled was the caller's own choice.
FAILED = ("failure", "timeout", "rejected")
#: States of a breaker in which calls are turned away.
REJECTING = ("half_open", "open", "forced_open")
#: Breaker states as numbers, mildest first: over many instances the worst is the largest.
STATE_CODES = {"closed": 0, "metrics_only": 1, "disabled": 2, "half_open": 3, "open": 4, "forced_open": 5}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording rule: what its series are called, what they are made from."""

    name: str
    expr: Expr

    def within(self, scope: Scope, *matchers: Matcher) -> Expr:
        """Its series in a scope; a matcher on a label that was not kept is left out."""
        series = Series(name=self.name, type="gauge", help="", labels=tuple(sorted(self.expr.labels)))
        return replace(scope, target_labels=()).select(series, *matchers)


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """The recordings of one service. ``scope`` selects what they are made from.

    ``service_labels``: what names a service in a fleet, widest first, such as cluster and job; each is kept.
    ``window``: of rates. ``interval``: between two evaluations.
    """

    scope: Scope
    service_labels: tuple[str, ...] = ("job",)
    instance_label: str = "instance"
    window: str = "5m"
    interval: str = "15s"

    @property
    def dependency(self) -> tuple[str, ...]:
        return (*self.service_labels, "dependency")

    @property
    def replica(self) -> tuple[str, ...]:
        return (*self.service_labels, self.instance_label)

    def _kept(self, level: tuple[str, ...], rest: str, expr: Expr) -> Recorded:
        return Recorded(f"{'_'.join(level)}:{rest}", sum_by(expr, *level))

    def _rate(self, series: Series, *own: str) -> Recorded:
        counter = self.scope.select(series)
        metric = series.name.removesuffix("_total")
        return self._kept((*self.dependency, *own), f"{metric}:rate{self.window}", rate(counter, self.window))

    @cached_property
    def settings(self) -> Recorded:
        """Numbers of the policies; the largest, while a change is rolled out."""
        level = (*self.dependency, "policy", "setting")
        shown = self.scope.select(catalog.POLICY_SETTING)
        return Recorded(
            "_".join((*level[:-2], "policy_setting:seawall_policy_setting:max")), max_by(shown, *level)
        )

    @cached_property
    def criticalities(self) -> Recorded:
        level = (*self.dependency, "criticality")
        shown = self.scope.select(catalog.POLICY_INFO)
        return Recorded(f"{'_'.join(level)}:seawall_policy_info:count", count_by(shown, *level))

    @cached_property
    def calls(self) -> Recorded:
        return self._rate(catalog.CALLS, "outcome")

    @cached_property
    def calls_of_an_hour(self) -> Recorded:
        """What budgets go by: averaged once, and not again for each point of a panel."""
        hour = over_time("avg", self.calls.within(self.scope), "1h")
        return self._kept((*self.dependency, "outcome"), "seawall_calls:rate1h", hour)

    @cached_property
    def attempts(self) -> Recorded:
        return self._rate(catalog.ATTEMPTS, "outcome")

    @cached_property
    def durations(self) -> Recorded:
        """Buckets of calls."""
        buckets = rate(self.scope.bucket(catalog.CALL_DURATION), self.window)
        rest = f"{catalog.CALL_DURATION.bucket}:rate{self.window}"
        return self._kept((*self.dependency, "le"), rest, buckets)

    @cached_property
    def errors(self) -> Recorded:
        return self._rate(catalog.ERRORS, "error")

    @cached_property
    def rejections(self) -> Recorded:
        return self._rate(catalog.REJECTIONS, "policy", "reason")

    @cached_property
    def would_reject(self) -> Recorded:
        return self._rate(catalog.BREAKER_WOULD_REJECT)

    @cached_property
    def states(self) -> Recorded:
        """How many replicas have their breaker in which state."""
        shown = self.scope.select(catalog.BREAKER_STATE)
        return self._kept((*self.dependency, "state"), f"{catalog.BREAKER_STATE.name}:sum", shown)

    @cached_property
    def worst_states(self) -> Recorded:
        """The worst state over the replicas, as a number."""
        coded: Expr | None = None
        for state, code in STATE_CODES.items():
            if code:
                one = self.states.within(self.scope, equal("state", state)).binary("> bool", 0) * code
                coded = one if coded is None else coded | one
        assert coded is not None
        name = f"{'_'.join(self.dependency)}:{catalog.BREAKER_STATE.name}:max"
        return Recorded(name, max_by(coded, *self.dependency))

    @cached_property
    def transitions(self) -> Recorded:
        """Openings and closings since the evaluation before: added up over time they are all of them."""
        counter = self.scope.select(catalog.BREAKER_TRANSITIONS, one_of("to_state", ("open", "closed")))
        step = Expr(f"{counter.text} - {counter.text} offset {self.interval}", counter.labels)
        level = (*self.dependency, "to_state")
        return self._kept(level, "seawall_breaker_transitions:delta", call("clamp_min", step, 0))

    @cached_property
    def replica_outcomes(self) -> Recorded:
        made = rate(self.scope.select(catalog.CALLS), self.window)
        return self._kept((*self.replica, "outcome"), f"seawall_calls:rate{self.window}", made)

    @cached_property
    def replica_calls(self) -> Recorded:
        """Calls that count: a cancelled call says nothing about the service."""
        counted = self.replica_outcomes.within(self.scope, unequal("outcome", "cancelled"))
        return self._kept(self.replica, f"seawall_calls:rate{self.window}", counted)

    def _replica_ratio(self, metric: str, *matchers: Matcher) -> Recorded:
        part = sum_by(self.replica_outcomes.within(self.scope, *matchers), *self.replica)
        name = f"{'_'.join(self.replica)}:{metric}:ratio_rate{self.window}"
        return Recorded(name, ratio(part, self.replica_calls.within(self.scope)))

    @cached_property
    def replica_failed(self) -> Recorded:
        return self._replica_ratio("seawall_failures", one_of("outcome", FAILED))

    @cached_property
    def replica_degraded(self) -> Recorded:
        return self._replica_ratio("seawall_degraded", equal("outcome", "degraded"))

    @cached_property
    def replica_seconds(self) -> Recorded:
        """Mean duration of calls."""
        took, made = self.scope.sum(catalog.CALL_DURATION), self.scope.count(catalog.CALL_DURATION)
        count = sum_by(rate(made, self.window), *self.replica)
        mean = sum_by(rate(took, self.window), *self.replica) / count.above(0)
        return Recorded(f"{'_'.join(self.replica)}:{catalog.CALL_DURATION.name}:mean{self.window}", mean)

    @cached_property
    def replica_rejecting(self) -> Recorded:
        """How many of a replica's breakers turn calls away."""
        shown = self.scope.select(catalog.BREAKER_STATE, one_of("state", REJECTING))
        return self._kept(self.replica, "seawall_breakers_not_closed:sum", shown)

    @property
    def for_boards(self) -> tuple[Recorded, ...]:
        """What boards alone ask for, in the order in which one needs the other."""
        return (
            self.calls_of_an_hour,
            self.durations,
            self.errors,
            self.replica_outcomes,
            self.replica_calls,
            self.replica_failed,
            self.replica_degraded,
            self.replica_seconds,
        )

    @property
    def of_breakers(self) -> tuple[Recorded, ...]:
        """The same, where guards have breakers."""
        return (self.would_reject, self.worst_states, self.transitions, self.replica_rejecting)


def service_labels(cluster: str, namespace: str, job: str) -> tuple[str, ...]:
    """Labels that name a service in a fleet; empty ones are left out. ``job``, which rules go by, is kept."""
    return tuple(dict.fromkeys(label for label in (cluster, namespace, job, "job") if label))
