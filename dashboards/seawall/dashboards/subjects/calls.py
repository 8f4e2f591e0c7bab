"""What callers got, what the dependency did, and how fast budgets burn."""

from __future__ import annotations

from seawall.dashboards.ask import Ask
from seawall.dashboards.options import Options
from seawall.dashboards.palette import ATTEMPT_OUTCOMES, CALL_OUTCOMES
from seawall.dashboards.panels import Query, Stat, TimeSeries
from seawall.telemetry import catalog
from seawall.telemetry.promql import Expr, max_by, topk

#: Long enough to be calm, short enough to show an hour-old trouble: the first pair of the SLO alerts.
BURN_WINDOW = "1h"


def _colours(options: Options, outcomes: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, options.palette.outcomes[name]) for name in outcomes)


def call_rate(ask: Ask, options: Options) -> Stat:
    return Stat(
        key="calls",
        title="Calls",
        description=(
            "Calls through guards a second, all outcomes but those that the caller cancelled. "
            "When it falls to 0: the service gets no traffic, or is not scraped."
        ),
        queries=(Query(expr=ask.calls(), legend="calls", colour=options.palette.notice),),
        unit="reqps",
    )


def failed(ask: Ask, options: Options) -> Stat:
    return Stat(
        key="failed",
        title="Failed for callers",
        description=(
            "Share of calls that ended in an error for the caller: failure, timeout or rejection without a "
            "fallback. When red: users see errors now; the table below says through which dependency."
        ),
        queries=(Query(expr=ask.failed(), legend="failed", instant=True),),
        unit="percentunit",
        decimals=2,
        minimum=0.0,
        no_value="no calls",
        sparkline=False,
        steps=options.palette.rising(0.001, 0.01),
    )


def degraded(ask: Ask, options: Options) -> Stat:
    return Stat(
        key="degraded",
        title="Degraded",
        description=(
            "Share of calls that a fallback answered: users get something, but not the real thing. "
            "When it lasts: the fallback hides an outage; see which dependency is behind it."
        ),
        queries=(Query(expr=ask.degraded(), legend="degraded", instant=True),),
        unit="percentunit",
        decimals=2,
        minimum=0.0,
        no_value="no calls",
        sparkline=False,
        steps=options.palette.rising(0.01, 0.1),
    )


def by_outcome(ask: Ask, options: Options) -> TimeSeries:
    return TimeSeries(
        key="calls-by-outcome",
        title="Calls by what the caller got",
        description=(
            "Every call once: success, degraded (a fallback answered), failure, timeout, rejected, "
            "cancelled. When another colour than green grows: amber is users on fallbacks, the rest is "
            "users with errors."
        ),
        queries=(
            Query(
                expr=ask.total(catalog.CALLS, by=("outcome",)), legend="{{outcome}}", exemplars=ask.exemplars
            ),
        ),
        unit="reqps",
        minimum=0.0,
        stacked=True,
        colours=_colours(options, CALL_OUTCOMES),
    )


def attempts_by_outcome(ask: Ask, options: Options) -> TimeSeries:
    return TimeSeries(
        key="attempts-by-outcome",
        title="Attempts by what the dependency did",
        description=(
            "Every attempt that reached the dependency, and the calls beside it (dashed). Attempts above the "
            "calls are retries; attempts below are calls turned away before they reached it. "
            "When failure or slow grows here but not among the calls: the guard is holding."
        ),
        queries=(
            Query(expr=ask.total(catalog.ATTEMPTS, by=("outcome",)), legend="{{outcome}}"),
            Query(expr=ask.calls(), legend="calls", limit=options.palette.neutral),
        ),
        unit="reqps",
        minimum=0.0,
        stacked=True,
        colours=_colours(options, ATTEMPT_OUTCOMES),
    )


def share_by_guard(
    ask: Ask, options: Options, *, key: str, title: str, share: Expr, description: str, legend: str = ""
) -> TimeSeries:
    """One line per guard, those with the most at the top of the legend."""
    return TimeSeries(
        key=key,
        title=title,
        description=description,
        queries=(Query(expr=topk(10, share), legend=legend or ask.legend),),
        unit="percentunit",
        minimum=0.0,
        calcs=("lastNotNull", "max"),
    )


def degraded_by_guard(ask: Ask, options: Options) -> TimeSeries:
    return share_by_guard(
        ask,
        options,
        key="degraded-by-dependency",
        title="Degraded, by dependency",
        share=ask.degraded(ask.by),
        description=(
            "Share of each dependency's calls that a fallback answered; the ten with the most. "
            "When a line stays up: users have lived with second best for that long."
        ),
    )


def burn_rate(ask: Ask, options: Options, *, objective: str) -> TimeSeries:
    """Burn of the error budget (``success``) or of the degradation budget (``undegraded``)."""
    share = ask.failed if objective == "success" else ask.degraded
    name = "Error" if objective == "success" else "Degradation"
    palette = options.palette
    return TimeSeries(
        key=f"burn-{objective}",
        title=f"{name} budget burn, last hour",
        description=(
            f"How many times faster than the objective allows the {name.lower()} budget is used, "
            "over an hour; the ten fastest. 1 uses it up exactly by the end of the period. When above 6 it "
            "is gone in 5 days, above 14.4 in 2: act now. Only dependencies with an objective are here."
        ),
        queries=(
            Query(expr=topk(10, ask.burn(share(ask.by, BURN_WINDOW), objective, ask.by)), legend=ask.legend),
        ),
        unit="suffix:x",
        decimals=1,
        minimum=0.0,
        steps=((None, palette.good), (6, palette.degraded), (14.4, palette.bad)),
        calcs=("lastNotNull", "max"),
    )


def worst_burn(ask: Ask, options: Options) -> Stat:
    burn = ask.burn(ask.failed(ask.by, BURN_WINDOW), "success", ask.by)
    return Stat(
        key="worst-burn",
        title="Fastest budget burn",
        description=(
            "The fastest burning error budget over the last hour, as a multiple of what its objective "
            "allows. When above 6: on the way to a missed objective; above 14.4: page-worthy. The row on "
            "budgets says whose it is."
        ),
        queries=(Query(expr=max_by(burn), legend="burn", instant=True),),
        unit="suffix:x",
        decimals=1,
        no_value="no calls",
        sparkline=False,
        steps=((None, options.palette.good), (6, options.palette.degraded), (14.4, options.palette.bad)),
    )


def per_call(ask: Ask, options: Options) -> TimeSeries:
    """Attempts per call against what the policy allows."""
    attempts = ask.total(catalog.ATTEMPTS)
    return TimeSeries(
        key="attempts-per-call",
        title="Attempts per call",
        description=(
            "Load on the dependency for each call: above 1 retries add load, below 1 calls are kept away "
            "from it. The dashed line is the most that the policy allows. When it stays near the line: "
            "retries make a sick dependency sicker; the budget should hold it."
        ),
        queries=(
            Query(
                expr=attempts / ask.calls().above(0),
                legend="attempts per call",
                colour=options.palette.notice,
            ),
            Query(expr=ask.setting("retry", "attempts"), legend="most allowed", limit=options.palette.bad),
        ),
        unit="none",
        decimals=2,
        minimum=0.0,
    )
