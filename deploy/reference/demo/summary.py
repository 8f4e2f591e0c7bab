"""The end of the demo: figures read back from Prometheus, and which promises were kept."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reference.demo import promises_bank, promises_telemetry, promises_traffic
from reference.demo.prometheus import Series
from reference.demo.promise import Evidence, Promise
from seawall.telemetry import catalog

MARKS = {True: ("kept", "green"), False: ("BROKEN", "bold red"), None: ("not checked", "yellow")}


async def check(evidence: Evidence) -> list[Promise]:
    """Every promise of the scenario."""
    opened, opened_at = promises_bank.opened(evidence)
    return [
        opened,
        promises_bank.degraded_in_time(evidence),
        promises_bank.all_answered(evidence),
        *promises_bank.alerted(evidence, opened_at),
        await promises_bank.seen_by_prometheus(evidence),
        promises_traffic.bounded(evidence),
        promises_traffic.unaffected(evidence),
        *promises_traffic.nothing_lost(evidence),
        promises_telemetry.followed(evidence),
        promises_telemetry.clean_page(evidence),
        *promises_telemetry.queries_work(evidence),
    ]


def show_promises(console: Console, promises: list[Promise]) -> None:
    """Print them as a table."""
    table = Table(title="What the scenario promises", title_justify="left", expand=console.is_terminal)
    table.add_column("")
    table.add_column("promise", ratio=1)
    table.add_column("seen", ratio=1, overflow="fold")
    for promise in promises:
        mark, style = MARKS[promise.kept]
        table.add_row(Text(mark, style), Text(promise.text), Text(promise.figures))
    console.print(table)
    counts = Counter(MARKS[promise.kept][0] for promise in promises)
    console.print(f"{len(promises)} promises: {', '.join(f'{n} {mark}' for mark, n in counts.items())}")


async def show_figures(console: Console, evidence: Evidence) -> None:
    """Print what Prometheus has stored about every guard, and what the webhook received."""
    server = evidence.prometheus
    if server is None:
        return
    end = evidence.story.ended
    calls, openings = catalog.CALLS.name, catalog.BREAKER_TRANSITIONS.name
    table = Table(title="Read back from Prometheus", title_justify="left")
    for column in ("guard", "calls", "degraded", "failed", "retries", "breaker opened"):
        table.add_column(column, justify="left" if column == "guard" else "right")
    for series in sorted(await server.at(f"sum by (dependency) ({calls})", end), key=_name):
        of = f'dependency="{_name(series)}"'
        queries = (
            f"sum({calls}{{{of}}})",
            f'sum({calls}{{{of},outcome="degraded"}})',
            f'sum({calls}{{{of},outcome=~"failure|timeout|rejected"}})',
            f"sum({catalog.RETRIES.name}{{{of}}})",
            f'sum({openings}{{{of},to_state="open"}})',
        )
        numbers = [await server.number(query, end) for query in queries]
        table.add_row(_name(series), *(f"{number:.0f}" for number in numbers))
    console.print(table)
    told: dict[str, list[float]] = {}
    for one in evidence.notifications:
        key = f"{one.labels.get('severity', ''):8} {one.name} {one.dependency}".rstrip()
        told.setdefault(f"{key}: {one.status}", []).append(one.received - evidence.story.began)
    for key, times in sorted(told.items()):
        first = ", ".join(f"{time:.0f} s" for time in times[:3])
        console.print(f"notified: {key} at {first}", highlight=False)


def _name(series: Series) -> str:
    return series.labels.get("dependency", "")
