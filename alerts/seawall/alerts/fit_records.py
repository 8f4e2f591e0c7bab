"""Recordings for alerts about what goes on for hours: states set by hand, windows, queues, old answers.

What the raw series of all replicas say is read once, and seldom where days are asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from seawall.alerts.context import Context
from seawall.alerts.model import Group, Recording
from seawall.alerts.records import LONG_INTERVAL, Records
from seawall.telemetry import catalog
from seawall.telemetry.promql import (
    Expr,
    Matcher,
    avg_by,
    equal,
    increase,
    max_by,
    one_of,
    over_time,
    quoted,
    rate,
    ratio,
    regex_literal,
    sum_by,
)

#: States that a breaker does not leave by itself, and the one that it has to leave soon.
HELD = ("forced_open", "disabled", "metrics_only", "half_open")


@dataclass(frozen=True)
class FitRecords:
    records: Records

    @property
    def context(self) -> Context:
        return self.records.context

    @cached_property
    def held_states(self) -> Recording:
        """1 where a replica's breaker was in one state during the whole of the shortest window."""
        shown = self.context.scope.select(catalog.BREAKER_STATE, one_of("state", HELD))
        held = over_time("min", shown, self.records.short)
        return Recording(
            f"{self.context.level('state')}:seawall_breaker_held_state:max",
            max_by(held, *self.context.by, "state"),
        )

    @cached_property
    def window_calls(self) -> Recording:
        """The fullest window that any replica's breaker had."""
        shown = over_time("max", self.context.scope.select(catalog.BREAKER_WINDOW_CALLS), self.records.short)
        return Recording(
            f"{self.context.level()}:seawall_breaker_window_calls:max", max_by(shown, *self.context.by)
        )

    @cached_property
    def false_opens(self) -> Recording:
        """Of the average replica: an outage that all of them notice is one opening each."""
        opened = rate(self.context.scope.select(catalog.BREAKER_FALSE_OPENS), self.records.short)
        return Recording(
            f"{self.context.level()}:seawall_breaker_false_opens:avg_rate{self.records.short}",
            avg_by(opened, *self.context.by),
        )

    @cached_property
    def flaps_over(self) -> float:
        """Half an hour or ten of the longest open times, in seconds of no time factor."""
        waits = [
            guard.number("breaker", "open_for") or 0.0 for guard in self.context.document.having("breaker")
        ]
        return max(1800.0, 10 * max(waits) / self.context.options.time_factor)

    @cached_property
    def openings(self) -> Recording:
        """How often the breaker of the worst replica left closed for open."""
        moved = self.context.scope.select(
            catalog.BREAKER_TRANSITIONS, equal("from_state", "closed"), equal("to_state", "open")
        )
        over = self.context.window(self.flaps_over)
        return Recording(
            f"{self.context.level()}:seawall_breaker_openings:max_increase{over}",
            max_by(increase(moved, over), *self.context.by),
        )

    @cached_property
    def stale_served(self) -> Recording:
        """Stale answers per second."""
        served = rate(self.context.scope.count(catalog.STALE_AGE), self.records.short)
        return Recording(
            f"{self.context.level()}:seawall_stale_answers:rate{self.records.short}",
            sum_by(served, *self.context.by),
        )

    @cached_property
    def stale_age(self) -> Recording:
        """Mean age of the stale answers that were served, in seconds; nothing where none was."""
        short = self.records.short
        ages = sum_by(rate(self.context.scope.sum(catalog.STALE_AGE), short), *self.context.by)
        return Recording(
            f"{self.context.level()}:seawall_stale_age_seconds:mean{short}",
            ratio(ages, self.context.recorded(self.stale_served)),
        )

    @cached_property
    def stale_ratio(self) -> Recording:
        """Share of calls that got a stale answer."""
        recorded = self.context.recorded
        return Recording(
            f"{self.context.level()}:seawall_stale_answers:ratio_rate{self.records.short}",
            ratio(recorded(self.stale_served), recorded(self.records.calls)),
        )

    @cached_property
    def queued(self) -> Recording:
        """Work that was put aside for later."""
        put = self.context.recorded(
            self.records.fallbacks_by_outcome, equal("mode", "queued"), equal("outcome", "served")
        )
        return Recording(
            f"{self.context.level()}:seawall_queued:rate{self.records.short}", sum_by(put, *self.context.by)
        )

    def existed(self, recording: Recording, unscaled: float) -> Expr:
        """Those that were recorded so long ago: an average over less than its window says too much."""
        context = self.context
        return ago("last", context.recorded(recording), context.window(), context.window(unscaled))

    def groups(self) -> list[Group]:
        """Those that the document's policies have a use for."""
        document = self.context.document
        modes = {mode for guard in document.guards for mode in guard.modes}
        answers: list[Recording] = []
        if "stale" in modes:
            answers += [self.stale_served, self.stale_age, self.stale_ratio]
        if "queued" in modes:
            answers.append(self.queued)
        own = [Group("answers", "seawall answers", tuple(answers))]
        if document.having("breaker"):
            seldom = (self.held_states, self.openings, self.window_calls, self.false_opens)
            own.append(Group("breakers", "seawall breakers", seldom, interval=long_interval(self.context)))
        return [group for group in own if group.rules]


def members(context: Context) -> str:
    """A pattern for the members of keyed families; "" where there is no family."""
    return "|".join(f"{regex_literal(guard.name)}/.*" for guard in context.document.guards if guard.family)


def no_members(context: Context) -> tuple[Matcher, ...]:
    """A matcher that leaves them out: of what one key does or does not do nobody wants to be told."""
    pattern = members(context)
    return (Matcher("dependency", "!~", quoted(pattern)),) if pattern else ()


def ago(function: str, recorded: Expr, over: str, offset: str) -> Expr:
    """As `over_time`, of a window that ended ``offset`` ago."""
    return Expr(f"{function}_over_time({recorded.text}[{over}] offset {offset})", recorded.labels)


def long_interval(context: Context) -> float:
    """How often rules about hours and days are evaluated."""
    return max(context.options.evaluation_interval, context.seconds(LONG_INTERVAL))
