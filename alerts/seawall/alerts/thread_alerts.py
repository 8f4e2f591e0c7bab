"""Alerts on the worker threads of timeouts: all taken, or held by functions that nobody waits for."""

from __future__ import annotations

from collections.abc import Iterator

from seawall.alerts.context import Context
from seawall.alerts.document import GuardPolicy
from seawall.alerts.model import Alert, Recording, Runbook
from seawall.alerts.pressure_alerts import AT_LEAST, HOLD, SHED
from seawall.alerts.records import Records
from seawall.alerts.scenes import GAUGE_MISHAPS, QUIET, calls, samples, scene
from seawall.alerts.text import Label, Meanwhile, Setting, Value, text
from seawall.telemetry import catalog
from seawall.telemetry.promql import max_by, over_time

#: Share of the threads that functions hold which nobody waits for.
HELD = 0.5

BUSY = Runbook(
    name="SeawallThreadsBusy",
    meaning="All worker threads of the guard's timeout are taken, and calls are rejected for lack of one.",
    impact="Those callers get the fallback's answer or an error at once. Nobody waits.",
    diagnosis=(
        f"`{catalog.TIMEOUT_ABANDONED.name}` on the dependency's dashboard: near `threads`, and "
        "functions hang; near 0, and there is more work than threads.",
        "Has the function a socket timeout? Without one a thread is held for as long as the other side "
        "keeps silent.",
    ),
    mitigation=(
        "Restore the dependency's latency.",
        "Set a socket timeout in the function, not longer than the attempt's limit.",
        "More `threads`, if calls a second times their duration is more than there are.",
    ),
    threshold=f"More than {SHED:.0%} of calls rejected, for 2 minutes, {AT_LEAST}: as for a "
    "bulkhead, which threads are.",
    policy="timeout",
)
ABANDONED = Runbook(
    name="SeawallThreadsAbandoned",
    meaning="Functions hold worker threads after their callers timed out: they hang, or are far slower than "
    "the limit.",
    impact="Callers were answered in time, with an error or a degraded answer. The threads stay taken until "
    "their functions return; when all are, every call is rejected.",
    diagnosis=(
        "What does the function wait for? `py-spy dump --pid` of the process shows where its threads stand.",
        "Abandoned threads and attempt durations on the dependency's dashboard: do they ever come back?",
    ),
    mitigation=(
        "Set a socket timeout in the function, not longer than the attempt's limit.",
        "Restart the replica if its threads never come back: nothing else can end them.",
    ),
    threshold=f"On average more than {HELD:.0%} of the policy's `threads` of one replica, for 2 minutes: "
    "as many are left as have been lost.",
    policy="timeout",
)


def alerts(context: Context, records: Records) -> Iterator[Alert]:
    for criticality, guard in samples(context, "timeout", threaded):
        yield _busy(context, records, criticality, guard)
        yield _abandoned(context, criticality, guard)


def threaded(guard: GuardPolicy) -> bool:
    """Whether it has worker threads."""
    return guard.number("timeout", "threads") is not None


def _busy(context: Context, records: Records, criticality: str, guard: GuardPolicy) -> Alert:
    shed = records.noticeable(records.rejections_ratio("timeout"), records.calls, SHED)
    return Alert(
        runbook=BUSY,
        expr=context.of_criticality(shed, criticality),
        severity=QUIET[criticality],
        summary="Calls are rejected because all worker threads are taken.",
        description=text(
            Label("dependency"),
            ": ",
            Value("percent"),
            " of calls rejected, as all of the ",
            Setting("timeout", "threads", "number"),
            " worker threads of a replica are taken. ",
            Meanwhile(),
        ),
        hold=context.seconds(HOLD),
        labels={"criticality": criticality},
        scenario=scene(
            context,
            guard,
            [
                *calls(context, guard, 10),
                context.counter(
                    guard, catalog.REJECTIONS, 0, 2, 0.9 * SHED * 10, policy="timeout", reason="threads_busy"
                ),
            ],
            value=0.2,
            hold=HOLD,
            few=True,
            numbers=(("timeout", "threads"),),
        ),
    )


def _abandoned(context: Context, criticality: str, guard: GuardPolicy) -> Alert:
    threads = guard.number("timeout", "threads") or 1.0
    shown = context.scope.select(catalog.TIMEOUT_ABANDONED)
    lost = Recording(
        f"{context.level()}:seawall_timeout_abandoned_threads:max_avg{context.window()}",
        max_by(over_time("avg", shown, context.window()), *context.by),
    )
    share = context.recorded(lost) / context.setting("timeout", "threads")
    return Alert(
        runbook=ABANDONED,
        expr=context.of_criticality(share.above(HELD), criticality),
        asks=(lost,),
        severity=QUIET[criticality],
        summary="Worker threads are held by calls that nobody waits for.",
        description=text(
            Label("dependency"),
            ": ",
            Value("percent"),
            " of ",
            Setting("timeout", "threads", "number"),
            " worker threads held by functions whose callers timed out, on the worst replica. Meanwhile "
            "callers get their timeouts, and when no thread is left every call is rejected.",
        ),
        hold=context.seconds(HOLD),
        labels={"criticality": criticality},
        scenario=scene(
            context,
            guard,
            [context.gauge(guard, catalog.TIMEOUT_ABANDONED, 0, threads, threads * HELD * 0.9)],
            value=1,
            hold=HOLD,
            numbers=(("timeout", "threads"),),
            mishaps=GAUGE_MISHAPS,
        ),
    )
