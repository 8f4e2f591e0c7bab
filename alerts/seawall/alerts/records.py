"""Recording rules: raw series are read once, over the shortest window; all else is computed from the result.

Levels are the labels that are left: ``job_dependency``, ``job_dependency_outcome`` and so on. A longer window
is the average over time of the shortest window's rate, so that a day costs a day of one series per
dependency, not of every replica, operation and outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from seawall.alerts.context import Context
from seawall.alerts.model import Group, Recording, recording
from seawall.alerts.options import BASE_WINDOW
from seawall.telemetry import catalog
from seawall.telemetry.promql import (
    Expr,
    equal,
    one_of,
    over_time,
    rate,
    ratio,
    sum_by,
    unequal,
)
from seawall.telemetry.recorded import FAILED

#: Long and short window of each burn-rate alert, and the factor, from the SRE workbook. Seconds.
BURNS = ((3600.0, 300.0, 14.4), (21600.0, 1800.0, 6.0), (86400.0, 7200.0, 3.0), (259200.0, 21600.0, 1.0))
#: Fewer events than this are no share of anything: one failed call in a quiet night wakes nobody.
LEAST_EVENTS = 5
#: How often rules over long windows run: below the 5 minutes after which Prometheus forgets a series.
LONG_INTERVAL = 120.0
#: How often the rates that boards alone show are recorded: over five minutes they hardly change faster.
BOARDS_INTERVAL = 60.0


@dataclass(frozen=True)
class Records:
    """The recordings by name, for alerts to refer to."""

    context: Context

    @cached_property
    def short(self) -> str:
        return self.context.window()

    def _rate(self, metric: str, expr: Expr, *more: str) -> Recording:
        return Recording(f"{self.context.level(*more)}:{metric}:rate{self.short}", expr)

    def _ratio(self, metric: str, part: Expr, total: Expr, *more: str) -> Recording:
        return Recording(f"{self.context.level(*more)}:{metric}:ratio_rate{self.short}", ratio(part, total))

    def _raw(self, series: catalog.Series, *matchers: object) -> Expr:
        select = self.context.scope.select
        return rate(select(series, *matchers), self.short)  # type: ignore[arg-type]  # handed on as they came

    @cached_property
    def calls_by_outcome(self) -> Recording:
        return recording(self.context.kept.calls)

    @cached_property
    def calls(self) -> Recording:
        """Calls that count: a cancelled call says nothing about the service."""
        made = self.context.recorded(self.calls_by_outcome, unequal("outcome", "cancelled"))
        return self._rate("seawall_calls", sum_by(made, *self.context.by))

    @cached_property
    def failures(self) -> Recording:
        failed = self.context.recorded(self.calls_by_outcome, one_of("outcome", FAILED))
        return self._rate("seawall_failures", sum_by(failed, *self.context.by))

    @cached_property
    def degraded(self) -> Recording:
        served = self.context.recorded(self.calls_by_outcome, equal("outcome", "degraded"))
        return self._rate("seawall_degraded", sum_by(served, *self.context.by))

    @cached_property
    def attempts_by_outcome(self) -> Recording:
        return recording(self.context.kept.attempts)

    @cached_property
    def attempts(self) -> Recording:
        made = self.context.recorded(self.attempts_by_outcome, unequal("outcome", "cancelled"))
        return self._rate("seawall_attempts", sum_by(made, *self.context.by))

    @cached_property
    def slow_ratio(self) -> Recording:
        slow = sum_by(
            self.context.recorded(self.attempts_by_outcome, equal("outcome", "slow")), *self.context.by
        )
        return self._ratio("seawall_slow_attempts", slow, self.context.recorded(self.attempts))

    @cached_property
    def retries(self) -> Recording:
        return self._rate("seawall_retries", sum_by(self._raw(catalog.RETRIES), *self.context.by))

    @cached_property
    def retries_per_call(self) -> Recording:
        recorded = self.context.recorded
        return self._ratio("seawall_retries", recorded(self.retries), recorded(self.calls))

    @cached_property
    def budget_refusals_ratio(self) -> Recording:
        refused = sum_by(
            self._raw(catalog.RETRY_CALLS, equal("result", "budget_exhausted")), *self.context.by
        )
        return self._ratio("seawall_retry_budget_refusals", refused, self.context.recorded(self.calls))

    @cached_property
    def timeouts_ratio(self) -> Recording:
        timeouts = sum_by(self._raw(catalog.TIMEOUTS), *self.context.by)
        return self._ratio("seawall_timeouts", timeouts, self.context.recorded(self.calls))

    @cached_property
    def rejections(self) -> Recording:
        return recording(self.context.kept.rejections)

    def rejections_ratio(self, policy: str) -> Recording:
        shed = sum_by(self.context.recorded(self.rejections, equal("policy", policy)), *self.context.by)
        return self._ratio(f"seawall_{policy}_rejections", shed, self.context.recorded(self.calls))

    @cached_property
    def fallback_failures_ratio(self) -> Recording:
        every = self.context.recorded(self.fallbacks_by_outcome, equal("outcome", "failed"))
        failed = sum_by(every, *self.context.by, "mode")
        tried = self.context.recorded(self.fallback_tries)
        return self._ratio("seawall_fallback_failures", failed, tried, "mode")

    @cached_property
    def fallback_tries(self) -> Recording:
        tried = sum_by(self.context.recorded(self.fallbacks_by_outcome), *self.context.by, "mode")
        return self._rate("seawall_degradations", tried, "mode")

    @cached_property
    def fallbacks_by_outcome(self) -> Recording:
        kept = ("mode", "outcome")
        answered = sum_by(self._raw(catalog.DEGRADATIONS), *self.context.by, *kept)
        return self._rate("seawall_degradations", answered, *kept)

    def noticeable(self, part: Recording, whole: Recording, share: Expr | float) -> Expr:
        """More than a share of the whole, and not just one or two of few."""
        recorded = self.context.recorded
        enough = LEAST_EVENTS / self.context.seconds(BASE_WINDOW)
        some = (recorded(part) * recorded(whole)).binary(">=", enough)
        return recorded(part).above(share).where(some, tuple(sorted(part.labels)))

    def over(self, recording: Recording, unscaled: float) -> Expr:
        """A rate of the shortest window, averaged over a longer one."""
        mine = self.context.recorded(recording)
        length = self.context.window(unscaled)
        return mine if length == self.short else over_time("avg", mine, length)

    def burn_ratio(self, kind: str, unscaled: float) -> Recording:
        """Share of failed (or degraded) calls over a window. ``kind``: ``failures`` or ``degraded``."""
        part = self.failures if kind == "failures" else self.degraded
        length = self.context.window(unscaled)
        return Recording(
            f"{self.context.level()}:seawall_{kind}:ratio_rate{length}",
            ratio(self.over(part, unscaled), self.over(self.calls, unscaled)),
        )

    def groups(self) -> list[Group]:
        """Every recording that the document's policies have a use for, cheapest first."""
        having = self.context.document.having
        rates = [self.calls_by_outcome, self.calls, self.failures, self.degraded]
        rates += [self.attempts_by_outcome, self.attempts, self.rejections]
        shares: list[Recording] = []
        if having("breaker"):
            shares.append(self.slow_ratio)
        if having("retry"):
            rates.append(self.retries)
            shares += [self.retries_per_call, self.budget_refusals_ratio]
        if having("timeout"):
            shares.append(self.timeouts_ratio)
        shares += [self.rejections_ratio(policy) for policy in ("bulkhead", "rate_limit") if having(policy)]
        if any(guard.number("timeout", "threads") is not None for guard in having("timeout")):
            shares.append(self.rejections_ratio("timeout"))
        if having("fallback"):
            rates.append(self.fallbacks_by_outcome)
            shares += [self.fallback_tries, self.fallback_failures_ratio]
        kept = self.context.kept
        of_breakers = kept.of_breakers if having("breaker") else ()
        pace = self.context.options.evaluation_interval
        shown = max(pace, self.context.seconds(BOARDS_INTERVAL))
        longest = max(pace, self.context.seconds(LONG_INTERVAL))
        own = [
            # Of all raw series the most, and they change with a deployment.
            Group("rates", "seawall policies", (self.context.policy_settings,), interval=longest),
            Group("rates", "seawall rates", (self.context.criticalities, *rates)),
            Group("shares", "seawall shares", tuple(shares)),
            Group("boards", "seawall boards", tuple(map(recording, kept.for_boards)), interval=shown),
            Group("boards", "seawall boards, breakers", tuple(map(recording, of_breakers)), interval=pace),
        ]
        for kind, objective in (("failures", "success"), ("degraded", "undegraded")):
            if any(objective in guard.objectives for guard in self.context.document.guards):
                lengths = sorted({length for pair in BURNS for length in pair[:2]})
                quick = [self.burn_ratio(kind, n) for n in lengths if n <= 3600]
                lasting = [self.burn_ratio(kind, n) for n in lengths if n > 3600]
                file = f"{kind}_windows"
                own.append(Group(file, f"seawall {kind}", tuple(quick)))
                own.append(Group(file, f"seawall {kind}, long windows", tuple(lasting), interval=longest))
        return own
