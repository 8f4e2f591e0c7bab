"""The same questions, asked of what recording rules keep: as fast for 300 replicas as for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seawall.dashboards.ask import GUARD, INTERVAL, RANGE, WINDOW, Ask, ask, within_fleet
from seawall.dashboards.options import Options
from seawall.dashboards.palette import REJECTING_STATES
from seawall.dashboards.panels import Mapping, Panel, Row, Stat, TimeSeries
from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.promql import (
    Expr,
    Matcher,
    QueryError,
    Scope,
    avg_by,
    equal,
    histogram_quantile,
    max_by,
    one_of,
    over_time,
    seconds,
    sum_by,
)
from seawall.telemetry.recorded import Recorded, Recordings, service_labels


@dataclass(frozen=True, slots=True)
class RecordedAsk(Ask):
    """Answers are for all replicas together, or for a replica over all its dependencies."""

    kept: Recordings

    @property
    def exemplars(self) -> bool:
        """Recorded series have none."""
        return False

    def total(self, series: Series, *matchers: Matcher, by: tuple[str, ...] = (), over: str = WINDOW) -> Expr:
        return sum_by(self._of(series, by, over).within(self.scope, *matchers), *by)

    def _of(self, series: Series, by: tuple[str, ...], over: str) -> Recorded:
        kept = self.kept
        each = kept.instance_label in by
        found = {
            (catalog.CALLS, WINDOW, True): kept.replica_outcomes,
            (catalog.CALLS, WINDOW, False): kept.calls,
            (catalog.CALLS, "1h", False): kept.calls_of_an_hour,
            (catalog.ERRORS, WINDOW, False): kept.errors,
            (catalog.REJECTIONS, WINDOW, False): kept.rejections,
            (catalog.BREAKER_WOULD_REJECT, WINDOW, False): kept.would_reject,
        }.get((series, over, each))
        if found is None:
            raise QueryError(f"no recording rule keeps {series.name} over {over} by {', '.join(by)}")
        return found

    def _each(self, recorded: Recorded, by: tuple[str, ...]) -> Expr:
        """One value a replica."""
        shown = recorded.within(self.scope)
        return shown if shown.labels == set(by) else max_by(shown, *by)

    def calls(self, by: tuple[str, ...] = (), over: str = WINDOW) -> Expr:
        if self.kept.instance_label in by:
            return self._each(self.kept.replica_calls, by)
        return Ask.calls(self, by, over)

    def failed(self, by: tuple[str, ...] = (), over: str = WINDOW) -> Expr:
        if self.kept.instance_label in by:
            return self._each(self.kept.replica_failed, by)
        return Ask.failed(self, by, over)

    def degraded(self, by: tuple[str, ...] = (), over: str = WINDOW) -> Expr:
        if self.kept.instance_label in by:
            return self._each(self.kept.replica_degraded, by)
        return Ask.degraded(self, by, over)

    def mean(self, series: Series, by: tuple[str, ...] = ()) -> Expr:
        if series is not catalog.CALL_DURATION or self.kept.instance_label not in by:
            raise QueryError(f"no recording rule keeps the mean of {series.name} by {', '.join(by)}")
        return self._each(self.kept.replica_seconds, by)

    def count(self, series: Series, *matchers: Matcher, by: tuple[str, ...] = ()) -> Expr:
        if series is not catalog.BREAKER_TRANSITIONS:
            raise QueryError(f"no recording rule counts {series.name}")
        return sum_by(over_time("sum", self.kept.transitions.within(self.scope, *matchers), RANGE), *by)

    def quantile(self, share: float, series: Series, by: tuple[str, ...] = ()) -> Expr:
        if series is not catalog.CALL_DURATION:
            raise QueryError(f"no recording rule keeps the buckets of {series.name}")
        buckets = sum_by(self.kept.durations.within(self.scope), "le", *by)
        return histogram_quantile(share, buckets).binary(">=", 0)

    def setting(self, policy: str, setting: str, by: tuple[str, ...] = ()) -> Expr:
        chosen = self.kept.settings.within(self.scope, equal("policy", policy), equal("setting", setting))
        return max_by(chosen, *by)

    def criticality(self, by: tuple[str, ...]) -> Expr:
        return max_by(self.kept.criticalities.within(self.scope), *by, "criticality")

    def of_criticality(self, expr: Expr, criticality: str) -> Expr:
        info = self.kept.criticalities.within(self.scope, equal("criticality", criticality))
        return expr.where(max_by(info, *self.by), on=self.by)

    def _in(self, *states: str) -> Expr:
        """How many replicas have their breaker in one of the states."""
        return self.kept.states.within(self.scope, one_of("state", states))

    def state(self, by: tuple[str, ...]) -> Expr:
        return max_by(self.kept.worst_states.within(self.scope), *by)

    def rejecting(self, by: tuple[str, ...]) -> Expr:
        return max_by(self._in(*REJECTING_STATES).binary("> bool", 0), *by)

    def rejecting_seconds(self, by: tuple[str, ...]) -> Expr:
        """Seconds since the breaker was last closed on all replicas, where it is not now."""
        calm = f"{sum_by(self._in(*REJECTING_STATES), *by).text} == 0"
        last = f"max_over_time(timestamp({calm})[{RANGE}:{INTERVAL}])"
        since = Expr(f"time() - {last}", frozenset(by), compound=True)
        return since.where(Expr(f"{self.rejecting(by).text} == 1", frozenset(by), compound=True), on=by)

    def rejecting_share(self, by: tuple[str, ...]) -> Expr:
        every = sum_by(self.kept.states.within(self.scope), *by)
        return sum_by(self._in(*REJECTING_STATES), *by) / every

    def replicas_rejecting(self, each: tuple[str, ...]) -> Expr:
        return avg_by(self._each(self.kept.replica_rejecting, each).binary("> bool", 0))

    def breakers_rejecting(self, each: tuple[str, ...]) -> Expr:
        return self._each(self.kept.replica_rejecting, each)

    def moved(self, state: str) -> Expr:
        changes = self.kept.transitions.within(self.scope, equal("to_state", state))
        return sum_by(over_time("sum", changes, INTERVAL).above(0), *self.by)


def paced(rows: Sequence[Row], options: Options) -> tuple[Row, ...]:
    """Five points for each window of the recorded rates: more show nothing, and cost their share.

    A panel without data says that the rules may be missing: nothing must not look like all is well.
    """
    if not options.recorded:
        return tuple(rows)
    step = f"{seconds(options.rate_window) / 5 * 1000:.0f}ms"
    neutral = options.palette.neutral
    return tuple(
        replace(row, panels=tuple(_paced(_doubtful(panel, neutral), step) for panel in row.panels))
        for row in rows
    )


def _paced(panel: Panel, step: str) -> Panel:
    if not isinstance(panel, TimeSeries):
        return panel
    return replace(panel, queries=tuple(replace(query, least_step=step) for query in panel.queries))


def _doubtful(panel: Panel, colour: str) -> Panel:
    if isinstance(panel, Stat):
        text = f"{panel.no_value or 'no data'}, or no rules"
        nothing = Mapping(value=None, text=text, colour=colour)
        return replace(panel, no_value=text, mappings=(*panel.mappings, nothing))
    return replace(panel, no_value=f"{panel.no_value or 'no data'}, or the bundle's rules are not loaded")


def over_replicas(options: Options, *, dependencies: bool) -> Ask:
    """Questions for a board over all replicas; ``dependencies``: one can choose among them.

    Of raw series where the options say that the rules are not there.
    """
    raw = ask(options, operations=False)
    if not options.recorded:
        return raw
    service = service_labels(options.cluster_label, options.namespace_label, options.job_label)
    labels = (*service, options.instance_label)
    chosen = (*within_fleet(options), GUARD) if dependencies else within_fleet(options)
    kept = Recordings(
        scope=Scope(target_labels=labels),
        service_labels=service,
        instance_label=options.instance_label,
        window=options.rate_window,
    )
    return RecordedAsk(Scope(chosen, labels), raw.by, kept)
