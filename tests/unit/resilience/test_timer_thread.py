"""The timer of a process, on the real clock: one thread, none in a child, none that holds up the exit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from typing import Any

import pytest

from seawall.resilience import Breaker, Guard, Registry
from seawall.resilience.events import Transition
from seawall.resilience.timer import NAME

OPENS_AT_ONCE = Breaker(minimum_calls=1, window_calls=1, open_for=30)


def fail(guard: Guard) -> None:
    with pytest.raises(ConnectionError):
        guard.call(_fails)


def _fails() -> None:
    raise ConnectionError


def test_a_real_thread_in_a_context_of_its_own() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    registry, seen = Registry("t"), threading.Event()
    found: list[tuple[str, bool, str]] = []

    def listener(event: Any) -> None:
        if event.to_state == "half_open":
            thread = threading.current_thread()
            found.append((thread.name, thread.daemon, variable.get()))
            seen.set()

    registry.subscribe(listener, events=(Transition,))
    breaker = Breaker(minimum_calls=1, window_calls=1, open_for=0.001)
    guard = Guard("bank", breaker=breaker, registry=registry)
    variable.set("of the call")
    fail(guard)
    assert seen.wait(10)
    assert found == [(NAME, True, "none")]
    assert guard.state == "half_open"


def test_the_process_has_one_on_the_clock_that_guards_have() -> None:
    before = threading.active_count()
    guard = Guard("bank", breaker=OPENS_AT_ONCE, registry=Registry("t"))
    assert guard.clock is time.monotonic
    fail(guard)
    other = Guard("other", breaker=OPENS_AT_ONCE, registry=Registry("t"))
    fail(other)
    assert [t.name for t in threading.enumerate()].count(NAME) == 1
    assert threading.active_count() <= before + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_begins_without_the_thread_and_starts_its_own() -> None:
    source = """
import os, sys, threading
from seawall.resilience import Breaker, Guard, Registry
from seawall.resilience.events import Transition

def fails():
    raise ConnectionError

def names():
    return [t.name for t in threading.enumerate()]

def opened(name):
    breaker = Breaker(minimum_calls=1, window_calls=1, open_for=0.05)
    guard = Guard(name, breaker=breaker, registry=registry)
    try:
        guard.call(fails)
    except ConnectionError:
        return guard

registry = Registry()
seen = {"before": threading.Event(), "after": threading.Event()}
def listener(event):
    if event.to_state == "half_open":
        seen[event.dependency].set()
before = opened("before")
registry.subscribe(listener, events=(Transition,))
assert "seawall-timer" in names()
child = os.fork()
if not child:
    ok = names() == ["MainThread"] and before.state == "open"
    opened("after")
    ok = ok and "seawall-timer" in names() and all(e.wait(10) for e in seen.values())
    os._exit(0 if ok else 7)
_, status = os.waitpid(child, 0)
assert seen["before"].wait(10)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    # Since 3.12 Python warns of forks beside threads: the one that is meant here.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_open_breaker_does_not_hold_up_the_exit() -> None:
    source = """
from seawall.resilience import Breaker, Guard
guard = Guard("bank", breaker=Breaker(minimum_calls=1, window_calls=1, open_for=3000))
try:
    guard.call(lambda: 1 / 0)
except ZeroDivisionError:
    print(guard.state)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "open\n", "")
