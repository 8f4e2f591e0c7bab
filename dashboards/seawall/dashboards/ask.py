"""The questions that panels ask, in one place: rates, shares, quantiles, settings, states."""

from __future__ import annotations

from dataclasses import dataclass

from seawall.dashboards.options import Options
from seawall.dashboards.palette import FAILED_OUTCOMES, REJECTING_STATES, STATE_CODES
from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.promql import (
    Expr,
    Matcher,
    Scope,
    avg_by,
    constant,
    equal,
    histogram_quantile,
    increase,
    matches,
    max_by,
    one_of,
    over_time,
    rate,
    ratio,
    sum_by,
    unequal,
)

WINDOW = "$__rate_interval"
RANGE = "$__range"
INTERVAL = "$__interval"
#: The chosen guards. Names are any text: between backticks PromQL takes Grafana's escaping for what it is,
#: between double quotes a quote in a name would end the string, for most versions of Grafana.
GUARD = Matcher("dependency", "=~", "`${dependency:regex}`")


@dataclass(frozen=True, slots=True)
class Ask:
    """Questions within what the board's variables select. ``by``: labels that tell one guard from another."""

    scope: Scope
    by: tuple[str, ...]

    @property
    def legend(self) -> str:
        """One guard's name on a panel."""
        return " / ".join(f"{{{{{label}}}}}" for label in self.by)

    @property
    def exemplars(self) -> bool:
        """Whether the series carry single calls that open their trace."""
        return True

    def total(self, series: Series, *matchers: Matcher, by: tuple[str, ...] = (), over: str = WINDOW) -> Expr:
        """Per second, summed over instances; by nothing unless told."""
        return sum_by(rate(self.scope.select(series, *matchers), over), *by)

    def count(self, series: Series, *matchers: Matcher, by: tuple[str, ...] = ()) -> Expr:
        """How many in the time that the board shows."""
        return sum_by(increase(self.scope.select(series, *matchers), RANGE), *by)

    def calls(self, by: tuple[str, ...] = (), over: str = WINDOW) -> Expr:
        """Calls per second that callers saw through to an end."""
        return self.total(catalog.CALLS, unequal("outcome", "cancelled"), by=by, over=over)

    def failed(self, by: tuple[str, ...] = (), over: str = WINDOW) -> Expr:
        """Share of calls that ended in an error for the caller."""
        part = self.total(catalog.CALLS, one_of("outcome", FAILED_OUTCOMES), by=by, over=over)
        return ratio(part, self.calls(by, over))

    def degraded(self, by: tuple[str, ...] = (), over: str = WINDOW) -> Expr:
        """Share of calls that were answered by a fallback."""
        part = self.total(catalog.CALLS, equal("outcome", "degraded"), by=by, over=over)
        return ratio(part, self.calls(by, over))

    def quantile(self, share: float, series: Series, by: tuple[str, ...] = ()) -> Expr:
        """A quantile of a histogram over all instances; nothing, not NaN, where nothing was observed."""
        quantile = histogram_quantile(share, sum_by(rate(self.scope.bucket(series), WINDOW), "le", *by))
        return quantile.binary(">=", 0)

    def mean(self, series: Series, by: tuple[str, ...] = ()) -> Expr:
        """Mean of a histogram; nothing where nothing was observed."""
        count = sum_by(rate(self.scope.count(series), WINDOW), *by)
        return sum_by(rate(self.scope.sum(series), WINDOW), *by) / count.above(0)

    def setting(self, policy: str, setting: str, by: tuple[str, ...] = ()) -> Expr:
        """A number of the policy. While a change is rolled out instances differ: the largest counts."""
        chosen = self.scope.select(catalog.POLICY_SETTING, equal("policy", policy), equal("setting", setting))
        return max_by(chosen, *by)

    def state(self, by: tuple[str, ...]) -> Expr:
        """The worst state over instances, as a number of `STATE_CODES`."""
        coded: Expr | None = None
        for name, code in STATE_CODES.items():
            if code:
                one = self.scope.select(catalog.BREAKER_STATE, equal("state", name)) * code
                coded = one if coded is None else coded | one
        assert coded is not None
        return max_by(coded, *by)

    def rejecting(self, by: tuple[str, ...]) -> Expr:
        """1 where any instance turns calls away because of its breaker, else 0."""
        return max_by(self.scope.select(catalog.BREAKER_STATE, one_of("state", REJECTING_STATES)), *by)

    def burn(self, share: Expr, objective: str, by: tuple[str, ...]) -> Expr:
        """How many times faster than allowed an error budget is used. 1: used up at the period's end."""
        allowed = constant(1) - self.setting("objectives", objective, by)
        return share.binary("/", allowed, on=by)

    def rejecting_share(self, by: tuple[str, ...]) -> Expr:
        """For each dependency the share of processes that turn its calls away."""
        return avg_by(self.rejecting(tuple(dict.fromkeys((*self.scope.target_labels, *by)))), *by)

    def breakers_rejecting(self, each: tuple[str, ...]) -> Expr:
        """How many of a process's breakers turn calls away."""
        return sum_by(self.rejecting(tuple(dict.fromkeys((*each, *self.by)))), *each)

    def replicas_rejecting(self, each: tuple[str, ...]) -> Expr:
        """Share of processes of which any breaker turns calls away."""
        return avg_by(self.rejecting(each))

    def rejecting_seconds(self, by: tuple[str, ...]) -> Expr:
        """Seconds since the breaker was last closed, where it is not now; within the board's time."""
        closed = self.scope.select(catalog.BREAKER_STATE, equal("state", "closed"))
        last = Expr(f"max_over_time(timestamp({closed.text} == 1)[{RANGE}:{INTERVAL}])", closed.labels)
        since = Expr(f"time() - {max_by(last, *by).text}", frozenset(by), compound=True)
        return since.where(Expr(f"{self.rejecting(by).text} == 1", frozenset(by), compound=True), on=by)

    def degraded_seconds(self, over: float, by: tuple[str, ...]) -> Expr:
        """For how many seconds of the board's time the degraded share was above ``over``, to the minute."""
        minutes = f"count_over_time(({self.degraded(by).above(over).text})[{RANGE}:1m])"
        return Expr(minutes, frozenset(by)) * 60

    def only_ours(self, by: tuple[str, ...]) -> Expr:
        """Processes that reported within the board's time: to pick ours of series that all targets have."""
        seen = over_time("present", self.scope.select(catalog.BUILD_INFO), RANGE)
        return max_by(seen, *by)

    def criticality(self, by: tuple[str, ...]) -> Expr:
        """Every guard with its criticality as a label."""
        return max_by(self.scope.select(catalog.POLICY_INFO), *by, "criticality")

    def of_criticality(self, expr: Expr, criticality: str) -> Expr:
        """Only guards of one criticality; ``expr`` still has all labels of `by`."""
        info = self.scope.select(catalog.POLICY_INFO, equal("criticality", criticality))
        return expr.where(max_by(info, *self.by), on=self.by)

    def moved(self, state: str) -> Expr:
        """How many breakers entered a state in the last step: for annotations, one mark a change."""
        counter = self.scope.select(catalog.BREAKER_TRANSITIONS, equal("to_state", state))
        step = Expr(f"{counter.text} - {counter.text} offset {INTERVAL}", counter.labels, compound=True)
        return sum_by(step.above(0), *self.by)


def within_fleet(options: Options) -> tuple[Matcher, ...]:
    """What the variables for cluster, namespace and job select."""
    chosen = {
        options.cluster_label: "$cluster",
        options.namespace_label: "$namespace",
        options.job_label: "$job",
    }
    return tuple(matches(label, variable) for label, variable in chosen.items() if label)


def ask(options: Options, *, operations: bool) -> Ask:
    """Questions for a board with the usual variables; ``operations``: among them one for the operation."""
    matchers = [*within_fleet(options), matches(options.instance_label, "$instance"), GUARD]
    if operations:
        matchers.append(matches("operation", "$operation"))
    by = (options.job_label, "dependency") if options.several_services else ("dependency",)
    return Ask(Scope(tuple(matchers), options.process_labels), by)
