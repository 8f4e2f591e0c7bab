"""A lock that survives forks and signal handlers."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from seawall.telemetry.dropped import Dropped
from seawall.telemetry.locks import CallLock


def test_it_keeps_others_out() -> None:
    lock, entered = CallLock(), threading.Event()

    def enter() -> None:
        with lock:
            entered.set()

    other = threading.Thread(target=enter)
    with lock:
        other.start()
        assert not entered.wait(0.05)
    assert entered.wait(10)
    other.join()


def test_a_signal_handler_may_take_it_again() -> None:
    lock, handled = CallLock(), []

    def handler(*_: object) -> None:
        with lock:
            handled.append(True)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with lock:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert handled == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_finds_it_free() -> None:
    dropped, held, done = Dropped(), threading.Event(), threading.Event()

    def hold() -> None:
        with dropped._lock:
            held.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    child = os.fork()
    if child == 0:  # a deadlock here is ended by the alarm, which is no clean exit
        signal.alarm(5)
        dropped.add("logs", "rate_limited")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(status) == 0
