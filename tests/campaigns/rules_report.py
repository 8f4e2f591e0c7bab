"""What the campaign of rules has to say."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

#: What is asked for: guards, replicas.
ASKED = (1000, 300)
DEAREST = 12
INTRODUCTION = """\
# What the rules cost

`make campaign-rules ARGS='--ladder {ladder} --minutes {minutes:g} --seed {seed} --write'`, {made}: pages of \
real guards with every policy, as those of many replicas, sent to a Prometheus by remote write, six minutes \
of the past and then {minutes:g} minutes live, a sample every 15 s. The server evaluates the generated rules \
by itself. Two cores, shared with the sender; the machine's load before it began was {load:.1f}. Seconds are \
the server's own, of one evaluation, medians. `busiest`: the group that takes the largest share of its \
interval, and that share. Memory: the server's own, at most.
"""


@dataclass
class Rung:
    """One step of the ladder, and what the server said again and again."""

    guards: int
    replicas: int
    series: float = 0.0
    memory: float = 0.0
    missed: float = 0.0
    sent: list[float] = field(default_factory=list)
    intervals: dict[str, float] = field(default_factory=dict)
    groups: dict[str, list[float]] = field(default_factory=dict)
    rules: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def share(self, group: str) -> float:
        """Of its interval."""
        return statistics.median(self.groups[group]) / self.intervals[group]

    @property
    def busiest(self) -> str:
        return max(self.groups, key=self.share)

    @property
    def load(self) -> float:
        """Seconds of evaluating in a second, over all groups."""
        return sum(map(self.share, self.groups))

    @property
    def line(self) -> str:
        per = self.load * 1e9 / self.series
        most = f"{self.busiest}: {self.share(self.busiest):.2%}"
        return (
            f"| {self.guards} x {self.replicas} | {self.series:,.0f} | {self.memory / 1e9:.2f}"
            f" | {self.load:.4f} | {per:.1f} | {most} | {self.missed:.0f} |"
        )


def report(rungs: Sequence[Rung], arguments: argparse.Namespace, load: float) -> str:
    last = max(rungs, key=lambda rung: rung.series)
    given = {**vars(arguments), "ladder": " ".join(arguments.ladder)}
    lines = [
        INTRODUCTION.format(**given, made=datetime.now(UTC).strftime("%Y-%m-%d"), load=load),
        "| guards x replicas | series | memory, GB | s of evaluating a second | ns a series | busiest |"
        " evaluations missed |",
        "|---|--:|--:|--:|--:|---|--:|",
        *(rung.line for rung in rungs),
        "",
        f"## The dearest rules at {last.guards} x {last.replicas}",
        "",
        "| rule | s |",
        "|---|--:|",
    ]
    medians = {name: statistics.median(took) for name, took in last.rules.items()}
    dearest = sorted(medians.items(), key=lambda item: -item[1])[:DEAREST]
    lines += [f"| `{name}` | {took:.4f} |" for name, took in dearest]
    guards, replicas = ASKED
    times = guards * replicas / (last.guards * last.replicas)
    lines += [
        "",
        f"## {guards:,} guards x {replicas} replicas: an extrapolation, not a measurement",
        "",
        f"{times:,.0f} times the guards times replicas of the largest step, if cost and memory grow with"
        f" them: {last.series * times:,.0f} series, {last.memory * times / 1e9:,.0f} GB,"
        f" {last.load * times:.2f} s of evaluating in a second, and the busiest group"
        f" ({last.busiest}) {last.share(last.busiest) * times:.0%} of its interval.",
    ]
    return "\n".join(lines) + "\n"
