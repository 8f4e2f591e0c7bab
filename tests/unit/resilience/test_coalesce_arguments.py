"""What shared executions hand on: the arguments of each call, and results as they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import Any

from tests.unit.resilience.crowds import Crowd, guarded
from tests.unit.resilience.shared import Shared

from seawall.resilience import Coalesce, ConfigurationError, Fallback, Timeout


def late(crowd: Crowd, b: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a second caller comes to whose time is over before the first has his answer."""
    gone = threading.Event()
    began = len(crowd.boarded)

    @b.guard
    def work(*args: Any, **kwargs: Any) -> Any:
        if len(crowd.boarded) > began:
            crowd.wait_for(began + 2)
            assert gone.wait(10)
        return function(*args, **kwargs)

    def second() -> Any:
        try:
            return work(*args, **kwargs)
        finally:
            gone.set()

    return crowd.ask(lambda: work(*args, **kwargs), second)[1]


def test_who_is_out_of_time_asks_an_alternative_with_his_arguments(crowd: Crowd) -> None:
    b = guarded(
        timeout=Timeout(total=0.05), fallback=Fallback(alternative=lambda *args, **kwargs: (args, kwargs))
    )
    assert late(crowd, b, lambda *_, **__: "late", 1, unit="m") == ((1,), {"unit": "m"})


def test_an_alternative_that_hands_back_work_is_refused_by_the_functions_name(crowd: Crowd) -> None:
    b = guarded(timeout=Timeout(total=0.05), fallback=Fallback(alternative=lambda: rows()))
    error = late(crowd, b, str)
    assert isinstance(error, ConfigurationError)
    assert error.problems[0].startswith("bank: late.<locals>.work handed back a generator, which nothing")


def rows() -> Generator[int]:
    yield 1


class Nothing:
    """An awaitable that looks empty."""

    def __await__(self) -> Generator[int]:
        yield 1

    def __len__(self) -> int:
        return 0


def test_work_that_came_by_the_fast_lane_is_refused_to_whom_it_is_handed_on(crowd: Crowd) -> None:
    b = guarded()
    answers: list[Any] = ["answer"] * 4

    @b.guard
    def work() -> Any:
        if answers:
            return answers.pop()
        crowd.wait_for(2)
        return Nothing()

    assert [work() for _ in range(4)] == ["answer"] * 4
    crowd.boarded.clear()
    first, second = crowd.ask(work, work)
    assert type(first) is Nothing
    assert isinstance(second, ConfigurationError)
    name = "test_work_that_came_by_the_fast_lane_is_refused_to_whom_it_is_handed_on.<locals>.work"
    assert second.problems[0].startswith(f"bank: {name} handed back an awaitable, which nothing")


def test_who_is_out_of_time_gets_a_former_answer_to_his_arguments(crowd: Crowd) -> None:
    b = guarded(timeout=Timeout(total=0.05), fallback=Fallback(stale_for=60.0))
    # What a function has captured is part of the question: it has to be hashable.
    left, slow = threading.Event(), threading.Event()

    @b.guard
    def work(number: int, *, unit: str) -> str:
        if slow.is_set():
            assert left.wait(10)
        return f"{number} {unit}"

    @b.guard
    def other(number: int, *, unit: str) -> str:
        return "of another"

    def late() -> str:
        try:
            return work(1, unit="m")
        finally:
            left.set()

    assert [work(1, unit="m"), work(1, unit="km"), work(2, unit="m")] == ["1 m", "1 km", "2 m"]
    assert other(1, unit="m") == "of another"
    slow.set()
    crowd.boarded.clear()
    assert crowd.ask(lambda: work(1, unit="m"), late) == ["1 m", "1 m"]
    assert b.count("degradations", "default", "stale", "served") == 1


def test_an_exception_that_is_a_result_is_everybodys(crowd: Crowd) -> None:
    b = guarded()

    @b.guard
    def work() -> Exception:
        crowd.wait_for(2)
        return ConnectionError("found in the log")

    one, other = crowd.ask(work, work)
    assert one is other


def test_the_arguments_of_a_shared_task_may_be_named() -> None:
    b = Shared()

    @b.guard
    async def work(*, question: str) -> str:
        return question

    assert b.clock.run(work(question="why")) == "why"


def test_the_arguments_of_a_task_without_a_key() -> None:
    b = Shared(coalesce=Coalesce(key=lambda *_, **__: None))

    @b.guard
    async def work(*args: int, **kwargs: int) -> Any:
        return args, kwargs

    assert b.clock.run(work(1, two=2)) == ((1,), {"two": 2})


def test_within_a_call_without_a_key_nobody_waits_for_himself() -> None:
    b = Shared(coalesce=Coalesce(key=lambda question: question or None))
    asked: list[str] = []

    @b.guard
    async def work(question: str) -> str:
        asked.append(question)
        # One that is shared asks one that is not, which asks the first again.
        return await work(("", "same", "")[len(asked) - 1]) if len(asked) < 3 else "answer"

    assert b.clock.run(asyncio.wait_for(work("same"), 5)) == "answer"
    assert asked == ["same", "", "same"]
