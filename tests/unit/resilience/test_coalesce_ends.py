"""Shared executions that are interrupted, late, forked or forgotten: nobody waits for ever."""

from __future__ import annotations

import gc
import os
import signal
import threading
from typing import Any

import pytest
from tests.unit.resilience.crowds import Crowd, guarded

from seawall.resilience import (
    Bulkhead,
    Fallback,
    Guard,
    TimedOut,
    Timeout,
)


class Alarm(BaseException):
    """What a signal handler raises."""


def test_who_waits_for_an_interrupted_execution_begins_anew(crowd: Crowd) -> None:
    b = guarded(bulkhead=Bulkhead(limit=3))
    runs = []

    @b.guard
    def work() -> str:
        runs.append(1)
        if len(runs) == 1:
            crowd.wait_for(3)
            b.clock.advance(1)
            raise Alarm
        crowd.wait_for(5)
        b.clock.advance(1)
        return "answer"

    first, *others = crowd.ask(work, work, work)
    assert type(first) is Alarm
    assert others == ["answer", "answer"]
    assert b.count("calls", "default", "cancelled") == 1
    assert b.count("calls", "default", "success") == 2
    assert b.count("coalesced_calls", "default") == 1
    assert b.count("bulkhead_in_flight") == 0
    entry = b.guard.ledger.layout.entry("call_duration", "default")
    # A second of the first, and both seconds of each of the others.
    assert b.guard.read()[entry.offset + len(entry.bounds) + 1] == pytest.approx(5)


def test_who_waits_is_bound_by_his_own_time(crowd: Crowd) -> None:
    b = guarded(timeout=Timeout(total=0.05))
    gone = threading.Event()

    @b.guard
    def work() -> str:
        assert gone.wait(10)
        return "late"

    def late() -> str:
        try:
            return work()
        finally:
            gone.set()

    answer, error = crowd.ask(work, late)
    assert answer == "late"
    assert isinstance(error, TimedOut)
    assert (error.scope, error.limit) == ("total", 0.05)
    assert b.count("timeouts", "default", "total") == 1
    assert b.count("calls", "default", "timeout") == 1
    assert b.count("calls", "default", "success") == 1
    assert b.count("attempts", "default", "success") == 1
    assert b.count("coalesced_calls", "default") == 0


def test_who_is_out_of_time_gets_the_fallback(crowd: Crowd) -> None:
    b = guarded(fallback=Fallback(default="none"))
    outer = Guard("outer", timeout=Timeout(total=0.05), registry=b.registry, clock=b.clock)
    gone = threading.Event()

    @b.guard
    def work() -> str:
        assert gone.wait(10)
        return "late"

    @outer
    def late() -> str:
        try:
            return work()
        finally:
            gone.set()

    assert crowd.ask(work, late) == ["late", "none"]
    assert b.count("calls", "default", "degraded") == 1


def test_the_time_of_him_who_executes_is_not_everybodys(crowd: Crowd) -> None:
    b = guarded()
    outer = Guard("outer", timeout=Timeout(total=1), registry=b.registry, clock=b.clock)
    runs = []

    @b.guard
    def work() -> str:
        runs.append(1)
        crowd.wait_for(2)
        if len(runs) == 1:
            b.clock.advance(1)
            raise ConnectionError
        return "answer"

    error, answer = crowd.ask(outer(work), work)
    assert isinstance(error, ConnectionError)
    assert answer == "answer"
    # A failure in time is everybody's.
    runs.clear()
    crowd.boarded.clear()

    @b.guard
    def fail() -> str:
        crowd.wait_for(2)
        b.clock.advance(0.9)
        raise ConnectionError

    assert [type(x) for x in crowd.ask(outer(fail), fail)] == [ConnectionError, ConnectionError]
    assert b.count("coalesced_calls", "default") == 1


def test_who_executes_may_ask_the_same_himself() -> None:
    b = guarded()
    depth = []

    @b.guard
    def again() -> int:
        depth.append(1)
        return again() if len(depth) < 3 else len(depth)

    assert again() == 3
    assert b.count("calls", "default", "success") == 3
    assert b.count("coalesced_calls", "default") == 0


def test_who_is_interrupted_while_he_waits_goes_and_the_others_stay(crowd: Crowd) -> None:
    b = guarded()
    gone = threading.Event()

    @b.guard
    def work() -> str:
        assert gone.wait(10)
        return "answer"

    def ring(*_: object) -> None:
        raise Alarm

    answers: list[Any] = []
    others = threading.Thread(target=lambda: answers.extend(crowd.ask(work, work, work)))
    others.start()
    crowd.wait_for(3)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Alarm):
            work()
    finally:
        signal.signal(signal.SIGALRM, before)
        gone.set()
    others.join(10)
    assert answers == ["answer"] * 3
    assert b.count("calls", "default", "cancelled") == 1
    assert b.count("calls", "default", "success") == 3


def test_failures_hold_nothing(crowd: Crowd) -> None:
    """Exceptions that were shared are freed without the collector, and their types, arguments kept."""
    b = guarded()
    gone = []

    class Freed(Exception):
        def __del__(self) -> None:
            gone.append(self.args)

    @b.guard
    def fail() -> None:
        crowd.wait_for(2)
        raise Freed(1)

    def call() -> None:
        try:
            fail()
        except Freed:
            return

    gc.disable()
    try:
        crowd.ask(call, call)
        crowd.boarded.clear()
        assert gone == [(1,), (1,)]
    finally:
        gc.enable()


def test_a_child_does_not_wait_for_whoever_flew_in_the_parent(crowd: Crowd) -> None:
    b = guarded()
    forked = threading.Event()
    parent = os.getpid()

    @b.guard
    def work() -> str:
        if os.getpid() == parent:
            assert forked.wait(10)
        return "answer"

    thread = threading.Thread(target=work)
    thread.start()
    crowd.wait_for(1)
    assert b.guard.flights is not None
    with b.guard.flights._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            os._exit(0 if work() == "answer" and b.count("calls", "default", "success") == 1 else 1)
    status = os.waitpid(child, 0)[1]
    forked.set()
    thread.join(10)
    assert os.waitstatus_to_exitcode(status) == 0
