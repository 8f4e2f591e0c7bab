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
    max_by,
    one_of,
    over_time,
    quoted,
    rate,
    ratio,
    regex_literal,
    sum_by,
)

#: States that a breaker does not leave by itself.
HELD = ("forced_open", "disabled", "metrics_only")


@dataclass(frozen=True)
class FitRecords:
    records: Records

    @property
    def context(self) -> Context:
        return self.records.context

    @cached_property
    def held_states(self) -> Recording:
        """1 where a replica's breaker was in such a state during the whole of the shortest window."""
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
    def stale_age(self) -> Recording:
        """Mean age of the stale answers that were served, in seconds; nothing where none was."""
        select, short = self.context.scope, self.records.short
        ages = sum_by(rate(select.sum(catalog.STALE_AGE), short), *self.context.by)
        answers = sum_by(rate(select.count(catalog.STALE_AGE), short), *self.context.by)
        return Recording(
            f"{self.context.level()}:seawall_stale_age_seconds:mean{short}", ratio(ages, answers)
        )

    @cached_property
    def stale_ratio(self) -> Recording:
        """Share of calls that got a stale answer."""
        served = rate(self.context.scope.count(catalog.STALE_AGE), self.records.short)
        calls = self.context.recorded(self.records.calls)
        return Recording(
            f"{self.context.level()}:seawall_stale_answers:ratio_rate{self.records.short}",
            ratio(sum_by(served, *self.context.by), calls),
        )

    @cached_property
    def queued(self) -> Recording:
        """Work that was put aside for later."""
        put = self.context.scope.select(
            catalog.DEGRADATIONS, equal("mode", "queued"), equal("outcome", "served")
        )
        return Recording(
            f"{self.context.level()}:seawall_queued:rate{self.records.short}",
            sum_by(rate(put, self.records.short), *self.context.by),
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
            answers += [self.stale_age, self.stale_ratio]
        if "queued" in modes:
            answers.append(self.queued)
        own = [Group("answers", "seawall answers", tuple(answers))]
        if document.having("breaker"):
            seldom = (self.held_states, self.window_calls, self.false_opens)
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
