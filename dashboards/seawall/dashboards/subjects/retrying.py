"""Retries: what they save, what they cost, and what is left of the budget."""

from __future__ import annotations

from seawall.dashboards.ask import Ask
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Query, TimeSeries
from seawall.telemetry import catalog
from seawall.telemetry.promql import equal, min_by, ratio, unequal

MISSING = "no retry in the policy"


def results(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    return TimeSeries(
        key="retry-results",
        title="How retried calls ended",
        description=(
            "Calls that did not succeed at the first try: recovered by a retry, exhausted, not worth a "
            "retry, or cut short by the budget. When exhausted outgrows recovered: retries only add load "
            "and waiting."
        ),
        queries=(
            Query(
                expr=ask.total(catalog.RETRY_CALLS, unequal("result", "first_try"), by=("result",)).above(0),
                legend="{{result}}",
            ),
        ),
        unit="reqps",
        minimum=0.0,
        stacked=True,
        colours=(
            ("recovered", palette.good),
            ("exhausted", palette.bad),
            ("not_retryable", palette.neutral),
            ("budget_exhausted", palette.rejected),
        ),
        bars=True,
        no_value="no call needed a retry",
    )


def delay(ask: Ask, options: Options) -> TimeSeries:
    waited = ask.total(catalog.RETRY_DELAY)
    return TimeSeries(
        key="retry-delay",
        title="Back-off paid by callers",
        description=(
            "Time that callers spent waiting between attempts, per call. "
            "When it grows: shorten the back-off or retry less; the total timeout is the upper end."
        ),
        queries=(
            Query(expr=ratio(waited, ask.calls()), legend="wait per call", colour=options.palette.degraded),
        ),
        unit="s",
        minimum=0.0,
        no_value=MISSING,
    )


def budget(ask: Ask, options: Options) -> TimeSeries:
    palette = options.palette
    cut = ask.total(catalog.RETRY_CALLS, equal("result", "budget_exhausted"))
    return TimeSeries(
        key="retry-budget",
        title="Retry budget left",
        description=(
            "Share of the retry budget that is left, on the instance with the least, and the share of calls "
            "that wanted a retry and got none. "
            "When it is at 0: failures are widespread and the budget keeps retries from becoming an overload."
        ),
        queries=(
            Query(
                expr=min_by(ask.scope.select(catalog.RETRY_BUDGET_REMAINING)),
                legend="budget left",
                colour=palette.notice,
            ),
            Query(expr=ratio(cut, ask.calls()), legend="calls denied a retry", colour=palette.bad),
        ),
        unit="percentunit",
        minimum=0.0,
        maximum=1.0,
        fill=15,
        no_value=MISSING,
    )
