"""Former answers: which are kept, which are given, and what tells one function from another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any

import pytest

from seawall.resilience import Fallback
from seawall.resilience.stale import Source, StaleStore, source_of
from seawall.resilience.stopwatch import AsyncStopwatch, Stopwatch
from seawall.testing import ManualClock


def ask(*args: Any, **kwargs: Any) -> None: ...


SOURCE: Source = ("default", ask)
NOT_KEPT = "no answer of ask is kept for stale_for: type"
PASS_A_KEY = "so pass Fallback(key=...), a function of its arguments"


def store(**settings: Any) -> StaleStore:
    return StaleStore(Fallback(**{"stale_for": 60} | settings))


def test_the_newest_answer_counts_whichever_arrives_last() -> None:
    kept = store()
    kept.keep(SOURCE, (1,), {}, "new", 10.0)
    kept.keep(SOURCE, (1,), {}, "old", 9.0)
    assert kept.get(SOURCE, (1,), {}, 12.0) == ("new", 2.0)
    kept.keep(SOURCE, (1,), {}, "at the same time", 10.0)
    assert kept.get(SOURCE, (1,), {}, 12.0) == ("at the same time", 2.0)


def test_an_answer_is_given_until_it_is_too_old() -> None:
    kept = store()
    kept.keep(SOURCE, (1,), {}, "answer", 10.0)
    assert kept.get(SOURCE, (1,), {}, 70.0) == ("answer", 60.0)
    assert kept.get(SOURCE, (1,), {}, 70.001) is None
    assert kept.get(SOURCE, (2,), {}, 10.0) is None


def test_the_least_recently_written_leaves_first() -> None:
    kept = store(capacity=2)
    for number in (1, 2, 1, 3):
        kept.keep(SOURCE, (number,), {}, number, 0.0)
    assert [kept.get(SOURCE, (number,), {}, 0.0) for number in (1, 2, 3)] == [(1, 0.0), None, (3, 0.0)]


def test_answers_are_told_apart_by_operation_function_types_and_names() -> None:
    kept = store()
    kept.keep(SOURCE, (1,), {"a": 1, "b": 2}, "answer", 0.0)
    assert kept.get(SOURCE, (1,), {"b": 2, "a": 1}, 0.0) == ("answer", 0.0)
    assert kept.get(SOURCE, (True,), {"a": 1, "b": 2}, 0.0) is None
    assert kept.get(SOURCE, (1,), {"a": 1.0, "b": 2}, 0.0) is None
    assert kept.get(SOURCE, (1,), {"a": 1}, 0.0) is None
    assert kept.get(("other", ask), (1,), {"a": 1, "b": 2}, 0.0) is None
    assert kept.get(("default", store), (1,), {"a": 1, "b": 2}, 0.0) is None


def test_a_key_of_ones_own_is_made_of_all_arguments() -> None:
    kept = store(key=lambda account, *, currency: (account["id"], currency))
    kept.keep(SOURCE, ({"id": 1},), {"currency": "EUR"}, "answer", 0.0)
    assert kept.get(SOURCE, ({"id": 1, "more": 2},), {"currency": "EUR"}, 0.0) == ("answer", 0.0)
    assert kept.get(SOURCE, ({"id": 1},), {"currency": "USD"}, 0.0) is None
    assert kept.get(SOURCE, ({"id": 2},), {"currency": "EUR"}, 0.0) is None


def test_what_has_no_key_is_not_kept_and_that_is_told() -> None:
    told: list[tuple[Exception, str]] = []
    kept = StaleStore(Fallback(stale_for=60), lambda *said: told.append(said))
    kept.keep(SOURCE, ([],), {}, "answer", 0.0)
    assert kept.get(SOURCE, ([],), {}, 0.0) is None
    assert [type(error) for error, _ in told] == [TypeError, TypeError]
    assert {advice for _, advice in told} == {f"{NOT_KEPT} list has no hash, {PASS_A_KEY}"}
    silent = store()
    silent.keep(SOURCE, ([],), {}, "answer", 0.0)
    assert silent.get(SOURCE, ([],), {}, 0.0) is None


def impatient(*_: object) -> None:
    raise TypeError("no question")


class Touchy:
    def __hash__(self) -> int:
        raise ValueError("unhashable type: 'Touchy'")


@dataclass
class Session:
    user: str

    def balance(self, currency: str = "EUR") -> None: ...


@pytest.mark.parametrize(
    ("function", "args", "key", "said"),
    [
        (ask, (Session("me"),), None, f"{NOT_KEPT} Session has no hash, {PASS_A_KEY}"),
        (ask, ((1, [2]),), None, f"{NOT_KEPT} list has no hash, {PASS_A_KEY}"),
        (
            Session.balance,
            (Session("me"),),
            None,
            f"no answer of Session.balance is kept for stale_for: type Session has no hash, {PASS_A_KEY}",
        ),
        (ask, (1,), lambda _: {}, f"{NOT_KEPT} dict has no hash, and its key holds one"),
        *(
            (
                Session("me").balance,
                ("EUR",),
                key,
                "no answer of Session.balance is kept for stale_for: type Session has no hash, "
                "and it is bound to one: guard the plain function, and pass Fallback(key=...)",
            )
            for key in (None, str)
        ),
        (ask, (1,), impatient, ""),
        (ask, (Touchy(),), None, ""),
    ],
)
def test_what_lacks_a_hash_and_what_to_do(
    function: Callable[..., Any], args: tuple[Any, ...], key: Callable[..., Any] | None, said: str
) -> None:
    told: list[str] = []
    kept = StaleStore(Fallback(stale_for=60, key=key), lambda _, advice: told.append(advice))
    kept.keep(("default", function), args, {}, "answer", 0.0)
    assert told == [said]
    assert kept.get(("default", function), args, {}, 0.0) is None
    assert told == [said, said]
    assert not kept._values


def test_a_key_is_made_before_the_lock_is_taken() -> None:
    locked: list[bool] = []

    def key(number: int) -> int:
        free: list[bool] = []

        def take() -> None:
            free.append(kept._lock.acquire(blocking=False))
            if free[0]:
                kept._lock.release()

        thread = Thread(target=take)
        thread.start()
        thread.join()
        locked.append(not free[0])
        return number

    kept = store(key=key)
    kept.keep(SOURCE, (1,), {}, "answer", 0.0)
    assert kept.get(SOURCE, (1,), {}, 0.0) == ("answer", 0.0)
    assert locked == [False, False]


def test_a_forked_child_has_a_lock_of_its_own() -> None:
    kept = store()
    held = kept._lock
    kept.reset_lock()
    assert kept._lock is not held
    kept.keep(SOURCE, (), {}, "answer", 0.0)
    assert kept.get(SOURCE, (), {}, 0.0) == ("answer", 0.0)


class Account:
    def __init__(self, name: str) -> None:
        self.name = name

    def balance(self) -> None: ...
    def history(self) -> None: ...


def counting(start: int = 0, *, step: int = 1) -> None: ...


def with_defaults(start: int, step: int) -> Callable[..., None]:
    def count(begin: int = start, *, by: int = step) -> None: ...

    return count


def capturing(account: str) -> Callable[..., str]:
    return lambda: account


def of_another_module(account: str) -> Callable[..., str]:
    space: dict[str, Any] = {}
    exec("def made():\n    return account", space)
    return space["made"]


MINE, YOURS = Account("mine"), Account("yours")


@pytest.mark.parametrize(
    ("one", "same", "others"),
    [
        (ask, ask, [counting, len]),
        (len, len, [max]),
        (MINE.balance, MINE.balance, [YOURS.balance, MINE.history, Account.balance]),
        (
            partial(ask, 1, a=1, b=2),
            partial(ask, 1, b=2, a=1),
            [partial(ask, 2, a=1, b=2), partial(ask, 1, a=1, b=3), partial(counting, 1, a=1, b=2), ask],
        ),
        (with_defaults(1, 2), with_defaults(1, 2), [with_defaults(2, 2), with_defaults(1, 3)]),
        (capturing("mine"), capturing("mine"), [capturing("yours")]),
        (Stopwatch(ManualClock(), ask), ask, [Stopwatch(ManualClock(), counting)]),
    ],
)
def test_sources(one: Callable[..., Any], same: Callable[..., Any], others: list[Callable[..., Any]]) -> None:
    assert source_of(one) == source_of(same)
    assert hash(source_of(one)) == hash(source_of(same))
    for other in others:
        assert source_of(one) != source_of(other)


def test_equal_code_of_two_modules_is_two_sources() -> None:
    one, two = of_another_module("mine"), of_another_module("yours")
    assert one.__code__ == two.__code__  # type: ignore[attr-defined]
    assert source_of(one) != source_of(two)


def test_a_stopwatch_takes_the_time_of_what_it_runs() -> None:
    clock = ManualClock()
    clock.advance(5)

    def work(seconds: float, *, answer: str) -> str:
        clock.advance(seconds)
        return answer

    async def awork(seconds: float, *, answer: str) -> str:
        return work(seconds, answer=answer)

    watch = Stopwatch(clock, work)
    assert (watch.seconds, watch.strayed, watch.timed) == (0.0, False, work)
    assert watch(2.0, answer="done") == "done"
    assert watch.seconds == 2.0
    awatch = AsyncStopwatch(clock, awork)
    assert clock.run(awatch(3.0, answer="done")) == "done"
    assert awatch.seconds == 3.0
