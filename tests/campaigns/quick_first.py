"""A pytest plugin for ``make mutation``: what is quick and asks for little runs first, machines run short.

A test that runs few functions is likely to be the one that asks for the changed one. So almost every mutant
dies at one of its first tests, and only survivors pay for all of them.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import settings
from mutmut.mutation import trampoline

#: Examples of a property machine, whose own number is about a hundred.
EXAMPLES = 20
#: Seconds; a test that takes longer comes after all that don't.
QUICK = 0.1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        own = getattr(getattr(item, "cls", None), "settings", None)
        if isinstance(own, settings):
            short = settings(own, max_examples=EXAMPLES, derandomize=True, database=None)
            item.cls.settings = short  # type: ignore[attr-defined]
    known = Path("mutmut-stats.json")
    if known.exists():
        took, reach = _known(known, known.stat().st_mtime_ns)
        items.sort(key=lambda item: (max(QUICK, took.get(item.nodeid, 0.0)), reach[item.nodeid]))


@lru_cache(maxsize=1)
def _known(path: Path, changed: int) -> tuple[dict[str, float], Counter[str]]:
    """Seconds of each test, and how many functions it runs. Read before the tool forks: the file is large."""
    stats = json.loads(path.read_text())
    reach = Counter(test for tests in stats["tests_by_mangled_function_name"].values() for test in tests)
    return stats["duration_by_test"], reach


class Untracked:
    """In place of a context variable for who called whom, which is not asked for, and ended in crashes."""

    @staticmethod
    def get() -> tuple[None, int]:
        return None, 0

    @staticmethod
    def set(value: object) -> None: ...

    @staticmethod
    def reset(token: None) -> None: ...


def pytest_configure() -> None:
    """A warning finds where it points by the names of modules: the tool's frames are the library's own."""
    vars(trampoline)["__name__"] = "seawall.resilience"
    vars(trampoline)["MutmutCallStack"] = Untracked


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """In this order a test may come after one that left a spent deadline in the thread's context."""
    from seawall.resilience.deadline import current

    current.set(None)
