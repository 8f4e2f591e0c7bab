"""Scenarios of alerts: quiet for a while, then bad until the alert fires, then quiet again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from seawall.alerts.context import Context
from seawall.alerts.document import GuardPolicy
from seawall.alerts.model import Mishap, Scenario, Severity, Signal
from seawall.alerts.options import BASE_WINDOW
from seawall.telemetry import catalog

#: Who is told how loudly, by criticality of the dependency.
LOUD: Mapping[str, Severity] = {"critical": "critical", "default": "warning", "sheddable": "info"}
QUIET: Mapping[str, Severity] = {"critical": "warning", "default": "warning", "sheddable": "info"}
#: What can wait for the next working day: settings that do not fit.
TICKET: Mapping[str, Severity] = {"critical": "warning", "default": "info", "sheddable": "info"}
LOUDER: Mapping[Severity, tuple[Severity, ...]] = {
    "critical": (),
    "warning": ("critical",),
    "info": ("critical", "warning"),
}

COUNTER_MISHAPS: tuple[Mishap, ...] = (
    "counter reset",
    "missed scrape",
    "first error from nothing",
    "target vanishes",
)
GAUGE_MISHAPS: tuple[Mishap, ...] = ("missed scrape", "target vanishes")


def samples(
    context: Context, policy: str = "", fits: Callable[[GuardPolicy], bool] = lambda guard: True
) -> Iterator[tuple[str, GuardPolicy]]:
    """Each criticality in the document, with a guard that has the policy to stand in its tests.

    For a family its member ``other`` stands there, which is always there.
    """
    for criticality in context.document.criticalities:
        guards = [g for g in context.document.guards if g.criticality == criticality]
        if found := [g for g in guards if (not policy or policy in g.policies) and fits(g)]:
            first = found[0]
            yield criticality, replace(first, name=f"{first.name}/other") if first.family else first


def scene(
    context: Context,
    guard: GuardPolicy | None,
    signals: Sequence[Signal],
    *,
    value: float,
    hold: float = 0.0,
    keep: float = 0.0,
    over: float = BASE_WINDOW,
    numbers: Sequence[tuple[str, str]] = (),
    labels: Mapping[str, str] | None = None,
    mishaps: tuple[Mishap, ...] = COUNTER_MISHAPS,
    coarse: bool = False,
    few: bool = False,
) -> Scenario:
    """``hold``, ``keep``, the window ``over``: unscaled; ``numbers``: settings that rule or text asks.

    ``coarse``: nothing is asked of the shortest window, so that samples may be further apart.
    """
    own: dict[str, str] = {**context.own, **(labels or {})}
    values: dict[tuple[str, str], float] = {}
    known: list[Signal] = []
    modes: tuple[str, ...] = ()
    if guard is not None:
        own["dependency"] = guard.name
        values, known = context.settings(guard, *numbers)
        known += [context.identity(guard)]
        mine = {(s.name, tuple(sorted(s.labels.items()))) for s in signals}
        known += [
            s for s in context.fallback_modes(guard) if (s.name, tuple(sorted(s.labels.items()))) not in mine
        ]
        modes = guard.modes
    length = context.seconds(over)
    # Long scenarios have coarser samples; three in the shortest window are still a rate.
    lasting = max(over, hold) > 1800
    step = context.step * 5 / 3 if lasting else context.step
    if coarse:
        step = max(step, length / 30)
    return Scenario(
        signals=(*signals, *known),
        labels=own,
        value=value,
        lead=length + 2 * step,
        bad=length + context.seconds(hold) + 2 * step,
        tail=length + context.seconds(keep) + context.seconds(BASE_WINDOW) + 3 * step,
        step=round(step, 3),
        settings=values,
        modes=modes,
        mishaps=mishaps,
        few=few,
    )


def sparsely(context: Context, scenario: Scenario) -> Scenario:
    """The same, evaluated once in the shortest window: for tests of days that need samples of minutes."""
    pace = context.seconds(BASE_WINDOW)
    return replace(scenario, pace=pace, bad=scenario.bad + 2 * pace, tail=scenario.tail + pace)


def calls(context: Context, guard: GuardPolicy, per_second: float, **bad: float) -> list[Signal]:
    """Calls at a rate: all good when quiet; when firing, ``bad`` names the outcomes' shares."""
    operation = guard.operations[0]
    good = per_second * (1 - sum(bad.values()))
    out = [context.counter(guard, catalog.CALLS, per_second, good, operation=operation, outcome="success")]
    out += [
        context.counter(guard, catalog.CALLS, 0, per_second * share, operation=operation, outcome=outcome)
        for outcome, share in bad.items()
    ]
    return out
