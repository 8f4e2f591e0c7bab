"""A pytest plugin for ``make mutation``: the tests as they are when functions are mutants.

Nothing is left to chance: examples are the same for every mutant, and none fails since the machine is busy.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from mutmut.mutation import trampoline

#: Examples of a property machine, whose own number is about a hundred.
EXAMPLES = 20


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        own = getattr(getattr(item, "cls", None), "settings", None)
        if isinstance(own, settings):
            short = settings(own, max_examples=EXAMPLES, derandomize=True, database=None)
            item.cls.settings = short  # type: ignore[attr-defined]


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
    slow = [HealthCheck.too_slow]
    settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, suppress_health_check=slow
    )
    settings.load_profile("mutants")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """In this order a test may come after one that left a spent deadline in the thread's context."""
    from seawall.resilience.deadline import current

    current.set(None)
