"""Identical calls at the same time, in tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from tests.unit.resilience.shared import Shared

from seawall.resilience import (
    Breaker,
    Coalesce,
    ConfigurationError,
    Fallback,
    Guard,
    Hedge,
    Registry,
    Timeout,
)


def test_who_asks_the_same_shares_one_execution() -> None:
    b = Shared()
    b.answer = lambda: ["answer"]
    answers = b.crowd(None, None, None)
    assert answers == [["answer"]] * 3
    assert len({id(answer) for answer in answers}) == 1
    assert b.runs == ["ended"]
    assert b.calls() == {"success": 3}
    assert b.count("attempts", "default", "success") == 1
    assert b.count("coalesced_calls", "default") == 2
    entry = b.guard.ledger.layout.entry("call_duration", "default")
    assert b.guard.read()[entry.offset + len(entry.bounds) + 1] == pytest.approx(3)
    assert b.crowd(None) == [["answer"]]
    assert b.runs == ["ended", "ended"]


def test_another_question_or_no_key_is_another_execution() -> None:
    b = Shared(coalesce=Coalesce(key=lambda question="": question or None))

    async def main() -> Any:
        return await asyncio.gather(*(b.ask(question) for question in ("a", "b", "a", "", "")))

    assert b.clock.run(main()) == ["answer"] * 5
    assert len(b.runs) == 4
    assert b.count("coalesced_calls", "default") == 1
    assert b.calls() == {"success": 5}


def test_each_gets_an_exception_of_its_own() -> None:
    b = Shared()

    def fail() -> None:
        raise ConnectionError("down")

    b.answer = fail
    errors = b.crowd(None, None, None)
    assert [repr(error) for error in errors] == ["ConnectionError('down')"] * 3
    assert len({id(error) for error in errors}) == 3
    assert b.calls() == {"failure": 3}
    assert b.count("attempts", "default", "failure") == 1


def test_fallbacks_are_shared_and_each_call_was_degraded() -> None:
    b = Shared(fallback=Fallback(default="none"), timeout=Timeout(total=0.5))
    assert b.crowd(None, None) == ["none", "none"]
    assert b.calls() == {"degraded": 2}
    assert b.count("degradations", "default", "default", "served") == 1
    assert b.count("timeouts", "default", "total") == 1


def test_who_executes_may_ask_the_same_himself() -> None:
    b = Shared()
    depth = []

    @b.guard
    async def deeper() -> int:
        depth.append(1)
        return (await asyncio.gather(deeper()))[0] if len(depth) < 3 else len(depth)

    assert b.clock.run(asyncio.wait_for(deeper(), 5)) == 3
    assert b.count("coalesced_calls", "default") == 0
    assert b.calls() == {"success": 3}


def test_each_event_loop_has_its_own_execution() -> None:
    guard = Guard("bank", coalesce=Coalesce(), registry=Registry("t"))
    both = threading.Barrier(2, timeout=10)

    @guard
    async def work() -> str:
        await asyncio.get_running_loop().run_in_executor(None, both.wait)
        return "answer"

    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(asyncio.run(work()))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == ["answer", "answer"]
    assert guard.read()[guard.ledger.layout.at("coalesced_calls", "default")] == 0


def test_the_execution_sees_the_context_of_the_first() -> None:
    who: ContextVar[str] = ContextVar("who")
    b = Shared()

    @b.guard
    async def work() -> str:
        await asyncio.sleep(1)
        answer = who.get()
        who.set("the execution")
        return answer

    async def ask(name: str) -> tuple[str, str]:
        who.set(name)
        return await work(), who.get()

    async def main() -> Any:
        return await asyncio.gather(ask("first"), ask("second"))

    assert b.clock.run(main()) == [("first", "first"), ("first", "second")]


def test_what_is_shared_may_be_hedged() -> None:
    b = Shared(hedge=Hedge(delay=0.5))
    assert b.crowd(None, None) == ["answer", "answer"]
    assert b.runs == ["ended", "CancelledError"]
    assert b.count("hedges", "default", "lost") == 1
    assert b.calls() == {"success": 2}
    with pytest.raises(ConfigurationError, match="can't hedge"):
        b.guard.call(len, "ab")


def test_a_block_has_no_answer_to_share() -> None:
    b = Shared()

    async def main() -> None:
        async with b.guard:
            raise AssertionError

    with pytest.raises(ConfigurationError, match="can't coalesce a block: it has no answer to share"):
        b.clock.run(main())


def test_calls_are_watched_and_the_execution_is_the_firsts() -> None:
    b = Shared()
    seen: list[tuple[Any, ...]] = []

    class Watch:
        def __init__(self, number: int) -> None:
            self.number = number

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *facts: seen.append((self.number, name, *facts))

    class Observer:
        calls = 0

        def watching(self) -> bool:
            return True

        def call_started(self, guard: Guard, operation: str) -> Any:
            self.calls += 1
            return Watch(self.calls)

    b.registry.observe(Observer())
    assert b.crowd(None, None) == ["answer", "answer"]
    follower = next(number for number, what, *_ in seen if what == "wait_started")
    mine = [what[1:] for what in seen if what[0] == follower]
    theirs = [what[1:] for what in seen if what[0] != follower]
    assert [what[0] for what in mine] == ["wait_started", "wait_ended", "call_ended"]
    assert mine[0][1] == "coalesce"
    assert mine[2][1:5] == ("success", 0, "", "")
    assert mine[2][6] == 1.0
    assert [what[0] for what in theirs] == ["attempt_started", "attempt_ended", "call_ended"]
    entry = b.guard.ledger.layout.entry("call_duration", "default")
    second = entry.offset + entry.bounds.index(1.0)
    assert theirs[2][1:] == ("success", 1, "", "", second, 1.0)
    # When the first has left, its duration is counted where it was waited for: no bucket to point at.
    seen.clear()
    assert b.crowd(0.5, None)[1] == "answer"
    assert [what[2:] for what in seen if what[1:3] == ("call_ended", "success")] == [
        ("success", 1, "", "", -1, 1.0),
        ("success", 0, "", "", second, 1.0),
    ]


def test_other_settings_hold_for_what_was_guarded_before() -> None:
    """Of hedges and of shared executions too."""
    for policies in ({"coalesce": Coalesce()}, {"coalesce": None, "hedge": Hedge(delay=2)}):
        b = Shared(breaker=Breaker(record_result=lambda _: False), timeout=Timeout(attempt=5), **policies)
        assert b.crowd(None) == ["answer"]
        b.guard.reconfigure(breaker=Breaker(record_result=lambda _: True), timeout=Timeout(attempt=3))
        assert b.crowd(None) == ["answer"]
        assert b.count("attempts", "default", "success") == 1
        assert b.count("attempts", "default", "failure") == 1


def test_other_settings_hold_for_a_race() -> None:
    b = Shared(coalesce=None, hedge=Hedge(delay=0.5), breaker=Breaker())
    b.guard.reconfigure(breaker=Breaker(record_result=lambda result: result == "bad"))
    answers = iter(["bad", "good"])
    b.answer = lambda: next(answers)
    assert b.crowd(None) == ["good"]
    assert b.count("hedges", "default", "won") == 1
