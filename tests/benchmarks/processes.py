"""Several processes, beside prometheus_client's multiprocess mode: run as a program of its own, because that
mode is chosen by the environment before the first import. Prints three ratios as JSON.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKERS, SERIES = 128, 1_000
ROUNDS = 15


def ratios() -> tuple[float, float, float]:
    """(page of 128 workers x 1,000 series / MultiProcessCollector's when each guard of each worker was called
    since the last, the same when none was, call with shared ledgers / its inc and observe)."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": folder, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, __file__], env=environment, check=True, capture_output=True, text=True
        )
    changed, unchanged, call = json.loads(done.stdout)
    return changed, unchanged, call


def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps([*_page(Path(folder) / "page"), _call(Path(folder) / "call")]))


def _page(folder: Path) -> tuple[float, float]:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    from seawall.resilience import Registry
    from seawall.telemetry.page import MetricsPage
    from seawall.telemetry.processes import ProcessSource

    theirs = CollectorRegistry()
    MultiProcessCollector(theirs, path=_their_files())
    alive = subprocess.Popen(
        [sys.executable, "-c", "from tests.benchmarks.processes import live; live()", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert alive.stdin is not None
    assert alive.stdout is not None
    alive.stdout.readline()
    page = MetricsPage(ProcessSource(folder, Registry("bench")))
    lines = page.text().count(b"\n")
    assert lines >= SERIES
    assert b'state="closed"} 128' in page.text()
    changed, unchanged, whole = [], [], []
    gc.disable()
    for _ in range(ROUNDS):
        whole.append(_seconds(lambda: generate_latest(theirs)))
        alive.stdin.write(b"\n")
        alive.stdin.flush()
        alive.stdout.readline()
        changed.append(_seconds(page.text))
        unchanged.append(_seconds(page.text))
    gc.enable()
    alive.stdin.close()
    alive.wait()
    theirs_took = statistics.median(whole)
    return statistics.median(changed) / theirs_took, statistics.median(unchanged) / theirs_took


def live() -> None:
    """Hold the segments of 128 workers, as 128 processes would; each line of standard input is a round of
    calls, its end theirs.
    """
    from seawall.resilience import Breaker, Registry, Retry
    from seawall.telemetry.processes import Sharing, folder

    sharing, everybody = [], []
    for _ in range(WORKERS):
        registry = Registry("bench")
        guards = []
        lines = 0
        while lines < SERIES:
            guards.append(registry.guard(f"guard-{len(guards)}", breaker=Breaker(), retry=Retry()))
            entries = guards[-1].ledger.layout.entries
            lines += sum(e.size for e in entries if e.field.name != "errors")
        sharing.append(Sharing(registry, sys.argv[1]))
        sharing[-1].start()
        everybody += guards
    for guard in everybody:
        guard.call(int, 1)
    folder.folder_of(sys.argv[1]).own.clear()
    print("ready", flush=True)
    while sys.stdin.readline():
        for guard in everybody:
            guard.call(int, 1)
        print("called", flush=True)
    os._exit(0)


def _their_files() -> str:
    from prometheus_client.mmap_dict import MmapedDict, mmap_key

    path = tempfile.mkdtemp(dir=os.environ["PROMETHEUS_MULTIPROC_DIR"])
    for worker in range(WORKERS):
        values = MmapedDict(f"{path}/counter_{worker}.db")
        for i in range(SERIES):
            key = mmap_key(
                "calls", "calls_total", ["dependency", "outcome"], [f"g{i // 6}", str(i % 6)], "help"
            )
            values.write_value(key, 1.0, 0.0)
        values.close()
    return path


def _call(folder: Path) -> float:
    from prometheus_client import Counter, Histogram

    from seawall.resilience import Breaker, Registry
    from seawall.telemetry.processes import Sharing

    registry = Registry("bench")
    guarded = registry.guard("guard", breaker=Breaker())(_body)
    sharing = Sharing(registry, folder)
    sharing.start()
    sharing.stop()
    counter = Counter("calls", "help", ["dependency"]).labels("guard")
    histogram = Histogram("seconds", "help", ["dependency"]).labels("guard")

    def theirs(x: int) -> None:
        counter.inc()
        histogram.observe(0.0004)

    ours, other = [], []
    gc.disable()
    for _ in range(ROUNDS * 2):
        other.append(_seconds(lambda: _repeat(theirs)))
        ours.append(_seconds(lambda: _repeat(guarded)))
    gc.enable()
    return statistics.median(ours) / statistics.median(other)


def _body(x: int) -> int:
    return x


def _repeat(call: Callable[[int], object]) -> None:
    for i in range(5_000):
        call(i)


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


if __name__ == "__main__":
    _main()
