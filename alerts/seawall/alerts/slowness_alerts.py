"""Alerts on a dependency that is slow: calls that run into timeouts, attempts later than the policy likes."""

from __future__ import annotations

from collections.abc import Iterator

from seawall.alerts.context import Context
from seawall.alerts.model import Alert, Runbook
from seawall.alerts.pressure_alerts import AT_LEAST
from seawall.alerts.records import Records
from seawall.alerts.scenes import QUIET, calls, samples, scene
from seawall.alerts.text import Label, Meanwhile, Setting, Value, text
from seawall.telemetry import catalog

HOLD = 120.0
TIMED_OUT = 0.05
#: Half of the slow calls that would open the breaker: told before it opens.
SLOW_SHARE = 0.5

TIMEOUTS = Runbook(
    name="SeawallTimeouts",
    meaning="A noticeable share of calls runs into the guard's timeouts.",
    impact="Callers wait for the whole timeout before they get an error or a degraded answer; places in "
    "the bulkhead "
    "are held that long.",
    diagnosis=(
        "Attempt durations on the dependency's dashboard: is everything slower, or is there a second "
        "mode at the limit?",
        "Is the dependency's own latency up, or the network's? Compare with its own metrics.",
    ),
    mitigation=(
        "Relieve or restore the dependency.",
        "A timeout below the dependency's healthy p99 makes failures of its own: compare before raising it.",
    ),
    threshold=f"More than {TIMED_OUT:.0%} of calls, for 2 minutes, {AT_LEAST}.",
    policy="timeout",
)
SLOW = Runbook(
    name="SeawallDependencySlow",
    meaning="The dependency answers, but later than `slow_after`, often enough to be half-way to "
    "opening the breaker.",
    impact="Callers wait. If it gets worse the breaker opens on slow calls.",
    diagnosis=(
        "Attempt durations on the dependency's dashboard, by operation.",
        "What changed in load or data size?",
    ),
    mitigation=(
        "Relieve the dependency: cache, smaller pages, less load.",
        "Check `slow_after` against its healthy p99.",
    ),
    threshold=f"Share of slow attempts above half of the policy's `slow_ratio`, for 2 minutes, {AT_LEAST}.",
    policy="breaker",
)


def alerts(context: Context, records: Records) -> Iterator[Alert]:
    for criticality, guard in samples(context, "timeout"):
        operation = guard.operations[0]
        yield Alert(
            runbook=TIMEOUTS,
            expr=context.of_criticality(
                records.noticeable(records.timeouts_ratio, records.calls, TIMED_OUT), criticality
            ),
            severity=QUIET[criticality],
            summary="Calls to a dependency run into timeouts.",
            description=text(
                Label("dependency"),
                ": ",
                Value("number"),
                " timeouts per call; limits are ",
                Setting("timeout", "attempt", "seconds"),
                " for an attempt and ",
                Setting("timeout", "total", "seconds"),
                " for a call. ",
                Meanwhile(),
            ),
            hold=context.seconds(HOLD),
            labels={"criticality": criticality},
            follows_open=True,
            scenario=scene(
                context,
                guard,
                [
                    *calls(context, guard, 10),
                    context.counter(
                        guard,
                        catalog.TIMEOUTS,
                        0,
                        5,
                        0.9 * TIMED_OUT * 10,
                        operation=operation,
                        scope="attempt",
                    ),
                ],
                value=0.5,
                hold=HOLD,
                few=True,
                numbers=(("timeout", "attempt"), ("timeout", "total")),
            ),
        )
    yield from _slow(context, records)


def _slow(context: Context, records: Records) -> Iterator[Alert]:
    for criticality in context.document.criticalities:
        guard = next(
            (
                g
                for g in context.document.having("breaker")
                if g.criticality == criticality and g.number("breaker", "slow_after") is not None
            ),
            None,
        )
        if guard is None:
            continue
        most = guard.number("breaker", "slow_ratio") or 1.0
        operation = guard.operations[0]

        limit = context.setting("breaker", "slow_ratio") * SLOW_SHARE
        near = 0.9 * most * SLOW_SHARE
        yield Alert(
            runbook=SLOW,
            expr=context.of_criticality(
                records.noticeable(records.slow_ratio, records.attempts, limit), criticality
            ),
            severity=QUIET[criticality],
            summary="A dependency answers slowly.",
            description=text(
                Label("dependency"),
                ": ",
                Value("percent"),
                " of attempts slower than ",
                Setting("breaker", "slow_after", "seconds"),
                "; at ",
                Setting("breaker", "slow_ratio", "percent"),
                " the breaker opens. Meanwhile callers wait.",
            ),
            hold=context.seconds(HOLD),
            labels={"criticality": criticality},
            follows_open=True,
            scenario=scene(
                context,
                guard,
                [
                    context.counter(
                        guard,
                        catalog.ATTEMPTS,
                        10,
                        0,
                        10 * (1 - near),
                        operation=operation,
                        outcome="success",
                    ),
                    context.counter(
                        guard, catalog.ATTEMPTS, 0, 10, 10 * near, operation=operation, outcome="slow"
                    ),
                ],
                value=1,
                hold=HOLD,
                few=True,
                numbers=(("breaker", "slow_after"), ("breaker", "slow_ratio")),
            ),
        )
