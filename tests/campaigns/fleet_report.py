"""What the fleet's campaign has to say."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.campaigns.fleet_queries import Asked
from tests.campaigns.generating import GUARDS, Generated

COMMAND = "make campaign-fleet ARGS='--replicas {replicas} --hours {hours:g} --seed {seed} --write'"
ALLOWED = 1.0
#: Boards that have to answer in that time.
HELD = ("overview", "fleet")
#: Ranges of time; the other boards are asked for the first alone.
HOURS = (1, 6)
INTRODUCTION = """\
# The boards over a fleet

`{command}`, {made}: {replicas} replicas of a service with {guards} guards, in {clusters} clusters: \
{series:,} series, {samples:,} samples of {hours:g} hours, a scrape every {scrape} s, sent to a \
Prometheus by remote write; the {rules} of the bundle's recording rules that boards ask for, evaluated \
over this time every {evaluation} s by promtool. Replicas live {histories} histories of real guards: \
dependencies that fail for all, a few replicas that are ill by themselves, and roll-outs.

Every panel is asked as by Grafana on a screen of 1920 pixels, its queries one after the other, with \
steps of {scrape} s and more. Cold: the first time since the server began, which has its default \
settings; warm: the median of {rounds} more. The other five go by raw series, so that one can choose \
single replicas; they are asked once, over an hour. Two cores, shared with others. Allowed for Overview \
and Fleet: {allowed:g} s.

Overview and Fleet: **{good} of {all} within {allowed:g} s**, the slowest took {worst:.2f} s ({where}). \
Playing, recording and asking took {minutes:.0f} minutes.

Everything for a registry of {thousand:,} guards (`seawall generate --kubernetes`) took {seconds:.1f} s \
of a processor: {files} files, {size:.1f} MB, {same} when the guards came in another order and strings \
had other hashes. Allowed: 20 s.
"""


@dataclass
class Row:
    """``cold`` is NaN where the server refused; ``warm`` where it was not asked again."""

    asked: Asked
    cold: float
    warm: float
    series: int

    @property
    def held(self) -> bool:
        return self.asked.board in HELD

    @property
    def good(self) -> bool:
        return self.cold < ALLOWED and self.warm < ALLOWED

    def cells(self) -> str:
        cold = "refused" if math.isnan(self.cold) else f"{self.cold:.2f}"
        return f"{self.series} | {cold} | " + ("" if math.isnan(self.warm) else f"{self.warm:.2f}")


def report(
    rows: Sequence[Row],
    made: tuple[Generated, Generated],
    arguments: argparse.Namespace,
    facts: Mapping[str, int],
    seconds: float,
) -> str:
    held = [row for row in rows if row.held]
    worst = max(held, key=lambda row: max(row.cold, row.warm))
    one, other = made
    given = vars(arguments)
    text = [
        INTRODUCTION.format(
            **given,
            **facts,
            command=COMMAND.format(**given),
            made=datetime.now(UTC).strftime("%Y-%m-%d"),
            allowed=ALLOWED,
            good=sum(row.good for row in held),
            all=len(held),
            worst=max(worst.cold, worst.warm),
            where=f"{worst.asked.board}: {worst.asked.title}",
            minutes=seconds / 60,
            thousand=GUARDS,
            seconds=max(one.seconds, other.seconds),
            files=len(one.files),
            size=sum(map(len, one.files.values())) / 1e6,
            same="the same to the byte" if one.files == other.files else "NOT the same",
        ).rstrip()
    ]
    for board in dict.fromkeys((*HELD, *(row.asked.board for row in rows))):
        hours = HOURS if board in HELD else HOURS[:1]
        text += ["", f"## {board.capitalize()}", ""]
        text.append("| panel | queries |" + "".join(f" {n} h: series | cold, s | warm, s |" for n in hours))
        text.append("|---|--:|" + "--:|--:|--:|" * len(hours))
        mine = [row for row in rows if row.asked.board == board]
        for title in dict.fromkeys(row.asked.title for row in mine):
            figures = [row for row in mine if row.asked.title == title]
            cells = " | ".join(row.cells() for row in figures)
            text.append(f"| {title} | {len(figures[0].asked.queries)} | {cells} |")
    empty = [
        row for row in rows if not row.series and row.asked.hours == HOURS[0] and not math.isnan(row.cold)
    ]
    if empty:
        names = "; ".join(f"{row.asked.board}: {row.asked.title}" for row in empty)
        text += ["", f"Empty, as the histories have nothing of it: {names}."]
    return "\n".join(text) + "\n"
