"""A pytest plugin for ``make mutation``: collects the tests once and forks for each mutant.

Ends that a busy machine may cause (a time-out, a crash, the failure of a test that takes its time) count
only when the mutant comes to an end a second time, alone.
"""

from __future__ import annotations

import gc
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.campaigns.mutation_children import End, Ended, Task, ends
from tests.campaigns.mutation_order import SURE, Order
from tests.campaigns.mutation_results import Fate, Mutant, Result, add
from tests.campaigns.mutation_work import Work

FATES = {
    End.PASSED: Fate.SURVIVED,
    End.FAILED: Fate.KILLED,
    End.CRASHED: Fate.KILLED,
    End.TIMED_OUT: Fate.TIMEOUT,
}
#: Seconds between two lines about how far it is.
SAY = 30.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutants", type=Path, required=True, help="what to do, written by the command")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    work = Work.read(session.config.getoption("--mutants"))
    order = Order(json.loads(Path(work.statistics).read_text(encoding="utf-8")), session.items)
    # What is there stays: children have less to copy.
    gc.collect()
    gc.freeze()
    _unchanged(session.config, order, work)
    _Campaign(order, work).run()
    return True


def _unchanged(config: pytest.Config, order: Order, work: Work) -> None:
    """All tests pass as long as nothing is changed, or nothing that follows means anything."""
    output = Path(work.output)
    config.option.tbstyle = "short"
    tests = order.all_tests(work.mutants)
    for _ in range(2):
        output.unlink(missing_ok=True)
        (ended,) = ends([Task("", tests)], order.took, 1, output)
        if ended.how is End.PASSED:
            config.option.tbstyle = "no"
            print(f"{len(tests)} tests pass without a mutant in {ended.seconds:.0f} s", flush=True)
            return
    print(output.read_text(errors="replace")[-4000:])
    pytest.exit(f"without a mutant: {ended.how.name} at {ended.test}", returncode=1)


class _Campaign:
    def __init__(self, order: Order, work: Work) -> None:
        self.order, self.work = order, work
        self.mutants = {mutant.key: mutant for mutant in work.mutants}
        self.doubtful: list[Mutant] = []
        self.count, self.began = Counter[str](), time.monotonic()
        self.said = self.began

    def run(self) -> None:
        for ended in ends(self._tasks(self.work.mutants), self.order.took, self.work.processes):
            if _doubtful(ended, self.order):
                self.doubtful.append(self.mutants[ended.task.mutant])
                self._learn(ended)
            else:
                self._known(ended)
            self._say()
        for ended in ends(self._tasks(self.doubtful), self.order.took, 1):
            self._known(ended, again=True)
            self._say()
        self._say(SAY)

    def _tasks(self, mutants: Sequence[Mutant]) -> Iterator[Task]:
        """Asked for one at a time, so that each knows what killed those before."""
        for mutant in mutants:
            if tests := self.order.tests(mutant):
                yield Task(mutant.key, tests)
            else:
                self._add(mutant, Fate.SURVIVED, "no test runs it")

    def _known(self, ended: Ended, again: bool = False) -> None:
        mutant, fate = self.mutants[ended.task.mutant], FATES[ended.how]
        self._learn(ended)
        self._add(mutant, fate, ended.test, ended.place, ended.seconds, again)

    def _learn(self, ended: Ended) -> None:
        if ended.how is End.FAILED and self.order.quick(ended.test):
            self.order.killed(self.mutants[ended.task.mutant], ended.test)

    def _add(
        self, mutant: Mutant, fate: Fate, test: str, before: int = 0, took: float = 0.0, again: bool = False
    ) -> None:
        self.count[fate] += 1
        result = Result(*mutant, self.work.commit, fate, test, before, round(took, 2), again)
        add(Path(self.work.results), result)

    def _say(self, seconds: float = 0.0) -> None:
        now = time.monotonic()
        if now + seconds - self.said < SAY:
            return
        self.said, done = now, sum(self.count.values())
        counts = ", ".join(f"{number} {fate}" for fate, number in sorted(self.count.items()))
        rate = done / (now - self.began)
        again = f", {len(self.doubtful)} to be asked twice" if self.doubtful else ""
        print(f"{done} of {len(self.mutants)}: {counts}{again}; {rate:.1f} a second", flush=True)


def _doubtful(ended: Ended, order: Order) -> bool:
    if ended.how is End.FAILED:
        return ended.place > SURE or not order.quick(ended.test)
    return ended.how is not End.PASSED
