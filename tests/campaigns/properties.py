"""The property machines at length: ``make campaign``. Each against its model, 100,000 steps by default.

Writes ``docs/reference/campaigns/properties.md``: date, command, seed, steps and divergences of each machine.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
REPORT = ROOT / "docs/reference/campaigns/properties.md"
STEPS_EACH = 50
HEAD = (
    "# Property machines at length",
    "",
    "`make campaign ARGS='--steps 100000 --seed 20261123 --write'`: each machine drives a guard, a policy or"
    " a folder of worker files beside its model. With names of machines behind it the command runs these"
    " alone, and the rows of the others stay as they are, each of its own day.",
    "",
    "| machine | date | steps | divergences | seconds |",
    "|---|---|--:|--:|--:|",
)


def machines() -> list[type[RuleBasedStateMachine]]:
    """Every machine of ``tests/properties`` that has a model to differ from."""
    package = ROOT / "tests/properties"
    found: dict[str, type[RuleBasedStateMachine]] = {}
    for module in pkgutil.iter_modules([str(package)]):
        names = vars(importlib.import_module(f"tests.properties.{module.name}"))
        cases = [v for k, v in names.items() if k.startswith("Test")]
        for machine in names.values():
            if any(case is getattr(machine, "TestCase", None) for case in cases):
                found[f"{module.name}.{machine.__name__}"] = machine
    return [found[name] for name in sorted(found)]


def run(machine: type[RuleBasedStateMachine], steps: int, with_seed: int) -> tuple[int, str]:
    """(steps done, what diverged or "")."""
    done = 0

    class Counted(machine):  # type: ignore[valid-type, misc]
        @invariant()
        def count_step(self) -> None:
            nonlocal done
            done += 1

    Counted.__name__ = machine.__name__
    at_length = settings(
        max_examples=steps,
        stateful_step_count=STEPS_EACH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    while done < steps:
        enough = settings(at_length, max_examples=max(1, (steps - done) // (2 * STEPS_EACH)))
        try:
            seeded = seed(with_seed + done)(Counted)
            run_state_machine_as_test(seeded, settings=enough)
        except Exception as error:
            return done, f"{type(error).__name__}: {error}".partition("\n")[0][:120]
    return done, ""


def _kept() -> tuple[dict[str, str], list[str]]:
    """Rows and notes of the report as it is now: others may have written to it meanwhile."""
    lines = REPORT.read_text().splitlines() if REPORT.exists() else []
    rows = [line for line in lines if "Machine |" in line]
    notes = lines[lines.index(rows[-1]) + 1 :] if rows else []
    return {line.split("|")[1].strip(): line for line in rows}, notes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("machines", nargs="*", help="some of them; the report keeps the rows of the others")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--write", action="store_true", help=f"keep the report in {REPORT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    known, rows, diverged = machines(), dict[str, str](), 0
    names = [machine.__name__ for machine in known]
    if unknown := sorted({*arguments.machines} - {*names}):
        parser.error(f"no such machine: {', '.join(unknown)}; allowed: {', '.join(names)}")
    for machine in known:
        if arguments.machines and machine.__name__ not in arguments.machines:
            continue
        began = time.perf_counter()
        done, what = run(machine, arguments.steps, arguments.seed)
        diverged += bool(what)
        seconds = time.perf_counter() - began
        cells = (machine.__name__, f"{datetime.now(UTC):%Y-%m-%d}", f"{done:,}", what or 0, f"{seconds:.0f}")
        rows[machine.__name__] = f"| {' | '.join(map(str, cells))} |"
        print(rows[machine.__name__], flush=True)
    if arguments.write:
        kept, notes = _kept()
        kept |= rows
        lines = [*HEAD, *(kept[machine.__name__] for machine in known if machine.__name__ in kept), *notes]
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text("\n".join(lines).rstrip() + "\n")
    return 1 if diverged else 0


if __name__ == "__main__":
    sys.exit(main())
