"""Interrupts between the taking of a place and its noting, one by one."""

from __future__ import annotations

import pytest

from seawall.resilience import Bulkhead
from seawall.resilience.bulkhead import BulkheadState, Granted


class Interrupting(list[None]):
    """The interrupt arrives when the place has just been taken."""

    def pop(self, index: object = -1) -> None:
        super().pop()
        raise KeyboardInterrupt


class Waiter:
    def __init__(self) -> None:
        self.placed = False
        self.woken = 0

    def wake(self) -> bool:
        self.woken += 1
        return True


def state() -> BulkheadState:
    return BulkheadState(Bulkhead(limit=1, max_queue=2, max_wait=1.0))


def test_a_place_that_was_taken_and_not_noted_is_given_back() -> None:
    bulkhead = state()
    bulkhead.permits = Interrupting([None])
    granted: Granted = []
    with pytest.raises(KeyboardInterrupt):
        bulkhead.enter(granted)
    assert (granted, bulkhead.in_flight) == ([], 0)


def test_a_waiter_that_was_not_given_its_place_goes_on_waiting() -> None:
    bulkhead, waiter = state(), Waiter()
    assert bulkhead.enter([])
    assert bulkhead.join(waiter, 1) == ""
    bulkhead.permits = Interrupting([None])
    with pytest.raises(KeyboardInterrupt):
        bulkhead.wake()
    assert (waiter.placed, waiter.woken, list(bulkhead.waiters)) == (False, 0, [waiter])
    bulkhead.permits = [None]
    bulkhead.wake()
    assert (waiter.placed, waiter.woken, list(bulkhead.waiters)) == (True, 1, [])


def test_a_waiter_that_was_placed_and_not_woken_is_woken_next_or_finds_it_out() -> None:
    for finds_out in (False, True):
        bulkhead, waiter, granted = state(), Waiter(), []
        assert bulkhead.enter([])
        assert bulkhead.join(waiter, 1) == ""
        waiter.placed = True  # and then came the interrupt: it is still in the queue
        if not finds_out:
            bulkhead.permits.append(None)
            bulkhead.wake()
            assert (waiter.woken, len(bulkhead.permits)) == (1, 1)
        assert bulkhead.waited(waiter, granted) == ""
        assert granted == [bulkhead.leave]
        assert (waiter.placed, list(bulkhead.waiters)) == (False, [])


def test_a_place_that_goes_while_somebody_is_to_have_it_is_not_given() -> None:
    bulkhead, waiter = state(), Waiter()
    assert bulkhead.enter([])
    assert bulkhead.join(waiter, 1) == ""

    class Gone(list[None]):
        def pop(self, index: object = -1) -> None:
            raise IndexError

    bulkhead.permits = Gone([None])
    bulkhead.wake()
    assert (waiter.placed, waiter.woken, list(bulkhead.waiters)) == (False, 0, [waiter])


def test_who_is_abandoned_in_the_queue_leaves_it_and_gives_nothing_back() -> None:
    bulkhead, waiter = state(), Waiter()
    assert bulkhead.enter([])
    assert bulkhead.join(waiter, 1) == ""
    bulkhead.abandon(waiter)
    assert (list(bulkhead.waiters), bulkhead.in_flight) == ([], 1)


def test_a_place_that_was_given_to_who_is_abandoned_goes_to_the_next() -> None:
    bulkhead, waiter, other = state(), Waiter(), Waiter()
    assert bulkhead.enter([])
    for one in (waiter, other):
        assert bulkhead.join(one, 1) == ""
    bulkhead.leave()
    assert (waiter.placed, other.placed, bulkhead.in_flight) == (True, False, 1)
    bulkhead.abandon(waiter)
    assert (waiter.placed, other.placed, bulkhead.in_flight) == (False, True, 1)
    bulkhead.abandon(other)
    assert (other.placed, list(bulkhead.waiters), bulkhead.in_flight) == (False, [], 0)


def test_who_comes_just_after_a_place_was_left_has_it() -> None:
    bulkhead, waiter = state(), Waiter()
    assert bulkhead.join(waiter, 1) == ""
    assert (waiter.placed, waiter.woken) == (True, 0)
    assert (list(bulkhead.waiters), bulkhead.in_flight) == ([], 1)
