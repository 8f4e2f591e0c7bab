"""Alerts on settings that do not fit what happens: nobody is woken, somebody should look at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from math import ceil
from operator import or_

from seawall.alerts.context import Context
from seawall.alerts.document import GuardPolicy
from seawall.alerts.fit_records import FitRecords, no_members
from seawall.alerts.model import Alert, Runbook
from seawall.alerts.records import Records
from seawall.alerts.scenes import COUNTER_MISHAPS, TICKET, calls, samples, scene, sparsely
from seawall.alerts.text import Label, Meanwhile, Setting, Value, text
from seawall.telemetry import catalog
from seawall.telemetry.promql import (
    Expr,
    Matcher,
    constant,
    equal,
    max_by,
    min_by,
    number,
    one_of,
    over_time,
    quoted,
    raw,
    regex_literal,
    sum_by,
)

DAY = 86400.0
#: The window of false openings, that of the slower of the two burn rates that page.
SIX_HOURS = 21600.0
#: Less than this many may each be a short outage that was over at the first probe.
FALSE_OPENS = 3
#: What is promised where a guard has no objective, for this alert only.
PROMISE = 0.999
#: Share of a family's calls that share one guard.
SHARED = 0.05
OVERFLOW_FOR = 600.0

FALSE = Runbook(
    name="SeawallBreakerFalseOpens",
    meaning="The breaker opened again and again, and each time the dependency was well when it was first "
    "asked again. A short real outage looks the same: the number is an upper bound.",
    impact="Callers were refused although they might have been served, for longer than the objective of the "
    "guard allows failures.",
    diagnosis=(
        "Openings and the failure ratio in the window on the dependency's dashboard: did the ratio jump with "
        "few calls in the window? Then the window is too small.",
        "Do the openings come together on all replicas? Then the dependency really fails, for less than "
        "`open_for`.",
        "`/api/health/dependencies` says which errors opened it last: is one of them the caller's own fault?",
    ),
    mitigation=(
        "More `minimum_calls`, or a larger window: fewer calls let chance open it.",
        "`ignore` errors that say nothing of the dependency's health.",
        "A shorter `open_for` where outages are short.",
    ),
    threshold=f"At least {FALSE_OPENS} within 6 hours on the average replica, and together as long as the "
    "failures that the objective allows in that time: number x `open_for` > (1 - objective) x 6 hours "
    f"(objective {PROMISE:g} where there is none). For `open_for` of 30 seconds and 0.999 these are 3, for 5 "
    "seconds 5. An outage that all replicas notice counts once.",
    policy="breaker",
)
DEAD = Runbook(
    name="SeawallBreakerNeverDecides",
    meaning="No replica has had as many calls in its breaker's window within a day as the policy wants "
    "before it decides: the breaker can't open.",
    impact="The guard has a breaker in name only: when the dependency fails, callers wait for timeouts.",
    diagnosis=(
        "Calls in the window on the dependency's dashboard, against `minimum_calls` in the table below.",
        "A window in seconds holds what one replica calls in that time: calls a second / replicas x "
        "`window_seconds`.",
    ),
    mitigation=(
        "Fewer `minimum_calls`, or a longer window; `consecutive_failures` opens it whatever the ratio.",
        "So few calls that no breaker can help? Then remove it, and let the timeout be short.",
    ),
    threshold="The fullest window of any replica within a day held less than `minimum_calls`, and than "
    "`consecutive_failures` where that is set, but held something: a guard without calls is no matter of its "
    "policy. Windows are seen at scrapes: where `window_seconds` is shorter than the scrape interval, what "
    "comes and goes between two of them is not, and the alert leaves that guard out. "
    "So it does with members of keyed families.",
    policy="breaker",
)
OVERFLOW = Runbook(
    name="SeawallFamilyOverflowing",
    meaning="Keys of a family of guards find no room, and share the guard `other`.",
    impact="Those keys are not kept apart: one of them that fails opens the breaker for all of them, and all "
    "share its limits. Keys that have a guard of their own are not affected.",
    diagnosis=(
        "How many keys are there really? The family's members on the overview, against `most` below.",
        "Are the keys what they should be? A key that holds an id of a request never comes twice.",
        "`family.overflowed` counts why: `full`, `illegal` (no legal name), `taken` (another guard's name).",
    ),
    mitigation=(
        "Raise `most`: each member is a few hundred series.",
        "A shorter `idle_for`, if keys come and go; let keys be few (a partner, not a user).",
    ),
    threshold=f"More than {SHARED:.0%} of the family's calls, for 10 minutes or the family's `idle_for`, "
    "whichever is longer: until then members that are idle may make room.",
    policy="family",
)


def alerts(context: Context, records: Records, fits: FitRecords) -> Iterator[Alert]:
    for criticality, guard in samples(context, "breaker"):
        yield _false_opens(context, fits, criticality, guard)
    for criticality, guard in samples(context, "breaker", lambda guard: not guard.family):
        yield _never_decides(context, fits, criticality, guard)
    for criticality in context.document.criticalities:
        families = [g for g in context.document.guards if g.family and g.criticality == criticality]
        if families:
            yield _overflowing(context, records, families)


def _false_opens(context: Context, fits: FitRecords, criticality: str, guard: GuardPolicy) -> Alert:
    length = context.seconds(SIX_HOURS)
    opened = over_time("avg", context.recorded(fits.false_opens), context.window(SIX_HOURS)) * length
    # Half of one below: what an average over samples makes of a whole number is not quite one.
    enough = opened.above(FALSE_OPENS - 0.5)
    objective = context.setting("objectives", "success") | context.setting("objectives", "undegraded")
    open_for = context.setting("breaker", "open_for")
    allowed = raw(
        f"(1 - ({(objective | (open_for * 0 + constant(PROMISE))).text})) * {number(length)}", context.by
    )
    shut = (opened * open_for).above(allowed)
    seconds = guard.number("breaker", "open_for") or 1.0
    promised = guard.objectives.get("success", guard.objectives.get("undegraded", PROMISE))
    least = (1 - promised) * length / seconds
    step = context.step * 5 / 3
    # A binary fraction at each step: what promtool adds up of it is exact.
    each = ceil(2 * max(FALSE_OPENS, least) * step / length * 64) / 64
    signal = context.counter(
        guard,
        catalog.BREAKER_FALSE_OPENS,
        0,
        each / step,
        0.9 * max(FALSE_OPENS - 0.5, least) / length,
    )
    made = scene(
        context,
        guard,
        [signal],
        value=each * length / step,
        over=SIX_HOURS,
        numbers=(("breaker", "open_for"), ("objectives", "success"), ("objectives", "undegraded")),
        # The same for all: what may happen to them is replayed on the first.
        mishaps=COUNTER_MISHAPS if criticality == context.document.criticalities[0] else (),
    )
    return Alert(
        runbook=FALSE,
        expr=context.of_criticality(
            enough.where(shut, context.by).where(fits.existed(fits.false_opens, SIX_HOURS), context.by),
            criticality,
        ),
        severity=TICKET[criticality],
        summary="A circuit breaker opens although the dependency is well.",
        description=text(
            Label("dependency"),
            ": opened ",
            Value("number"),
            " times a replica within ",
            context.window(SIX_HOURS),
            " for ",
            Setting("breaker", "open_for", "seconds"),
            " each, and found the dependency well. Its thresholds may be too nervous. ",
            Meanwhile(),
        ),
        labels={"criticality": criticality},
        scenario=sparsely(context, made),
    )


def _never_decides(context: Context, fits: FitRecords, criticality: str, guard: GuardPolicy) -> Alert:
    day = context.window(DAY)
    fullest = over_time("max", context.recorded(fits.window_calls, *no_members(context)), day)
    both = context.recorded(
        context.policy_settings,
        equal("policy", "breaker"),
        one_of("setting", ("minimum_calls", "consecutive_failures")),
    )
    wanted = min_by(over_time("last", both, context.window()), *context.by)
    unseen = context.setting("breaker", "window_seconds").below(context.options.scrape_interval)
    # Not while it is switched off or held open by hand: then it counts nobody.
    held = context.recorded(fits.held_states, one_of("state", ("forced_open", "disabled")))
    off = max_by(over_time("max", held, day), *context.by).above(0)
    dead = (
        fullest.below(wanted)
        .where(fullest.above(0), context.by)
        .unless(unseen, context.by)
        .unless(off, context.by)
    )
    least = min(
        value
        for name in ("minimum_calls", "consecutive_failures")
        if (value := guard.number("breaker", name)) is not None
    )
    return Alert(
        runbook=DEAD,
        expr=context.of_criticality(
            dead.where(fits.existed(fits.window_calls, DAY), context.by), criticality
        ),
        severity=TICKET[criticality],
        summary="A circuit breaker never has enough calls to decide on.",
        description=text(
            Label("dependency"),
            ": within ",
            day,
            " the breaker had at most ",
            Value("number"),
            " calls in its window, and decides from ",
            Setting("breaker", "minimum_calls", "number"),
            " on. Meanwhile nothing stops calls to it when it fails: callers wait for timeouts.",
        ),
        labels={"criticality": criticality},
        scenario=scene(
            context,
            guard,
            [context.gauge(guard, catalog.BREAKER_WINDOW_CALLS, least, least / 2, least)],
            value=least / 2,
            over=DAY,
            numbers=(("breaker", "minimum_calls"), ("breaker", "consecutive_failures")),
            mishaps=("target vanishes",),
            coarse=True,
        ),
    )


def _overflowing(context: Context, records: Records, families: Sequence[GuardPolicy]) -> Alert:
    longest = max(family.family["idle_for"] for family in families)
    hold = max(OVERFLOW_FOR, longest / context.options.time_factor)
    shares = [_shared(context, records, family.name) for family in families]
    name = families[0].name
    guard = replace(families[0], name=f"{name}/other")
    own = calls(context, guard, 10)[0]
    return Alert(
        runbook=OVERFLOW,
        expr=reduce(or_, shares).above(SHARED),
        severity=TICKET[guard.criticality],
        summary="A family of guards has no room for all its keys.",
        description=text(
            Label("dependency"),
            ": ",
            Value("percent"),
            " of the family's calls share this guard, since their keys have none of their own. Meanwhile a "
            "key that fails opens the breaker of all that share it.",
        ),
        hold=context.seconds(hold),
        labels={"criticality": guard.criticality},
        scenario=scene(
            context,
            guard,
            [
                replace(own, quiet=0.0, firing=10.0, near=10 * SHARED * 0.9),
                replace(own, labels={**own.labels, "dependency": f"{name}/acme"}),
            ],
            value=0.5,
            hold=hold,
        ),
    )


def _shared(context: Context, records: Records, family: str) -> Expr:
    """Share of a family's calls that its member ``other`` serves."""
    shared = context.recorded(records.calls, equal("dependency", f"{family}/other"))
    pattern = quoted(f"{regex_literal(family)}/.*")
    whole = sum_by(context.recorded(records.calls, Matcher("dependency", "=~", pattern)), *context.service)
    return shared.joined("/", whole, on=context.service)
