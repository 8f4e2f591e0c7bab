"""Shared executions at their bounds, and what is told of them."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Generator
from contextvars import copy_context
from functools import partial
from threading import TIMEOUT_MAX
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench
from tests.unit.resilience.crowds import Crowd, guarded
from tests.unit.resilience.shared import CANCELLED, Shared

from seawall.resilience import Coalesce, Guard, Hedge, Timeout
from seawall.resilience.flights import Flight


class Alarm(BaseException):
    """What a signal handler raises."""


def ends_of(b: Bench) -> dict[int, tuple[Any, ...]]:
    """What observers are told of the end of each call: its operation first. Numbered as they are watched."""
    ends: dict[int, tuple[Any, ...]] = {}

    class Watch:
        def __init__(self, number: int, operation: str) -> None:
            self.number = number
            self.operation = operation

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_: None

        def call_ended(self, *facts: Any) -> None:
            ends[self.number] = self.operation, *facts

    class Observer:
        calls = 0

        def watching(self) -> bool:
            return True

        def call_started(self, guard: Guard, operation: str) -> Any:
            self.calls += 1
            return Watch(self.calls, operation)

    b.registry.observe(Observer())
    return ends


def test_who_begins_anew_ends_with_the_error_of_what_he_began() -> None:
    b = Shared()
    ends = ends_of(b)

    def answer() -> None:
        raise CANCELLED if len(b.runs) == 1 else ConnectionError

    b.answer = answer
    first, second = b.crowd(None, None)
    assert (type(first), type(second)) == (CANCELLED, ConnectionError)
    assert sorted(facts[:5] for facts in ends.values()) == [
        ("default", "cancelled", 1, "", "CancelledError"),
        # His own, and that of the execution that he began.
        ("default", "failure", 0, "", "ConnectionError"),
        ("default", "failure", 1, "", "ConnectionError"),
    ]


def test_who_is_interrupted_while_he_waits_ends_with_that(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = guarded()
    ends = ends_of(b)

    def ring(flight: Flight, seconds: float) -> bool:
        raise Alarm

    monkeypatch.setattr(Flight, "wait", ring)

    @b.guard
    def work() -> str:
        crowd.wait_for(2)
        while not ends:
            pass
        return "answer"

    answer, error = crowd.ask(work, work)
    assert (answer, type(error)) == ("answer", Alarm)
    assert ends[2][:5] == ("default", "cancelled", 0, "", "Alarm")


def test_a_task_that_is_cancelled_while_it_waits_ends_with_that() -> None:
    b = Shared()
    ends = ends_of(b)
    assert b.crowd(None, 0.5)[0] == "answer"
    assert sorted(facts[:5] for facts in ends.values()) == [
        ("default", "cancelled", 0, "", "CancelledError"),
        ("default", "success", 1, "", ""),
    ]


def test_operations_do_not_share_what_one_function_does(crowd: Crowd) -> None:
    b = guarded(operations=("default", "pay"))

    def work() -> object:
        crowd.wait_for(2)
        return object()

    one, other = crowd.ask(b.guard(work), b.guard.operation("pay")(work))
    assert one is not other
    assert [b.count("attempts", name, "success") for name in ("default", "pay")] == [1, 1]


def test_operations_do_not_share_what_one_coroutine_function_does() -> None:
    b = Shared(operations=("default", "pay"))
    pay = b.guard.operation("pay")(b.work)

    async def main() -> None:
        await asyncio.gather(b.ask(), pay())

    b.clock.run(main())
    assert [b.count("attempts", name, "success") for name in ("default", "pay")] == [1, 1]


@pytest.mark.parametrize("hedge", [None, Hedge(delay=5.0)])
def test_coroutine_functions_do_not_share(hedge: Hedge | None) -> None:
    b = Shared(hedge=hedge)

    @b.guard
    async def twin() -> str:
        await asyncio.sleep(1)
        return "of the twin"

    async def main() -> Any:
        return await asyncio.gather(b.ask(), twin())

    assert b.clock.run(main()) == ["answer", "of the twin"]
    assert b.count("attempts", "default", "success") == 2


@pytest.mark.parametrize(("took", "shared"), [(0.75, 0), (0.5, 1)])
def test_a_failure_that_comes_when_time_is_up_but_for_what_timers_are_early(
    took: float, shared: int, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.resilience.coalescing._EARLY", 0.25)
    b = guarded()
    outer = Guard("outer", timeout=Timeout(total=1), registry=b.registry, clock=b.clock)

    @b.guard
    def fail() -> None:
        crowd.wait_for(2)
        b.clock.advance(took)
        raise ConnectionError

    first, second = crowd.ask(outer(fail), fail)
    assert (type(first), type(second)) == (ConnectionError, ConnectionError)
    assert b.count("coalesced_calls", "default") == shared


@pytest.mark.parametrize(("took", "shared"), [(0.75, 0), (0.5, 1)])
def test_a_task_that_fails_when_time_is_up_but_for_what_timers_are_early(
    took: float, shared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.resilience.coalescing._EARLY", 0.25)
    b = Shared()
    outer = Guard("outer", timeout=Timeout(total=1), registry=b.registry, clock=b.clock)

    @b.guard
    async def fail() -> None:
        await asyncio.sleep(took)
        raise ConnectionError

    async def main() -> Any:
        return await asyncio.gather(outer.acall(fail), fail(), return_exceptions=True)

    first, second = b.clock.run(main())
    assert (type(first), type(second)) == (ConnectionError, ConnectionError)
    assert b.count("coalesced_calls", "default") == shared


def test_how_long_a_thread_waits() -> None:
    flight, waits = Flight("key"), []
    flight.gate = SimpleNamespace(get=lambda timeout: waits.append(timeout))  # type: ignore[assignment]
    for seconds in (-1.0, 0.0, 0.5, 2.0, 1e300, float("inf")):
        assert flight.wait(seconds) is False
    assert waits == [0.0, 0.0, 0.5, 2.0, TIMEOUT_MAX, None]


@types.coroutine
def one_step() -> Generator[None]:
    yield


def test_a_call_without_a_key_is_driven_from_one_context_to_another() -> None:
    b = Shared(coalesce=Coalesce(key=lambda *_: None))

    @b.guard
    async def work() -> str:
        await one_step()
        return "answer"

    async def main() -> None:
        for _ in range(3):
            step = partial(work().send, None)
            assert copy_context().run(step) is None
            with pytest.raises(StopIteration, match="answer"):
                copy_context().run(step)

    b.clock.run(main())
    assert b.calls() == {"success": 3}
