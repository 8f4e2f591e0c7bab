"""A million keys through one family: ``python tests/campaigns/keys.py``. What memory grows by, and the time.

Keys come with requests, so whoever sends requests chooses them. Three times: with time between them, so
that each gets a guard of its own and another makes room; all at once, so that most are served by
``partner/other``; and the first again in one of several processes, whose guards count in a file.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from seawall.resilience import Breaker, Bulkhead, Guard, Registry, Retry
from seawall.telemetry.processes import Sharing
from seawall.testing import ManualClock

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs/reference/campaigns/keys.md"
MOST = 100
ALLOWED = 50.0


def resident() -> float:
    """MiB of this process in memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kib = next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]
    return int(kib) / 1024


def run(keys: int, seconds_between: float, folder: str = "") -> tuple[float, float, int, int, float]:
    """(MiB grown at most, seconds, members that have gone, look-ups served by the other, MiB of the file)."""
    clock = ManualClock()
    registry = Registry("campaign")
    family = registry.family(
        "partner",
        most=MOST,
        clock=clock,
        sleep=clock.sleep,
        breaker=Breaker(),
        retry=Retry(),
        bulkhead=Bulkhead(limit=10),
    )
    went = 0.0

    def goes(guard: Guard) -> None:
        nonlocal went
        went += guard.ledger.slots[guard.ledger.layout.at("calls", "default", "success")]
        went += guard.accounts.lane_successes()

    registry.left.add(goes)
    sharing = Sharing(registry, folder) if folder else None
    if sharing is not None:
        sharing.start()
    for key in range(2 * MOST):
        family[f"warm-{key}"].call(str)
    gc.collect()
    before, most, began = resident(), 0.0, time.perf_counter()
    for key in range(keys):
        clock.advance(seconds_between)
        family[f"tenant-{key}"].call(str)
        if key % 1000 == 0:
            most = max(most, resident() - before)
    took = time.perf_counter() - began
    other = family["other"]
    layout = other.ledger.layout
    calls = went + sum(guard.read()[layout.at("calls", "default", "success")] for guard in registry)
    assert folder or calls == keys + 2 * MOST, f"{calls} calls are counted of {keys + 2 * MOST}"
    assert len(family) == MOST
    on_disk = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20 if folder else 0.0
    if sharing is not None:
        sharing.stop()
    return max(most, resident() - before), took, family.evicted, family.overflowed["full"], on_disk


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--evicting", type=int, help="those with time between them; else as many")
    parser.add_argument("--write", action="store_true", help=f"keep the report in {REPORT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    rows, worst = [], 0.0
    evicting = arguments.evicting or arguments.keys
    with tempfile.TemporaryDirectory() as folder:
        for what, keys, seconds, shared in (
            ("one every 10 s", evicting, 10.0, ""),
            ("all at once", arguments.keys, 0.0, ""),
            ("one every 10 s, counted in a file", evicting, 10.0, folder),
        ):
            grown, took, gone, other, disk = run(keys, seconds, shared)
            worst = max(worst, grown)
            micros = 1e6 * took / keys
            rows.append(
                f"| {what} | {keys:,} | {grown:.1f} | {gone:,} | {other:,} | {micros:.0f} | {disk:.1f} |"
            )
            print(rows[-1], flush=True)
    report = "\n".join(
        [
            "# Many keys",
            "",
            f"`python tests/campaigns/keys.py --keys {arguments.keys} --evicting {evicting} --write`,"
            f" {datetime.now(UTC):%Y-%m-%d}: distinct keys through a family of at most {MOST} members"
            f" (breaker, retry, bulkhead), one call each. Allowed: {ALLOWED:.0f} MiB. All calls are counted"
            " in the end; the file, of one process of several, says nothing of members that have gone.",
            "",
            "| keys come | keys | MiB grown at most | members gone | served by the other | µs a key"
            " | MiB of file |",
            "|---|--:|--:|--:|--:|--:|--:|",
            *rows,
            "",
        ]
    )
    if arguments.write:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(report, encoding="utf-8")
    return int(worst >= ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
