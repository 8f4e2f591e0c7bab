"""The tree that ``make mutation`` works in: sources and tests as they are now, and what mutmut makes of them.

Mutants and the statistics (which test runs which function, and how long it takes) are mutmut's.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.campaigns.mutation_results import Mutant

ROOT = Path(__file__).resolve().parents[2]
#: The tool derives a module's name from its path below ``src``, so it gets a tree that looks like that.
STAGE = ROOT / "build/mutation"
MADE = STAGE / "mutants"
STATISTICS = MADE / "mutmut-stats.json"
#: Of what the mutants in the stage were made; not there while they are being made.
STATE = STAGE / "made-of"
CORE = "src/seawall/resilience"
TESTS = (
    "conftest.py",
    "campaigns/mutation_tests.py",
    "unit/resilience",
    "regressions",
    "composition",
    "properties",
)
#: The runner of the mutants, which the statistics don't depend on.
RUNNER = tuple(f"campaigns/mutation_{part}.py" for part in ("plugin", "work", "children", "order", "results"))
#: The tool makes all mutants and the statistics before it runs any; it is asked for these few.
FEW = "seawall.resilience.priorities.*"
#: A test may fail when it is measured on a busy machine.
TRIES = 2
LEAVE_OUT = shutil.ignore_patterns("__pycache__")


def prepare() -> bool:
    """Has mutants and statistics made, unless they are there; whether they were."""
    STAGE.mkdir(parents=True, exist_ok=True)
    now = _digest()
    there = STATE.exists() and STATE.read_text() == now
    if not there:
        STATE.unlink(missing_ok=True)
        for stale in (STAGE / "src", STAGE / "tests", MADE):
            shutil.rmtree(stale, ignore_errors=True)
        shutil.copytree(ROOT / "exporter/seawall/resilience", STAGE / CORE, ignore=LEAVE_OUT)
        for name in TESTS:
            _copy(name, STAGE / "tests")
        shutil.copy2(ROOT / "pyproject.toml", STAGE)
        _mutmut()
        STATE.write_text(now)
    for name in RUNNER:
        _copy(name, MADE / "tests")
    return there


def _copy(name: str, below: Path) -> None:
    source, target = ROOT / "tests" / name, below / name
    if source.is_dir():
        shutil.copytree(source, target, ignore=LEAVE_OUT)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _digest() -> str:
    """Of everything that mutants and statistics depend on."""
    digest = hashlib.sha256(json.dumps(settings(), sort_keys=True).encode())
    for part in (ROOT / "exporter/seawall/resilience", *(ROOT / "tests" / name for name in TESTS)):
        for path in sorted(part.rglob("*.py")) if part.is_dir() else [part]:
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    return found


def _mutmut() -> None:
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", FEW]
    log = STAGE / "log"
    for _ in range(TRIES):
        with log.open("w") as file:
            done = subprocess.run(command, cwd=STAGE, stdout=file, stderr=file, check=False)
        if not done.returncode:
            return
    print(log.read_text()[-4000:].replace("\r", "\n"))
    sys.exit(f"mutmut ended with {done.returncode}: {log}")


def mutants() -> list[Mutant]:
    found = []
    for path in sorted((MADE / CORE).glob("*.py.meta")):
        made = json.loads(path.read_text())
        for key in made["exit_code_by_key"]:
            function = key.partition("__mutmut_")[0].rpartition(".")[2]
            found.append(Mutant(key, made["hash_by_function_name"][function]))
    return found
