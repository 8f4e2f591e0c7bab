"""A million keys through one family: ``python tests/campaigns/keys.py``. What memory grows by, and the time.

Keys come with requests, so whoever sends requests chooses them. Twice: with time between them, so that each
gets a guard of its own and another makes room; and all at once, so that most are served by ``partner/other``.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from seawall.resilience import Breaker, Bulkhead, Guard, Registry, Retry
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


def run(keys: int, seconds_between: float) -> tuple[float, float, int, int]:
    """(MiB grown at most, seconds, members that have gone, look-ups served by the other)."""
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
    assert calls == keys + 2 * MOST, f"{calls} calls are counted of {keys + 2 * MOST}"
    assert len(family) == MOST
    return max(most, resident() - before), took, family.evicted, family.overflowed["full"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--evicting", type=int, help="those with time between them; else as many")
    parser.add_argument("--write", action="store_true", help=f"keep the report in {REPORT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    rows, worst = [], 0.0
    evicting = arguments.evicting or arguments.keys
    for what, keys, seconds in (("one every 10 s", evicting, 10.0), ("all at once", arguments.keys, 0.0)):
        grown, took, gone, other = run(keys, seconds)
        worst = max(worst, grown)
        micros = 1e6 * took / keys
        rows.append(f"| {what} | {keys:,} | {grown:.1f} | {gone:,} | {other:,} | {micros:.0f} |")
        print(rows[-1], flush=True)
    report = "\n".join(
        [
            "# Many keys",
            "",
            f"`python tests/campaigns/keys.py --keys {arguments.keys} --evicting {evicting} --write`,"
            f" {datetime.now(UTC):%Y-%m-%d}: distinct keys through a family of at most {MOST} members"
            f" (breaker, retry, bulkhead), one call each. Allowed: {ALLOWED:.0f} MiB. All calls are counted"
            " in the end.",
            "",
            "| keys come | keys | MiB grown at most | members gone | served by the other | µs a key |",
            "|---|--:|--:|--:|--:|--:|",
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
