"""Each report of others' faults, and each fault that was measured, has a test here that bears its name."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

REPORTS = """
resilience4j 343 544 903 935 1020 1432 1597
polly 216 217 218
opossum 276
monix 1080
envoy 8259 27066 42133
vector 21340
failsafe_go 136
pybreaker 3 7 24 28
tenacity 186 529
limits 14
cpython 90155
client_python 363 367 604 898 996 1076
opentelemetry_python 2606 4043 4568 4752
prometheus 1673
alertmanager 4064
"""
#: Found by measuring, not reported: words that the name of a test has, all of them.
MEASURED = (
    "circuitbreaker purgatory pyresilience hyx fifty tasks",
    "aiobreaker fifty threads",
    "pybreaker generator left_early no_failure",
    "pybreaker forked during_a_call",
    "pybreaker wall_clock goes_back",
    "circuitbreaker cancelled_probe",
    "circuitbreaker pyresilience success from_before_the_trip",
    "circuitbreaker locals frame",
    "circuitbreaker inner_exception",
    "purgatory one_cancelled_call",
    "pyresilience async_generator is_guarded",
    "stamina logs_arguments",
    "retry_amplification three_guards",
)


@cache
def names(root: Path) -> set[str]:
    """Names of tests, and ids of their parameters."""
    found: set[str] = set()
    for path in (root / "tests/regressions").glob("test_*.py"):
        if path.name == Path(__file__).name:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.add(node.name.removeprefix("test_"))
            elif isinstance(node, ast.keyword) and node.arg == "id" and isinstance(node.value, ast.Constant):
                found.add(str(node.value.value))
    return found


@pytest.mark.parametrize(
    "report", [f"{who}_{n}" for who, *numbers in map(str.split, REPORTS.split("\n")[1:-1]) for n in numbers]
)
def test_a_report_has_a_test_of_its_name(report: str, root: Path) -> None:
    assert [name for name in names(root) if f"_{report}_" in f"_{name}_"] != []


@pytest.mark.parametrize("measured", MEASURED)
def test_what_was_measured_has_a_test_of_its_name(measured: str, root: Path) -> None:
    assert [name for name in names(root) if all(word in name for word in measured.split())] != []
