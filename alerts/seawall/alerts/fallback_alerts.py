"""Alerts on what stands in for a dependency and is running out: stale answers, queued work."""

from __future__ import annotations

from collections.abc import Iterator

from seawall.alerts.context import Context
from seawall.alerts.fit_records import FitRecords
from seawall.alerts.model import Alert, Runbook, Signal
from seawall.alerts.options import BASE_WINDOW
from seawall.alerts.records import LEAST_EVENTS, Records
from seawall.alerts.scenes import QUIET, calls, samples, scene
from seawall.alerts.text import Label, Setting, Value, text
from seawall.telemetry import catalog
from seawall.telemetry.promql import one_of, over_time, sum_by

#: Of the age that the policy allows; as much time is left as has passed.
HALF = 0.5
#: Share of calls from which stale answers are an outage, and no single failures.
OUTAGE = 0.05
KEEP = 120.0
HOUR = 3600.0

STALE = Runbook(
    name="SeawallStaleTooOld",
    meaning="The dependency has been failing for so long that the stale answers that stand in for it are "
    "half as old as the policy allows, on average.",
    impact="Callers still get answers, and see data of that age. From `stale_for` seconds on they are "
    "refused: callers get the fallback's next mode, or an error.",
    diagnosis=(
        "Stale age on the dependency's dashboard: it grows by a minute a minute while nothing is refreshed.",
        "The table below: is there a mode after `stale`, and how much is left until `stale_for`?",
    ),
    mitigation=(
        "Restore the dependency: the next success of a question refreshes its answer.",
        "Older data is better than none here? Raise `stale_for` before it is reached.",
        "Else tell whoever reads these answers that they will be gone at that time.",
    ),
    threshold=f"Mean age above {HALF:.0%} of the policy's `stale_for`, with more than {OUTAGE:.0%} of calls "
    "answered so: a key that is asked for once a day may be old without any outage. No waiting time, since "
    "the mean is over a window already. An open breaker does not mute it: that callers get stale answers is "
    "what it explains, not that these end. Where `stale_for` is no longer than the window of 5 minutes the "
    "answers are gone before a mean can tell, and SeawallFallbackFailing does.",
    policy="fallback",
)
QUEUED = Runbook(
    name="SeawallQueuedWorkGrowing",
    meaning="More work was put aside for later within the last hour than the dependency has taken: even if "
    "all that it took came from the queue, the queue has grown.",
    impact="Callers were told that their work will be done later, and it is not. The queue needs room, and "
    "the dependency will get all of it when it is back.",
    diagnosis=(
        "Degradations of mode `queued` on the dependency's dashboard, against its successful attempts.",
        "How much waits, and how much room is left, the queue itself tells: a table, a folder, a broker.",
        "Does the dependency answer, and nothing leaves? Then what drains the queue is stuck.",
    ),
    mitigation=(
        "Restore the dependency; drain through the guard, so that its breaker and limits hold for that, too.",
        "Make room for the queue before it is full: SeawallFallbackFailing is next.",
        "Slow the drain down at first (a rate limit) if a rush would bring the dependency down again.",
    ),
    threshold=f"At least {LEAST_EVENTS} more put aside than attempts succeeded, within an hour; at steady "
    "traffic half an hour of a complete outage. An open breaker does not mute it: it explains why work is "
    "queued, not how much of it there is.",
    policy="fallback",
)


def alerts(context: Context, records: Records, fits: FitRecords) -> Iterator[Alert]:
    yield from _stale(context, fits)
    yield from _queued(context, records, fits)


def _stale(context: Context, fits: FitRecords) -> Iterator[Alert]:
    window = context.seconds(BASE_WINDOW)
    older = context.recorded(fits.stale_age).above(context.setting("fallback", "stale_for") * HALF)
    expr = older.where(context.recorded(fits.stale_ratio).above(OUTAGE), context.by)
    found = samples(context, "fallback", lambda guard: (guard.number("fallback", "stale_for") or 0) > window)
    for criticality, guard in found:
        most = guard.number("fallback", "stale_for") or 0.0
        # Not a whole number: what is cut off behind it says the same either way.
        mean = int(most * 0.75) + 0.5
        target = context.target(guard, {})
        yield Alert(
            runbook=STALE,
            expr=context.of_criticality(expr, criticality),
            severity=QUIET[criticality],
            summary="Stale answers are getting too old to be served.",
            description=text(
                Label("dependency"),
                ": the stale answers that stand in for it are ",
                Value("seconds"),
                " old on average. From ",
                Setting("fallback", "stale_for", "seconds"),
                " on they are refused. Meanwhile callers get data of that age, and after that what the "
                "fallback has next, or an error.",
            ),
            keep=context.seconds(KEEP),
            labels={"criticality": criticality},
            scenario=scene(
                context,
                guard,
                [
                    *calls(context, guard, 10),
                    Signal(catalog.STALE_AGE.count, target, "counter", 0, 5, 5),
                    Signal(catalog.STALE_AGE.sum, target, "counter", 0, 5 * mean, 5 * most * 0.45),
                ],
                value=mean,
                keep=KEEP,
                numbers=(("fallback", "stale_for"),),
            ),
        )


def _queued(context: Context, records: Records, fits: FitRecords) -> Iterator[Alert]:
    hour = context.window(HOUR)
    put = over_time("avg", context.recorded(fits.queued), hour)
    done = context.recorded(records.attempts_by_outcome, one_of("outcome", ("success", "slow")))
    taken = sum_by(over_time("avg", done, hour), *context.by) | put * 0
    more = (put - taken) * context.seconds(HOUR)
    for criticality, guard in samples(context, "fallback", lambda guard: "queued" in guard.modes):
        operation = guard.operations[0]
        # One at every second sample.
        step = context.step * 5 / 3
        rate = 0.5 / step
        yield Alert(
            runbook=QUEUED,
            expr=context.of_criticality(more.binary(">=", LEAST_EVENTS), criticality),
            severity=QUIET[criticality],
            summary="Queued work grows faster than it is done.",
            description=text(
                Label("dependency"),
                ": within ",
                hour,
                " ",
                Value("count"),
                " more were put aside for later than the dependency took. Meanwhile callers are told that "
                "their work is done later, and it waits.",
            ),
            keep=context.seconds(KEEP),
            labels={"criticality": criticality},
            scenario=scene(
                context,
                guard,
                [
                    context.counter(
                        guard,
                        catalog.DEGRADATIONS,
                        0,
                        rate,
                        rate,
                        operation=operation,
                        mode="queued",
                        outcome="served",
                    ),
                    context.counter(
                        guard, catalog.ATTEMPTS, rate, 0, rate, operation=operation, outcome="success"
                    ),
                ],
                value=rate * context.seconds(HOUR),
                keep=KEEP,
                over=HOUR,
            ),
        )
