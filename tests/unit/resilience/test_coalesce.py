"""Identical calls at the same time, in threads: one executes, the others wait for him."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from tests.unit.resilience.crowds import Crowd, guarded

from seawall.resilience import (
    Bulkhead,
    BulkheadFull,
    Coalesce,
    ConfigurationError,
    Fallback,
    Guard,
    Retry,
)
from seawall.resilience.events import CallFailed
from seawall.resilience.flights import Flight, Flights


def test_settings_and_what_is_said_of_them() -> None:
    with pytest.raises(ConfigurationError, match=r"Coalesce\.key is 1; allowed: a function, or None"):
        Coalesce(key=1)  # type: ignore[arg-type]
    b = guarded(fallback=Fallback(default=0))
    assert b.guard.describe()["policies"]["coalesce"] == {"key": False}
    assert Coalesce(key=len).describe() == {"key": True}
    assert b.guard.describe()["order"] == ["coalesce", "fallback"]


def test_who_asks_the_same_shares_one_execution(crowd: Crowd) -> None:
    b = guarded()
    runs = []

    @b.guard
    def rates(currency: str) -> list[str]:
        runs.append(currency)
        crowd.wait_for(5)
        b.clock.advance(2)
        return [currency]

    answers = crowd.ask(*[partial(rates, "EUR")] * 5)
    assert answers == [["EUR"]] * 5
    assert len({id(answer) for answer in answers}) == 1
    assert runs == ["EUR"]
    assert b.count("calls", "default", "success") == 5
    assert b.count("attempts", "default", "success") == 1
    assert b.count("coalesced_calls", "default") == 4
    entry = b.guard.ledger.layout.entry("call_duration", "default")
    reading = b.guard.read()
    assert reading[entry.offset + len(entry.bounds)] == 5
    assert reading[entry.offset + len(entry.bounds) + 1] == pytest.approx(10)
    # Nothing is kept.
    crowd.boarded.extend(crowd.boarded)
    assert rates("EUR") == ["EUR"]
    assert len(runs) == 2


def test_another_question_is_another_execution(crowd: Crowd) -> None:
    b = guarded()

    def ask(question: Any, *, unit: str = "") -> tuple[Any, str]:
        crowd.wait_for(5)
        return question, unit

    def twin(question: Any) -> str:
        crowd.wait_for(5)
        return "twin"

    one, other = b.guard(ask), b.guard(twin)
    ones = [partial(one, question) for question in (1, 1.0, True)]
    answers = crowd.ask(*ones, partial(one, 1, unit="m"), partial(other, 1))
    assert [str(answer) for answer in answers] == ["(1, '')", "(1.0, '')", "(True, '')", "(1, 'm')", "twin"]
    assert b.count("coalesced_calls", "default") == 0


def test_a_key_says_what_is_the_same(crowd: Crowd) -> None:
    b = guarded(coalesce=Coalesce(key=lambda account, *_: account if account != "private" else None))

    @b.guard
    def balance(account: str, why: list[str]) -> list[str]:
        crowd.wait_for(2)
        return why

    assert crowd.ask(partial(balance, "mine", ["a"]), partial(balance, "mine", ["b"])) == [["a"], ["a"]]
    assert balance("private", ["c"]) == ["c"]
    assert len(crowd.boarded) == 2
    assert b.count("coalesced_calls", "default") == 1
    assert b.count("calls", "default", "success") == 3


def test_calls_without_a_key_are_not_shared(crowd: Crowd) -> None:
    b = guarded()
    assert b.guard.call(len, [1, 2]) == 2
    assert b.registry.listener_errors["coalesce.key"] == 1
    keys: tuple[Callable[[Any], Any], ...] = (lambda _: [], lambda _: 1 // 0)
    for key in keys:
        alone = guarded(coalesce=Coalesce(key=key))
        assert alone.guard.call(len, "ab") == 2
        assert alone.registry.listener_errors["coalesce.key"] == 1
    assert crowd.boarded == []


class Touchy:
    """A key that can't be compared."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise ValueError


def test_keys_that_can_not_be_compared_are_not_shared(crowd: Crowd) -> None:
    b = guarded(coalesce=Coalesce(key=lambda *_: Touchy()))
    problems: list[Exception] = []

    both = threading.Barrier(2, timeout=10)

    @b.guard
    def number() -> int:
        return both.wait()

    assert sorted(crowd.ask(number, number)) == [0, 1]
    assert b.count("coalesced_calls", "default") == 0
    # When it was looked for; it could not be forgotten either, where the other was still there.
    assert b.registry.listener_errors["coalesce.key"] in (1, 2)
    first, second = Flight(Touchy()), Flight(Touchy())
    flights = Flights(Coalesce(), problems.append)
    assert flights.board(first) is first
    assert flights.board(second) is second
    flights.end(second)
    assert [type(problem) for problem in problems] == [ValueError] * 2
    assert (first.over, second.over) == (False, True)


def test_each_gets_an_exception_of_its_own(crowd: Crowd) -> None:
    b = guarded(retry=Retry(attempts=2, base_delay=1, jitter="none", budget=None))

    @b.guard
    def fail() -> None:
        crowd.wait_for(3)
        raise ConnectionError("down")

    errors = crowd.ask(fail, fail, fail)
    assert [repr(error) for error in errors] == ["ConnectionError('down')"] * 3
    assert len({id(error) for error in errors}) == 3
    assert [error.__notes__ for error in errors] == [["bank: gave up after 2 attempts"]] * 3
    errors[1].add_note("mine")
    assert not any("mine" in error.__notes__ for error in (errors[0], errors[2]))
    for error in errors:
        frames = traceback_of(error)
        assert frames[-1] == "fail"
        assert frames.count("fail") == 1
    assert b.count("calls", "default", "failure") == 3
    assert b.count("attempts", "default", "failure") == 2
    assert len(b.events.of(CallFailed)) == 1


def traceback_of(error: BaseException) -> list[str]:
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return frames


def test_fallbacks_are_shared_and_each_call_was_degraded(crowd: Crowd) -> None:
    b = guarded(fallback=Fallback(default="none"))

    @b.guard
    def fail() -> str:
        crowd.wait_for(3)
        raise ConnectionError

    assert crowd.ask(fail, fail, fail) == ["none"] * 3
    assert b.count("calls", "default", "degraded") == 3
    assert b.count("degradations", "default", "default", "served") == 1


def test_a_rejection_is_shared(crowd: Crowd) -> None:
    b = guarded(bulkhead=Bulkhead(limit=1))
    assert b.guard.bulkhead is not None
    b.guard.bulkhead.enter([])
    held = b.guard.lock
    join = b.guard.bulkhead.join

    def when_all_came(*args: Any) -> str:
        crowd.wait_for(2)
        return join(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(b.guard.bulkhead), "join", lambda _, *args: when_all_came(*args))
        call = b.guard(lambda: "never")
        errors = crowd.ask(call, call)
    assert [type(error) for error in errors] == [BulkheadFull, BulkheadFull]
    assert [error.reason for error in errors] == ["full", "full"]
    assert b.count("calls", "default", "rejected") == 2
    assert b.count("rejections", "bulkhead", "full") == 1
    assert b.count("attempts", "default", "success") == 0
    assert held is b.guard.lock


def test_work_that_was_not_begun_is_refused_for_all(crowd: Crowd) -> None:
    b = guarded()

    @b.guard
    def lazy() -> Any:
        crowd.wait_for(2)
        return (lambda: (yield))()

    errors = crowd.ask(lazy, lazy)
    assert [type(error) for error in errors] == [ConfigurationError] * 2
    assert all("handed back a generator" in str(error) for error in errors)


def refusals(guard: Guard) -> list[Callable[[], Any]]:
    def pages() -> Generator[int]:
        yield 1

    def block() -> None:
        with guard:
            raise AssertionError

    return [lambda: guard(pages), lambda: guard(contextmanager(pages)), block]


WHATS = ["refusals.<locals>.pages (generator)", "refusals.<locals>.pages (context manager)", "a block"]


@pytest.mark.parametrize("which", range(len(WHATS)))
def test_what_has_no_answer_to_share_is_refused(which: int) -> None:
    guard = guarded().guard
    with pytest.raises(ConfigurationError) as caught:
        refusals(guard)[which]()
    why = "it has no answer to share; allowed: def or async def, or a guard without coalesce"
    assert caught.value.problems == (f"bank: can't coalesce {WHATS[which]}: {why}",)


def test_a_call_that_joins_is_watched(crowd: Crowd) -> None:
    b = guarded()
    seen: list[tuple[Any, ...]] = []

    class Watch:
        def __init__(self, number: int) -> None:
            self.number = number

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *facts: seen.append((self.number, name, *facts[:2]))

    class Observer:
        calls = 0

        def watching(self) -> bool:
            return True

        def call_started(self, guard: Guard, operation: str) -> Any:
            self.calls += 1
            return Watch(self.calls)

    b.registry.observe(Observer())

    @b.guard
    def work() -> str:
        while len(seen) < 2:
            time.sleep(0)
        return "answer"

    assert crowd.ask(work, work) == ["answer", "answer"]
    assert [what for what in seen if what[0] == 1] == [
        (1, "attempt_started", 1),
        (1, "attempt_ended", "success", ""),
        (1, "call_ended", "success", 1),
    ]
    assert [what for what in seen if what[0] == 2] == [
        (2, "wait_started", "coalesce"),
        (2, "wait_ended"),
        (2, "call_ended", "success", 0),
    ]
