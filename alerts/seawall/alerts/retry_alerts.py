"""Alerts on retries: too much extra load on a dependency, or no budget left for any."""

from __future__ import annotations

from collections.abc import Iterator

from seawall.alerts.context import Context
from seawall.alerts.model import Alert, Recording, Runbook
from seawall.alerts.pressure_alerts import AT_LEAST
from seawall.alerts.records import Records
from seawall.alerts.scenes import QUIET, calls, samples, scene
from seawall.alerts.text import Label, Setting, Value, text
from seawall.telemetry import catalog
from seawall.telemetry.promql import Expr, constant, equal, over_time, sum_by

#: Share of the retries that the policy allows from which they are a storm.
SHARE_OF_ALLOWED = 0.5
#: Retries per second below which they hurt nobody, where no budget says so.
FLOOR = 1.0
REFUSED = 0.01
HOLD = 120.0

STORM = Runbook(
    name="SeawallRetryStorm",
    meaning="Retries add a large share of extra load to the dependency: more than half of what the "
    "policy allows at "
    "most, and more than its floor.",
    impact="A dependency in trouble gets more requests, not fewer. Callers wait through back-offs.",
    diagnosis=(
        "Retries per call and errors by type on the dependency's dashboard.",
        "Do callers of this service retry as well? Each layer multiplies: three layers of three "
        "attempts are 27 calls.",
    ),
    mitigation=(
        "Restore the dependency; its breaker stops the retries when enough calls fail.",
        "Fewer attempts, longer delays or a smaller retry budget on the guard.",
    ),
    threshold="Retries per call above half of the budget's ratio (half of attempts - 1 where there is "
    "no budget), and "
    "retries per second above the budget's floor, for 2 minutes.",
    policy="retry",
)
EXHAUSTED = Runbook(
    name="SeawallRetryBudgetExhausted",
    meaning="Retries were due and the retry budget had none left, so that calls failed after their "
    "first attempt.",
    impact="Failures that a retry would have mended reach the caller or the fallback. The dependency is "
    "protected from "
    "a storm.",
    diagnosis=(
        "Is the dependency down? Then the budget does its work; see its breaker.",
        "Is it a small steady failure rate near the budget's ratio? Then the budget is too small, or "
        "the dependency "
        "too unreliable, for what is asked of it.",
    ),
    mitigation=(
        "Restore the dependency.",
        "Widen the budget only if the dependency can bear the extra load.",
    ),
    threshold=f"More than {REFUSED:.0%} of calls were refused a retry, for 2 minutes, {AT_LEAST}.",
    policy="retry",
)


def alerts(context: Context, records: Records) -> Iterator[Alert]:
    floors = _floors(context)
    for criticality, guard in samples(context, "retry"):
        operation = guard.operations[0]
        budget = guard.number("retry", "budget.ratio")
        attempts = guard.number("retry", "attempts") or 2.0
        most = budget if budget is not None else max(attempts - 1, 1.0)
        if most > 0:
            floor = guard.number("retry", "budget.floor_per_second") or FLOOR
            # So many calls that retries pass the floor whatever the ratio.
            load = max(10.0, 4 * floor / most)
            yield Alert(
                runbook=STORM,
                expr=context.of_criticality(_storm(context, records, floors), criticality),
                asks=(floors,),
                severity=QUIET[criticality],
                summary="Retries add a large share of load to a dependency.",
                description=text(
                    Label("dependency"),
                    ": ",
                    Value("number"),
                    " retries per call. The policy allows ",
                    Setting("retry", "attempts", "number"),
                    " attempts and a budget of ",
                    Setting("retry_budget", "ratio", "number"),
                    " retries per call. Meanwhile callers wait through back-offs before they get an answer.",
                ),
                hold=context.seconds(HOLD),
                labels={"criticality": criticality},
                scenario=scene(
                    context,
                    guard,
                    [
                        *calls(context, guard, load),
                        context.counter(
                            guard,
                            catalog.RETRIES,
                            0,
                            load * most,
                            load * most * SHARE_OF_ALLOWED * 0.9,
                            operation=operation,
                        ),
                    ],
                    value=most,
                    hold=HOLD,
                    few=True,
                    numbers=(
                        ("retry", "attempts"),
                        ("retry_budget", "ratio"),
                        ("retry_budget", "floor_per_second"),
                    ),
                ),
                follows_open=True,
            )
        if budget is not None:
            yield Alert(
                runbook=EXHAUSTED,
                expr=context.of_criticality(
                    records.noticeable(records.budget_refusals_ratio, records.calls, REFUSED), criticality
                ),
                severity=QUIET[criticality],
                summary="A retry budget is used up.",
                description=text(
                    Label("dependency"),
                    ": ",
                    Value("percent"),
                    " of calls were refused a retry. The budget is ",
                    Setting("retry_budget", "ratio", "number"),
                    " retries per call. "
                    "Meanwhile those calls fail after their first attempt, which spares the dependency.",
                ),
                hold=context.seconds(HOLD),
                labels={"criticality": criticality},
                scenario=scene(
                    context,
                    guard,
                    [
                        *calls(context, guard, 10),
                        context.counter(
                            guard,
                            catalog.RETRY_CALLS,
                            0,
                            2,
                            0.9 * REFUSED * 10,
                            operation=operation,
                            result="budget_exhausted",
                        ),
                    ],
                    value=0.2,
                    hold=HOLD,
                    few=True,
                    numbers=(("retry_budget", "ratio"),),
                ),
                follows_open=True,
            )


def _floors(context: Context) -> Recording:
    """Retries per second that the budgets of all replicas let through whatever the ratio."""
    each = context.scope.select(
        catalog.POLICY_SETTING, equal("policy", "retry_budget"), equal("setting", "floor_per_second")
    )
    return Recording(
        f"{context.level()}:seawall_retry_budget_floor:sum",
        sum_by(over_time("last", each, context.window()), *context.by),
    )


def _storm(context: Context, records: Records, floors: Recording) -> Expr:
    """Without a budget the attempts say what is allowed, and the floor is the default one."""
    allowed = context.setting("retry_budget", "ratio") | (context.setting("retry", "attempts") - 1)
    calls_at_all = context.recorded(records.calls)
    floor = context.recorded(floors) | (calls_at_all * 0 + constant(FLOOR))
    much = context.recorded(records.retries_per_call).above(allowed * SHARE_OF_ALLOWED)
    return much.where(context.recorded(records.retries).above(floor), context.by)
