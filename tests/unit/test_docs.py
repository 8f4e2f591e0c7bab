"""What the documentation shows is what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seawall import testing
from seawall.resilience import Breaker, ConfigurationError, lint

EXPOSE = "docs/how-to/expose-safely.md"
PROCESSES = "docs/how-to/several-processes.md"
TESTING = "docs/how-to/test-your-guards.md"
COMPOSITION = "docs/explanation/composition.md"
COPIES = "docs/explanation/hedging-and-coalescing.md"
PUSH = "docs/how-to/push-telemetry.md"
TIMEOUTS = "docs/explanation/timeouts.md"
PAGES = (
    "README.md", "docs/tutorial.md", "docs/explanation/callables.md", COMPOSITION, COPIES, TESTING, TIMEOUTS,
    PROCESSES, EXPOSE, PUSH,
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
EVERY = sorted(str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))


def blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", EVERY)
def test_python_examples_compile(root: Path, page: str) -> None:
    found = blocks(root / page)
    assert found or page not in PAGES
    for source in found:
        compile(source, page, "exec")


def test_the_readmes_first_guard_runs(root: Path) -> None:
    source = blocks(root / "README.md")[0]
    assert "ExporterSettings()" in source
    # Any free port: the documented one may be in use here.
    free = source.replace("ExporterSettings()", "ExporterSettings(port=0)")
    done = subprocess.run(
        [sys.executable, "-c", free], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_how_tos_examples_are_tests_that_pass(root: Path) -> None:
    found = blocks(root / TESTING)
    for source in found:
        names: dict[str, Any] = {}
        exec(source, names)
        tests = [value for name, value in names.items() if name.startswith("test_")]
        assert len(tests) == 1
        tests[0]()
    told = "\n".join(found)
    assert [name for name in testing.__all__ if name not in told] == ["Faults"]


def test_the_tutorials_guards_can_be_built(root: Path) -> None:
    names: dict[str, object] = {}
    exec(blocks(root / "docs/tutorial.md")[0], names)
    assert names["bank"]


def test_the_tutorials_error_is_the_real_one(root: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Breaker(failure_ratio=1.5, minimum_calls=80, window_calls=50)
    assert str(caught.value) in (root / "docs/tutorial.md").read_text(encoding="utf-8")


def test_what_is_said_of_hedges_and_shared_calls_is_so(root: Path) -> None:
    for source in blocks(root / COPIES):
        exec(compile(source, COPIES, "exec"), {"__name__": "example"})


def test_what_is_said_of_callables_is_so(root: Path) -> None:
    for source in blocks(root / "docs/explanation/callables.md"):
        done = subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "print" not in source or "balance handed back an awaitable" in done.stdout


def test_what_is_said_of_composition_is_so(root: Path) -> None:
    page = root / COMPOSITION
    for source in blocks(page):
        done = subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
    rules = {rule.check.__name__ for rule in lint.RULES} | {check.__name__ for check in lint.ACROSS}
    table = page.read_text(encoding="utf-8").partition("| looked at |")[2]
    named = " ".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", named)) == rules


def test_what_is_said_of_timeouts_is_so(root: Path) -> None:
    text = (root / TIMEOUTS).read_text(encoding="utf-8")
    shown = ["", *re.findall(r"\n\n```\n(.*?)```", text, re.DOTALL), ""]
    for source, output in zip(blocks(root / TIMEOUTS), shown, strict=True):
        done = subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, output, "")


@pytest.mark.parametrize("page", EVERY)
def test_links_lead_somewhere(root: Path, page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert ((root / page).parent / target).exists(), target
