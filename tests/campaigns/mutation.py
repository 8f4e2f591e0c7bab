"""Mutants of the core: ``make mutation``. Every function of ``resilience`` changed in one place at a time.

A mutant that all tests pass with has either no effect, with the reason in ``equivalent.toml``, or shows what
no test asks for. Settings of the tool are ``[tool.mutmut]`` in ``pyproject.toml``. ARGS: names of modules, to
run these again and keep the other results; ``--survivors``, to run what is not killed yet; ``--write``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter, defaultdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs/reference/campaigns/mutation.md"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
#: The tool derives a module's name from its path below ``src``, so it gets a tree that looks like that.
STAGE = ROOT / "build/mutation"
CORE = "src/seawall/resilience"
TESTS = (
    "conftest.py",
    "campaigns/quick_first.py",
    "unit/resilience",
    "regressions",
    "composition",
    "properties",
)
ENOUGH = 0.95
LEAVE_OUT = shutil.ignore_patterns("__pycache__")
#: What the tool says of a mutant. An interrupt that leaves the guard ends pytest: that is noticed, too.
KILLED, TIMEOUT = ("killed", "segfault", "check was interrupted by user"), ("timeout",)


class Survivor(NamedTuple):
    where: str
    line: int
    change: str

    @property
    def module(self) -> str:
        return self.where.partition(".")[0]


def stage(afresh: bool) -> None:
    """Sources and tests as they are now; results of earlier runs stay unless ``afresh``."""
    for stale in [STAGE] if afresh else [STAGE / "src", STAGE / "tests", STAGE / "mutants/tests"]:
        shutil.rmtree(stale, ignore_errors=True)
    shutil.copytree(ROOT / "exporter/seawall/resilience", STAGE / CORE, ignore=LEAVE_OUT)
    for name in TESTS:
        source, target = ROOT / "tests" / name, STAGE / "tests" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEAVE_OUT)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    shutil.copy2(ROOT / "pyproject.toml", STAGE)


def run(mutants: list[str], processes: int) -> None:
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(processes), *mutants]
    with (STAGE / "log").open("w") as log:
        done = subprocess.run(command, cwd=STAGE, stdout=log, stderr=log, check=False)
    if done.returncode:
        print((STAGE / "log").read_text()[-4000:].replace("\r", "\n"))
        sys.exit(f"mutmut ended with {done.returncode}: {STAGE / 'log'}")


def results() -> dict[str, dict[str, str]]:
    """By module: what became of each mutant."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code

    found = {}
    for source in sorted(Path(CORE).glob("*.py")):
        data = SourceFileMutationData(path=source)
        data.load()
        if data.exit_code_by_key:
            codes = data.exit_code_by_key.items()
            found[source.stem] = {key: status_by_exit_code[code] for key, code in codes}
    return found


def survivor(module: str, key: str) -> Survivor:
    from mutmut.mutation.diff_apply import read_functions_from_index
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    source = f"{CORE}/{module}.py"
    pair = read_functions_from_index(key, source)
    assert pair is not None, key
    before, after = (code.split("\n") for code in (_code(function) for function in pair))
    first = next(i for i, (old, new) in enumerate(zip(before, after, strict=False)) if old != new)
    tail = 0
    while before[-1 - tail] == after[-1 - tail] and tail < min(len(before), len(after)) - first - 1:
        tail += 1
    old, new = (" ".join(x.strip() for x in code[first : len(code) - tail]) for code in (before, after))
    name, of = orig_function_and_class_names_from_key(key)
    return Survivor(
        ".".join(filter(None, (module, of, name))), _line(source, of, name) + first, f"{old} -> {new}"
    )


def _code(function: object) -> str:
    import libcst

    assert isinstance(function, libcst.FunctionDef)
    return libcst.Module([function.with_changes(leading_lines=[])]).code.strip()


def _line(source: str, of: str | None, name: str) -> int:
    """Where the function begins: the last of this name, after its overloads."""
    import ast

    body: list[ast.stmt] = ast.parse(Path(source).read_text()).body
    if of is not None:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == of)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    node = [node for node in body if isinstance(node, functions) and node.name == name][-1]
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def reasons() -> dict[tuple[str, str], str]:
    known = tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    return {(entry["in"], change): entry["because"] for entry in known for change in entry["changes"]}


def report(found: dict[str, dict[str, str]], survivors: list[Survivor], command: str) -> tuple[str, bool]:
    known = reasons()
    rows, total = [], Counter[str]()
    ran = {module: fates for module, fates in found.items() if {*map(_fate, fates.values())} != {"open"}}
    for module, fates in ran.items():
        counts = Counter(_fate(status) for status in fates.values())
        counts["all"], total["all"] = len(fates), total["all"] + len(fates)
        counts["same"] = sum(s.module == module and (s.where, s.change) in known for s in survivors)
        total.update({fate: counts[fate] for fate in ("killed", "timeout", "survived", "same", "open")})
        rows.append(_row(module, counts))
    unexplained = [s for s in survivors if (s.where, s.change) not in known]
    lines = [
        "# Mutants of the core",
        "",
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, mutmut {version('mutmut')}: every function of"
        " `exporter/seawall/resilience` changed in one place at a time, and the tests of the core run against"
        " the change. The tool leaves decorated functions (properties, context managers), defaults of"
        " settings and constants of modules alone. A time-out is a change that was noticed.",
        "",
        "| module | mutants | not run | killed | timeout | survived | of these equivalent | score |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *rows,
        _row("**all**", total),
        "",
    ]
    if left := [f"{module} ({len(fates)})" for module, fates in found.items() if module not in ran]:
        lines += [f"Not run this time, with their mutants: {', '.join(left)}.", ""]
    if unexplained:
        lines += ["## Survivors that a test should kill", "", *map(_item, unexplained), ""]
    lines += ["## Survivors without effect", ""]
    by_reason = defaultdict(list)
    for one in survivors:
        if (one.where, one.change) in known:
            by_reason[known[one.where, one.change]].append(one)
    for reason, those in by_reason.items():
        lines += [f"{reason}", "", *map(_item, those), ""]
    good = _score(total) >= ENOUGH and not unexplained and not total["open"] and not left
    return "\n".join(lines), good


def _fate(status: str) -> str:
    if status in KILLED:
        return "killed"
    if status in TIMEOUT:
        return "timeout"
    return "open" if status == "not checked" else "survived"


def _score(counts: Counter[str]) -> float:
    return (counts["killed"] + counts["timeout"]) / max(1, counts["all"] - counts["open"])


def _row(name: str, counts: Counter[str]) -> str:
    numbers = (f"{counts[fate]:,}" for fate in ("all", "open", "killed", "timeout", "survived", "same"))
    return f"| {name} | {' | '.join(numbers)} | {_score(counts):.1%} |"


def _item(one: Survivor) -> str:
    return f"- `{one.module}.py:{one.line}` in `{one.where.partition('.')[2]}`: `` {one.change} ``"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="only these, after a whole run")
    parser.add_argument(
        "--survivors", action="store_true", help="run only what survived, or has not been run"
    )
    parser.add_argument("--report", action="store_true", help="run nothing: the report of what is there")
    parser.add_argument("--write", action="store_true", help=f"keep the report in {REPORT.relative_to(ROOT)}")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    os.nice(19)
    began = time.perf_counter()
    if not arguments.report:
        stage(afresh=not arguments.modules and not arguments.survivors)
        again = [f"seawall.resilience.{module}.*" for module in arguments.modules]
        if arguments.survivors:
            os.chdir(STAGE)
            chosen = [fates for name, fates in results().items() if name in arguments.modules or not again]
            left = ("survived", "open")
            again = [key for fates in chosen for key, status in fates.items() if _fate(status) in left]
        run(again, arguments.processes)
    os.chdir(STAGE)
    found = results()
    survivors = [
        survivor(module, key)
        for module, fates in found.items()
        for key, status in fates.items()
        if _fate(status) == "survived"
    ]
    command = f"make mutation ARGS='{' '.join(sys.argv[1:])}'" if sys.argv[1:] else "make mutation"
    text, good = report(found, survivors, command)
    print(text)
    for where, change in sorted(reasons().keys() - {(s.where, s.change) for s in survivors}):
        fates = {*map(_fate, found.get(where.partition(".")[0], {}).values())}
        if "open" not in fates:
            print(f"{EQUIVALENT.name}: no survivor any more: {where}: {change}")
    print(f"{time.perf_counter() - began:.0f} s")
    if arguments.write:
        REPORT.write_text(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
