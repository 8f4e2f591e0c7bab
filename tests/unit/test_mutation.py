"""What `make mutation` makes of a test's end, which tests a mutant meets first, and what is kept of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.campaigns import mutation_children
from tests.campaigns.mutation_children import End, Task, ends
from tests.campaigns.mutation_order import LAST, Order, Statistics
from tests.campaigns.mutation_results import Fate, Mutant, Result, Run, add, results, runs


def item(name: str, deed: Callable[[], object] = lambda: None) -> pytest.Item:
    """A test that does this, and fails when it says so."""
    session = SimpleNamespace(testsfailed=0)

    def protocol(item: object, nextitem: object) -> None:
        session.testsfailed += deed() == "fails"

    hook = SimpleNamespace(pytest_runtest_protocol=protocol)
    made: Any = SimpleNamespace(nodeid=name, session=session, config=SimpleNamespace(hook=hook))
    return cast(pytest.Item, made)


def interrupted() -> None:
    raise KeyboardInterrupt


def end_of(*deeds: Callable[[], object]) -> tuple[End, str]:
    tests = [item(str(number), deed) for number, deed in enumerate(deeds)]
    (ended,) = ends([Task("", tests)], {}, 1)
    return ended.how, ended.test


def fine() -> None: ...


def test_the_first_that_fails_ends_it() -> None:
    assert end_of(fine, lambda: "fails", interrupted) == (End.FAILED, "1")
    assert end_of(fine, fine, fine) == (End.PASSED, "2")


def test_a_signal_and_an_interrupt_are_no_failure() -> None:
    assert end_of(fine, lambda: os.kill(os.getpid(), signal.SIGKILL)) == (End.CRASHED, "1")
    assert end_of(interrupted, fine) == (End.CRASHED, "0")


def test_who_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation_children, "REAL", 0.3)
    assert end_of(fine, signal.pause, fine) == (End.TIMED_OUT, "1")


def test_who_never_comes_to_an_end_is_ended_by_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy() -> None:
        while True:
            pass

    monkeypatch.setattr(mutation_children, "PROCESSOR", 0.1)
    assert end_of(fine, busy) == (End.TIMED_OUT, "1")


def test_each_task_ends_once_however_many_run_at_a_time() -> None:
    tasks = [Task("", [item(f"test {number}")]) for number in range(7)]
    assert sorted(ended.test for ended in ends(tasks, {}, 3)) == [f"test {number}" for number in range(7)]


def test_nothing_is_left_of_a_child(tmp_path: Path) -> None:
    told = tmp_path / "told"

    def start_another() -> None:
        if not os.fork():
            signal.pause()
        told.write_text(os.environ["TMPDIR"])

    assert end_of(start_another) == (End.PASSED, "0")
    assert not Path(told.read_text()).exists()


MODULE = "seawall.resilience.window"
FIRST, OTHER = Mutant(f"{MODULE}.x_add__mutmut_1", "a"), Mutant(f"{MODULE}.x_add__mutmut_2", "a")
NEIGHBOUR = Mutant(f"{MODULE}.x_sum__mutmut_1", "b")
STATISTICS: Statistics = {
    "tests_by_mangled_function_name": {
        f"{MODULE}.x_add": ["wide", "slow", "precise"],
        f"{MODULE}.x_sum": ["wide"],
        "seawall.resilience.ledger.x_of": ["wide", "elsewhere"],
    },
    "duration_by_test": {"wide": 0.01, "slow": 2.0, "precise": 0.02, "elsewhere": 0.01},
}


def order() -> Order:
    return Order(STATISTICS, [item(name) for name in ("wide", "slow", "elsewhere", "precise")])


def names(order: Order, mutant: Mutant) -> list[str]:
    return [test.nodeid for test in order.tests(mutant)]


def test_precise_tests_come_first_and_slow_ones_last() -> None:
    assert names(order(), FIRST) == ["precise", "wide", "slow"]
    assert [order().quick(test) for test in ("precise", "slow")] == [True, False]
    assert names(order(), Mutant(f"{MODULE}.x_unknown__mutmut_1", "c")) == []


def test_what_killed_a_neighbour_comes_before_that() -> None:
    ours = order()
    ours.killed(FIRST, "slow")
    assert names(ours, OTHER) == ["slow", "precise", "wide"]
    ours.killed(NEIGHBOUR, "wide")
    assert names(ours, OTHER) == ["slow", "wide", "precise"]
    assert names(ours, NEIGHBOUR) == ["wide"]
    for _ in range(LAST + 1):
        ours.killed(OTHER, "precise")
    assert names(ours, FIRST) == ["precise", "slow", "wide"]


def result(mutant: Mutant, fate: Fate) -> Result:
    return Result(*mutant, "abc", fate, "test", 0, 0.1)


def test_the_last_result_of_a_function_as_it_is_now_counts(tmp_path: Path) -> None:
    kept = tmp_path / "results.jsonl"
    for line in (result(FIRST, Fate.SURVIVED), result(NEIGHBOUR, Fate.KILLED)):
        add(kept, line)
    with kept.open("a") as file:
        file.write('\n{"key": "half a li')
    add(kept, result(FIRST, Fate.KILLED))
    changed = NEIGHBOUR._replace(made_of="other")
    assert results(kept, [FIRST, OTHER, changed]) == {FIRST.key: result(FIRST, Fate.KILLED)}
    assert FIRST.module == "window"


def test_a_run_is_known_from_its_beginning_and_its_seconds_when_it_ends(tmp_path: Path) -> None:
    kept, one, other = (
        tmp_path / "runs.jsonl",
        Run("10:00", "", "abc", 7),
        Run("11:00", "--survivors", "abc", 1),
    )
    for line in (one, other, other._replace(seconds=5)):
        add(kept, line)
    assert runs(kept) == [one, other._replace(seconds=5)]
