"""The types of guarded callables, by mypy and by pyright: tests/typing/api.py is checked, never run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.node_packages import installed

API = "tests/typing/api.py"
IGNORE = re.compile(r"  # type: ignore\[[a-z-]+\]$", re.MULTILINE)
#: Lines with an error, and all that was said.
Found = tuple[set[int], str]


def mypy(root: Path, file: Path) -> Found:
    # The functions of the file have no bodies: they are never run.
    command = [sys.executable, "-m", "mypy", "--disable-error-code", "empty-body", str(file)]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return {int(line) for line in re.findall(r"\.py:(\d+): error", run.stdout)}, run.stdout


def pyright(root: Path, file: Path) -> Found:
    home = root / "tests/typing"
    package = installed(home, "pyright", "by pyright")
    project = file.parent / "pyrightconfig.json"
    if file.parent != home:
        settings = json.loads((home / "pyrightconfig.json").read_text(encoding="utf-8"))
        project.write_text(json.dumps(settings), encoding="utf-8")
    command = [
        "node",
        str(package / "index.js"),
        "--project",
        str(project),
        "--pythonpath",
        sys.executable,
        "--outputjson",
    ]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    said = json.loads(run.stdout)["generalDiagnostics"]
    return {one["range"]["start"]["line"] + 1 for one in said if one["severity"] == "error"}, run.stdout


CHECKERS = pytest.mark.parametrize("check", [mypy, pyright])


@CHECKERS
def test_the_api_has_the_types_it_says(root: Path, check: Callable[[Path, Path], Found]) -> None:
    lines, said = check(root, root / API)
    assert lines == set(), said


@CHECKERS
def test_every_wrong_use_is_an_error(
    root: Path, tmp_path: Path, check: Callable[[Path, Path], Found]
) -> None:
    """Without its ignore comments the file has an error on each line that had one, and on no other."""
    source = (root / API).read_text(encoding="utf-8")
    wrong = {n for n, line in enumerate(source.splitlines(), 1) if IGNORE.search(line)}
    assert len(wrong) > 15
    (tmp_path / "api.py").write_text(IGNORE.sub("", source), encoding="utf-8")
    lines, said = check(root, tmp_path / "api.py")
    assert lines == wrong, said
