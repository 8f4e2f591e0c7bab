"""Executions that callers join, by themselves: what they came to, who is let go on, what is forgotten."""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

import pytest

from seawall.resilience import Coalesce
from seawall.resilience.flights import Flight, Flights, aboard, aboard_of, counts
from seawall.resilience.hedging import Hedged


@pytest.mark.parametrize(
    ("outcome", "ok", "ended", "shared"),
    [
        ("", True, "success", True),
        # Torn out of the lane, by whatever.
        ("", False, "cancelled", False),
        ("failure", False, "failure", True),
        ("degraded", True, "degraded", True),
        ("cancelled", False, "cancelled", False),
        ("cancelled", True, "cancelled", False),
    ],
)
def test_what_an_execution_came_to(outcome: str, ok: bool, ended: str, shared: bool) -> None:
    flight = Flight("key")
    flight.outcome = outcome
    value = "answer" if ok else ValueError("wrong")
    flight.land(ok, value)
    assert (flight.outcome, flight.shared, flight.answer) == (ended, shared, (ok, value))


def test_one_whose_event_loop_is_closed_holds_nobody_up() -> None:
    class Waiting:
        came = 0

        def __init__(self, closed: bool = False, done: bool = False) -> None:
            self.closed = closed
            self._done = done

        def done(self) -> bool:
            return self._done

        def set_result(self, result: Any) -> None:
            if self.closed:
                raise RuntimeError("Event loop is closed")
            self.came += 1

    flight, waiting = Flight("key"), [Waiting(closed=True), Waiting(done=True), Waiting()]
    flight.waiting.extend(waiting)  # type: ignore[arg-type]
    flight.close()
    assert flight.over
    assert [one.came for one in waiting] == [0, 0, 1]
    assert flight.wait(0.0)


def test_who_was_dropped_is_found_no_more_and_once_is_enough() -> None:
    problems: list[Exception] = []
    flights = Flights(Coalesce(), problems.append)
    first, second = Flight("key"), Flight("key")
    assert flights.board(first) is first
    assert flights.board(second) is first
    for _ in range(2):
        flights.drop(first)
        assert len(flights._flying) == 0
    assert flights.board(second) is second
    # What others have begun meanwhile is theirs.
    flights.drop(first)
    assert flights.board(first) is second
    assert problems == []


def test_a_key_is_made_of_positions_and_names() -> None:
    flights = Flights(Coalesce(key=lambda *args, **kwargs: (args, tuple(kwargs.items()))), lambda _: None)
    key: Any = flights.key(("pay", len), (1,), {"two": 2})
    assert key[1:] == (((1,), (("two", 2),)), None)


def returning(answer: object) -> Any:
    return lambda: answer


def test_functions_are_the_same_by_what_they_have_captured() -> None:
    flights = Flights(Coalesce(), lambda _: None)
    one, same, other = (flights.key(flights.source("pay", returning(n)), (), {}) for n in (1, 1, 2))
    assert one == same != other


def test_functions_whose_captures_can_not_be_compared_are_told_apart_by_themselves() -> None:
    flights = Flights(Coalesce(), lambda _: None)
    one, other = returning([1]), returning([2])

    def key(function: Any) -> Any:
        return flights.key(flights.source("pay", function), (), {})

    assert key(one) == key(one) != key(other)
    # What stands in for a function is that function.
    hedge: Any = None
    assert key(Hedged(hedge, hedge, one)) == key(Hedged(hedge, hedge, one)) == key(one)


def test_why_there_is_no_key_is_said() -> None:
    problems: list[Exception] = []
    flights = Flights(Coalesce(), problems.append)
    assert flights.key(("pay", len), ([],), {}) is None
    assert [type(problem) for problem in problems] == [TypeError]


def test_whoever_is_part_of_another_execution_may_join_and_of_this_one_may_not() -> None:
    flights = Flights(Coalesce(), lambda _: None)
    outer, first, second = Flight("other"), Flight("key"), Flight("key")
    assert flights.board(first) is first

    def board(part_of: Flight) -> Flight:
        aboard.set(aboard_of(part_of))
        return flights.board(second)

    assert copy_context().run(board, outer) is first
    assert copy_context().run(board, first) is second


def test_what_is_collected_in_whoevers_context_says_nothing_of_his_execution() -> None:
    flight = Flight("key")

    def ended(outcome: str, error: str) -> bool:
        aboard.set(aboard_of(flight))
        return counts(outcome, error)

    assert copy_context().run(ended, "cancelled", "GeneratorExit")
    assert (flight.outcome, flight.error) == ("", "")
    assert copy_context().run(ended, "failure", "KeyError")
    assert (flight.outcome, flight.error) == ("failure", "KeyError")
    flight.counted = False
    assert not copy_context().run(ended, "success", "")
    assert copy_context().run(ended, "cancelled", "GeneratorExit")
