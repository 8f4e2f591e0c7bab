"""The report of a campaign: what was expected, what came, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.campaigns.told import pace
from tests.campaigns.told.scenarios import NEVER
from tests.campaigns.told.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How it was run."""

    command: str
    at_once: int
    niceness: int
    seconds: float
    versions: str


def lines(run: Run, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Markdown."""
    yield "# Alerts, on real servers"
    yield ""
    yield (
        f"`{run.command}`, {datetime.now(UTC):%Y-%m-%d}, {run.versions}, {run.seconds / 60:.0f} minutes, "
        f"at most {run.at_once} scenarios at a time, niceness {run.niceness}. Each has replicas (processes "
        "with real guards over a dependency that does as the scenario says, scraped over HTTP), a "
        "Prometheus, an Alertmanager and a `seawall receive` of its own, on the bundle that is generated "
        "from its policies, unchanged."
    )
    yield ""
    yield (
        f"**Time is shortened by {pace.FACTOR:g}**, all of it alike: scrapes and evaluations "
        f"({pace.real(pace.SCRAPE):g} s for {pace.SCRAPE:g} s), the rules' windows, `for` and "
        "`keep_firing_for`, Alertmanager's waits, Prometheus' look-back and resend delay, timeouts and waits "
        "of the policies, how long calls take, and how many there are a second. Minutes of a scenario are "
        "production's. Not shortened is what programs need to run, which counts as much longer where a "
        "measured second is read as production's; and Prometheus finds its targets 5 s after its start, so "
        "that nothing counts before minute 0 but what has its cause before that."
    )
    yield ""
    yield (
        "What must come is a hit when `seawall receive` is told after its cause has begun. A false alarm is "
        "anything else that is told, or fires in Prometheus, and is not declared below with its reason; what "
        "must come, and comes before its cause; and what is to be told once, and is told again. `ledger` is "
        "beside the others in all scenarios: 2 % of its calls fail and 2 % are slow, and it must be silent."
    )
    yield ""
    yield "| scenario | replicas | minutes | must come | hits | misses | false alarms | what happens |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|"
    for v in verdicts:
        s = v.scenario
        yield (
            f"| {s.name} | {s.replicas} | {s.minutes:g} | {len(s.must)} | {len(v.hits)} | {len(v.misses)} "
            f"| {len(v.false_alarms)} | {s.story} |"
        )
    hits, misses = sum(len(v.hits) for v in verdicts), sum(len(v.misses) for v in verdicts)
    false = sum(len(v.false_alarms) for v in verdicts)
    expected = sum(len(v.scenario.must) for v in verdicts)
    yield f"| **all** | | | **{expected}** | **{hits}** | **{misses}** | **{false}** | |"
    yield from _detection(verdicts)
    yield from _wrong(verdicts)
    yield from _repeated(verdicts)
    yield from _allowed(verdicts)
    yield from _never()


def _detection(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield ""
    yield "## How long it took"
    yield ""
    yield (
        "From the first bad call, or whatever else is the cause, to the notification, as measured and in "
        "production's time; and from the first opening of a breaker. `told`: how many notifications hold "
        "it; more than one where others join its group, or it is repeated. `end`: whether its end was "
        "told within the scenario. Causes that are there from the start have no time."
    )
    yield ""
    yield "| scenario | alert | severity | dependency | s | in production | from opening, s | told | end |"
    yield "|---|---|---|---|--:|--:|--:|--:|---|"
    for v in verdicts:
        for hit in v.hits:
            told, opening = hit.must.told, hit.after_opening
            took = "|" if hit.must.since < 0 else f"{hit.after:.1f} | {_long(hit.after * pace.FACTOR)}"
            yield (
                f"| {v.scenario.name} | {told.name} | {told.severity} | {told.dependency} | {took} "
                f"| {'' if opening is None else f'{opening:.2f}'} "
                f"| {hit.times} | {'told' if hit.ended else ''} |"
            )


def _wrong(verdicts: Sequence[Verdict]) -> Iterator[str]:
    wrong = [f"- {v.scenario.name}: {what}" for v in verdicts for what in v.wrong]
    if wrong:
        yield from ("", "## What is wrong", "", *wrong)


def _repeated(verdicts: Sequence[Verdict]) -> Iterator[str]:
    again = [
        f"- {v.scenario.name}, with a stall of {former.stalled:.2f} s: {'; '.join(former.wrong)}"
        for v in verdicts
        for former in v.former
    ]
    stalled = sum(v.stalled > 0 for v in verdicts)
    yield ""
    yield "## Runs that were repeated"
    yield ""
    yield (
        "A replica that gets no turn for half of the time between two scrapes "
        f"({pace.real(pace.SCRAPE) / 2:g} s) notes it, and a scrape that takes all of that time is seen: a "
        "busy machine is a slow service, and at this pace for long. A scenario with something wrong in it "
        "and such a stall is repeated, twice at most, and said here. "
        f"{stalled} of the {len(verdicts)} runs above had a stall, and count."
    )
    yield from ["", *(again or ["None was repeated."])]


def _allowed(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield ""
    yield "## What may come"
    yield ""
    yield "| scenario | alert | severity | dependency | came | why it may |"
    yield "|---|---|---|---|---|---|"
    for v in verdicts:
        for may in v.scenario.may:
            told = may.told
            came = "yes" if told in v.allowed else ""
            why = may.why + (" Fires only: nobody may be told." if may.muted else "")
            where = f"{v.scenario.name} | {told.name} | {told.severity} | {told.dependency}"
            yield f"| {where} | {came} | {why} |"


def _never() -> Iterator[str]:
    yield ""
    yield "## What no scenario raises"
    yield ""
    yield from (f"- {name}: {why}" for name, why in NEVER.items())


def _long(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
