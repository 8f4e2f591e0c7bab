"""A pytest plugin for ``make mutation``: what is quick runs first, and the property machines run short.

Almost every mutant dies at the first test that runs what was changed: only its survivors pay for all of them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings

#: Examples of a property machine, whose own number is about a hundred.
EXAMPLES = 20


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        own = getattr(getattr(item, "cls", None), "settings", None)
        if isinstance(own, settings):
            short = settings(own, max_examples=EXAMPLES, derandomize=True, database=None)
            item.cls.settings = short  # type: ignore[attr-defined]
    known = Path("mutmut-stats.json")
    took = json.loads(known.read_text())["duration_by_test"] if known.exists() else {}
    items.sort(key=lambda item: took.get(item.nodeid, 0.0))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """In this order a test may come after one that left a spent deadline in the thread's context."""
    from seawall.resilience.deadline import current

    current.set(None)
