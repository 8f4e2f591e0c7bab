"""Mutants of the core: ``make mutation``. Every function of ``resilience`` changed in one place at a time.

A mutant that all tests pass with has either no effect, with the reason in ``equivalent.toml``, or shows what
no test asks for. mutmut makes them and measures which test runs which function; ``mutation_plugin.py`` runs
them. Settings are ``[tool.mutmut]`` in ``pyproject.toml``. A run that was interrupted goes on where it was,
unless sources or tests have changed since. ARGS: names of modules, to run these again and keep the other
results; ``--survivors``, to run what is not noticed yet; ``--write``.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.campaigns import mutation_stage as stage
from tests.campaigns.mutation_report import Counts, counts, missing, report
from tests.campaigns.mutation_results import Fate, Mutant, Result, Run, add, results, runs
from tests.campaigns.mutation_survivors import EQUIVALENT, explained, survivor
from tests.campaigns.mutation_work import Work

REPORT = stage.ROOT / "docs/reference/campaigns/mutation.md"
RESULTS = stage.STAGE / "results.jsonl"
RUNS = stage.STAGE / "runs.jsonl"
WORK = stage.STAGE / "work.json"
UNCHANGED = stage.STAGE / "unchanged.log"


def main() -> int:
    # Who is told to end takes the tests along: it is an exception here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    arguments = parse()
    if not arguments.report:
        run(arguments)
    if not RUNS.exists():
        sys.exit("nothing has been run")
    mutants = stage.mutants()
    known = results(RESULTS, mutants)
    # The tool looks for its files below the current folder.
    os.chdir(stage.STAGE)
    lived = [mutant for mutant in mutants if mutant.key in known and known[mutant.key].fate == Fate.SURVIVED]
    found = explained(survivor(stage.CORE, mutant) for mutant in lived)
    equivalent = [one for survivors in found.by_reason.values() for one in survivors]
    by_module = counts(mutants, known, equivalent)
    text = report(runs(RUNS), known, by_module, found)
    print(text)
    for where, change in found.stale:
        if not by_module.get(where.partition(".")[0], Counts())[Fate.OPEN]:
            print(f"{EQUIVALENT.name}: not among the survivors: {where}: {change}")
    if arguments.write:
        REPORT.write_text(text)
    lacks = missing(by_module, found)
    print(*lacks, sep="\n")
    return 1 if lacks else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="only these, the other results are kept")
    parser.add_argument("--survivors", action="store_true", help="only what survived, or has not been run")
    parser.add_argument("--report", action="store_true", help="run nothing: the report of what is there")
    parser.add_argument(
        "--write", action="store_true", help="keep it in docs/reference/campaigns/mutation.md"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> None:
    began, clock = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}", time.perf_counter()
    print(f"mutants and statistics of {stage.STAGE} ...", flush=True)
    same = stage.prepare()
    mutants = stage.mutants()
    known = results(RESULTS, mutants)
    chosen = choose(arguments, mutants, known)
    if not arguments.modules and not arguments.survivors:
        if same and 0 < len(known) < len(mutants):
            print(f"{len(known):,} are known from a run that was interrupted")
            chosen = [mutant for mutant in chosen if mutant.key not in known]
        else:
            RESULTS.unlink(missing_ok=True)
            RUNS.unlink(missing_ok=True)
    this = Run(began, " ".join(sys.argv[1:]), commit(), len(chosen))
    add(RUNS, this)
    try:
        fork(chosen, arguments.processes, this.commit)
    finally:
        add(RUNS, this._replace(seconds=round(time.perf_counter() - clock)))


def choose(
    arguments: argparse.Namespace, mutants: Sequence[Mutant], known: Mapping[str, Result]
) -> list[Mutant]:
    if unknown := {*arguments.modules} - {mutant.module for mutant in mutants}:
        sys.exit(f"no mutants of {', '.join(sorted(unknown))}")
    noticed = (Fate.KILLED, Fate.TIMEOUT)
    return [
        mutant
        for mutant in mutants
        if (not arguments.modules or mutant.module in arguments.modules)
        and not (arguments.survivors and mutant.key in known and known[mutant.key].fate in noticed)
    ]


def fork(mutants: list[Mutant], processes: int, at: str) -> None:
    """One pytest that collects the tests and forks for each."""
    if not mutants:
        return
    Work(mutants, at, str(RESULTS), str(stage.STATISTICS), str(UNCHANGED), processes).write(WORK)
    own = stage.settings()
    command = [sys.executable, "-m", "pytest", "--rootdir=.", "-qq", "--no-header", "--no-summary"]
    # Nobody reads why a test fails: plain assertions, no tracebacks, and output goes where the child's goes.
    command += ["--assert=plain", "--tb=no", "--capture=no"]
    command += ["-p", "tests.campaigns.mutation_plugin", "--mutants", str(WORK)]
    command += [*own["pytest_add_cli_args"], *own["pytest_add_cli_args_test_selection"]]
    environment = {**os.environ, "PYTHONPATH": "src", "MUTANT_UNDER_TEST": ""}
    done = subprocess.run(command, cwd=stage.MADE, env=environment, check=False)
    if done.returncode:
        sys.exit(f"the tests ended with {done.returncode}")


def commit() -> str:
    """Of the checkout, with a plus when something is not in it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=stage.ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "exporter/seawall/resilience", "tests", "pyproject.toml")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


if __name__ == "__main__":
    sys.exit(main())
