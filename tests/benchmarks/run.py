"""Every row of the speed table, beside the peers in one process: ``make bench``.

Ratios of one run are what counts; nanoseconds differ by machine. ``--write FILE`` keeps the table. The last
row starts servers, for about a minute; ``--only notification`` runs it alone, ``--only calls`` all others.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import prometheus_client

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy"))

from tests.benchmarks import measure, notified, processes, scraping, subjects
from tests.benchmarks.rows import Row

PEERS = (
    "pybreaker",
    "circuitbreaker",
    "pyresilience",
    "nopanic",
    "stamina",
    "prometheus-client",
    "opentelemetry-sdk",
)


#: Parts that can be run alone: what calls cost, in one process, and what servers are started for.
PARTS = ("calls", "notification")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="keep the table in this file")
    parser.add_argument("--only", choices=PARTS, help="leave the other rows out")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("--write wants all rows")
    parts = (arguments.only,) if arguments.only else PARTS
    ns: dict[str, float] = {}
    rows: list[Row] = []
    notes: list[str] = []
    if "calls" in parts:
        with subjects.unsampled():
            ns = measure.calls({name: build() for name, build in subjects.SYNC.items()})
        asynchronous = measure.awaits({name: build() for name, build in subjects.ASYNC.items()})
        rows += _ratios(ns, asynchronous)
        ns |= asynchronous
    if "notification" in parts:
        row, notes = notified.row()
        rows.append(row)
    report = _report(ns, rows, notes)
    print(report)
    if arguments.write:
        arguments.write.write_text(report + "\n")
    return 0 if all(row.holds for row in rows) else 1


def _ratios(ns: dict[str, float], a: dict[str, float]) -> list[Row]:
    changed, unchanged = scraping.ratios()
    workers, idle_workers, shared = processes.ratios()
    tracing = (ns["seawall breaker, tracer on"] - ns["seawall breaker"]) / ns["OpenTelemetry API-only span"]
    return [
        Row("instrumented breaker / bare pybreaker", ns["seawall breaker"] / ns["pybreaker"], 0.30, 0.15),
        Row(
            "instrumented breaker / pybreaker with prometheus_client inc + observe",
            ns["seawall breaker"] / ns["pybreaker + prometheus_client"],
            0.15,
            0.07,
        ),
        Row(
            "full pipeline / pyresilience's, window 100, no metrics",
            ns["seawall pipeline"] / ns["pyresilience pipeline"],
            0.10,
            0.05,
        ),
        Row(
            "full async pipeline with timeouts / pyresilience's, no metrics",
            a["seawall async pipeline"] / a["pyresilience async pipeline"],
            0.12,
            0.05,
        ),
        Row(
            "full pipeline / nopanic's, no metrics",
            ns["seawall pipeline"] / ns["nopanic pipeline"],
            0.15,
            0.08,
        ),
        Row(
            "full async pipeline with timeouts / nopanic's, no metrics",
            a["seawall async pipeline"] / a["nopanic async pipeline"],
            0.20,
            0.10,
        ),
        Row("retry decorator / stamina's", ns["seawall retry"] / ns["stamina retry"], 0.05, 0.016),
        Row(
            "open rejection / pybreaker's",
            ns["seawall open rejection"] / ns["pybreaker open rejection"],
            0.25,
            0.12,
        ),
        Row("added by tracing under an unsampled parent / one API-only span", tracing, 0.08, 0.04),
        Row("scrape of 10,000 lines / generate_latest of the same", changed, 0.04, 0.02),
        Row("the same, no guard called since", unchanged, 0.01, 0.005),
        Row("128 workers x 1,000 series / MultiProcessCollector", idle_workers, 0.03, 0.012),
        Row("the same, every guard of every worker called since", workers, 0.04, 0.02),
        Row("call with shared ledgers / prometheus_client multiprocess inc + observe", shared, 0.20, 0.12),
        Row("8 threads on one guard / 1 thread, no-op body", _threads(), 0.85, 0.95, at_least=True),
        Row("memory of a guard / equivalent prometheus_client children", _memory(), 0.30, 0.12),
        Row("call cost with 10,000 guards / with 1", _growth(), 1.1, 1.0),
    ]


def _threads() -> float:
    call = subjects.guard(breaker=subjects.Breaker())(subjects.body)
    n = 200_000
    return measure.best_ratio(lambda: measure.threaded(call, 1, n), lambda: measure.threaded(call, 8, n))


def _memory() -> float:
    """Bytes of 200 guards against the counter and histogram children that hold the same series."""
    count = 200
    guards: list[Any] = []
    guard_bytes = _allocated(lambda: guards.extend(subjects.full() for _ in range(count)))
    entries = guards[0].ledger.layout.entries
    histograms = [e for e in entries if e.field.kind == "histogram"]
    registry = prometheus_client.CollectorRegistry()
    counter = prometheus_client.Counter("c", "c", ["dependency", "series"], registry=registry)
    histogram = prometheus_client.Histogram("h", "h", ["dependency", "series"], registry=registry)

    def children() -> None:
        for i in range(count):
            for k in range(len(entries) - len(histograms)):
                counter.labels(f"guard-{i}", str(k))
            for k in range(len(histograms)):
                histogram.labels(f"guard-{i}", str(k))

    return guard_bytes / _allocated(children)


def _allocated(work: Callable[[], None]) -> int:
    gc.collect()
    tracemalloc.start()
    work()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size


def _growth() -> float:
    call = subjects.guard(breaker=subjects.Breaker())(subjects.body)
    alone = _cost(call)
    others = [subjects.guard(breaker=subjects.Breaker())(subjects.body) for _ in range(10_000)]
    among = _cost(call)
    assert others
    return among / alone


def _cost(call: subjects.Call) -> float:
    times = []
    for _ in range(60):
        began = time.thread_time()
        for i in range(5_000):
            call(i)
        times.append(time.thread_time() - began)
    return min(times)


def _report(ns: dict[str, float], rows: list[Row], notes: list[str]) -> str:
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    lines = [
        "# Benchmarks",
        "",
        f"Made by `make bench ARGS='--write docs/reference/benchmarks.md'` on {made}:"
        f" {platform.python_implementation()} {platform.python_version()}, {platform.machine()}; CPU time,"
        f" medians of {measure.ROUNDS} rounds shuffled over all subjects. Only ratios of one run count."
        " Ours runs with all metrics on, the peers bare. Figures without a unit are ratios.",
        "",
        "Peers: " + ", ".join(f"{peer} {version(peer)}" for peer in PEERS) + ".",
        "",
        "| what | figure | gate | aim | |",
        "|---|--:|--:|--:|---|",
    ]
    lines += [row.line for row in rows]
    for note in notes:
        lines += ["", note]
    if ns:
        lines += ["", "| subject | ns a call |", "|---|--:|"]
        lines += [
            f"| {name} | {value:,.0f} |" for name, value in sorted(ns.items(), key=lambda item: item[1])
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
