"""Which tests a mutant meets, and in which order: what killed its neighbours, then what is quick and precise.

A test that runs few functions is likely to be the one that asks for the changed one. So almost every mutant
dies at one of its first tests, and only survivors pay for all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import TypedDict

import pytest
from tests.campaigns.mutation_results import Mutant

#: The share of the tests that are quick, however busy the machine was that measured them; others come last.
QUICK = 0.97
#: A failure after so many tests that passed, or of one that is not quick, is asked for twice.
SURE = 200
#: How many tests that killed mutants of the same function, or the same module, come first.
LAST = 12


class Statistics(TypedDict):
    """What is read of mutmut's file: tests by the function that they run, their seconds."""

    tests_by_mangled_function_name: dict[str, list[str]]
    duration_by_test: dict[str, float]


class Order:
    def __init__(self, statistics: Statistics, items: Sequence[pytest.Item]) -> None:
        reached, took = statistics["tests_by_mangled_function_name"], statistics["duration_by_test"]
        reach = Counter(test for tests in reached.values() for test in tests)
        self.took = took
        self._longest = sorted(took.values())[int(QUICK * (len(took) - 1))]
        known = sorted(
            items, key=lambda item: (max(self._longest, took.get(item.nodeid, 0.0)), reach[item.nodeid])
        )
        self._items = {item.nodeid: item for item in known}
        self._place = {item.nodeid: place for place, item in enumerate(known)}
        self._reached = {function: {*tests} & {*self._items} for function, tests in reached.items()}
        self._killed_by: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=LAST))

    def quick(self, test: str) -> bool:
        return self.took.get(test, 0.0) <= self._longest

    def killed(self, mutant: Mutant, test: str) -> None:
        for neighbours in (mutant.function, mutant.module):
            killers = self._killed_by[neighbours]
            if test in killers:
                killers.remove(test)
            killers.appendleft(test)

    def tests(self, mutant: Mutant) -> list[pytest.Item]:
        """All that run the function."""
        reached = self._reached.get(mutant.function, set())
        near = (*self._killed_by[mutant.function], *self._killed_by[mutant.module])
        first = dict.fromkeys(test for test in near if test in reached)
        rest = sorted(reached - first.keys(), key=self._place.__getitem__)
        return [self._items[test] for test in (*first, *rest)]

    def all_tests(self, mutants: Iterable[Mutant]) -> list[pytest.Item]:
        """All that run any of the functions."""
        reached = set().union(*(self._reached.get(mutant.function, set()) for mutant in mutants))
        return [item for item in self._items.values() if item.nodeid in reached]
