"""The lives of worker threads: how many, interrupts, forks, the exit, other settings."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading

import pytest
from tests.unit.resilience.bench import CALM, Bench
from tests.unit.resilience.hanging import LONG, Hanging, bench, wait_for

from seawall.resilience import (
    Bulkhead,
    ConfigurationError,
    Guard,
    Registry,
    ThreadsBusy,
    TimedOut,
    Timeout,
    remaining,
)
from seawall.resilience import worker_threads as module

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")


def test_no_threads_no_series_and_no_pool() -> None:
    b = Bench("sync", timeout=Timeout(attempt=1))
    assert b.guard.workers is None
    assert not b.guard.ledger.layout.has("timeout_abandoned")
    assert not b.guard.ledger.layout.has("rejections", "timeout", "threads_busy")
    assert b.guard.operation("default").lane == 1
    threaded = bench()
    assert threaded.guard.ledger.layout.has("rejections", "timeout", "threads_busy")
    assert threaded.guard.operation("default").lane == 0


def test_as_many_threads_as_calls_at_once_and_no_more() -> None:
    b = bench(threads=3, attempt=LONG)
    names: set[int] = set()
    together = threading.Barrier(3)

    def work() -> None:
        names.add(threading.get_ident())
        together.wait(10)

    for _ in range(20):
        callers = [threading.Thread(target=b.guard.call, args=(work,)) for _ in range(3)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(10)
    assert b.count("calls", "default", "success") == 60
    assert len(names) == 3
    workers = [t for t in threading.enumerate() if t.ident in names]
    assert len(workers) == 3


def test_an_idle_pool_starts_no_second_thread() -> None:
    b = bench(threads=5, attempt=LONG)
    assert len({b.guard.call(threading.get_ident) for _ in range(100)}) == 1


def test_a_system_out_of_threads_turns_calls_away(monkeypatch: pytest.MonkeyPatch) -> None:
    b = bench(attempt=LONG)

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(module.Thread, "start", start)
        for _ in range(3):
            with pytest.raises(ThreadsBusy):
                b.guard.call(int)
    assert b.count("rejections", "timeout", "threads_busy") == 3
    assert b.guard.call(int) == 0


def test_a_thread_too_many_ends_at_once() -> None:
    seats: list[None] = []
    module._serve(seats, None)  # type: ignore[arg-type]
    assert seats == []


def test_threads_end_with_their_guard() -> None:
    b = bench(threads=2, attempt=LONG)
    here = threading.current_thread()
    thread = b.guard.call(threading.current_thread)
    assert thread is not here
    assert thread.is_alive()
    del b
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


class Alarm(BaseException):
    pass


def test_an_interrupt_while_waiting_abandons_the_thread(hanging: Hanging) -> None:
    b = Bench("sync", timeout=Timeout(attempt=LONG, threads=2), bulkhead=Bulkhead(limit=1), retry=CALM)

    def ring(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Alarm):
            b.guard.call(hanging)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert b.count("timeout_abandoned") == 1
    assert b.count("bulkhead_in_flight") == 0
    assert b.count("calls", "default", "cancelled") == 1
    assert b.guard.call(int) == 0
    hanging.gate.set()
    wait_for(lambda: b.count("timeout_abandoned") == 0)
    assert b.guard.workers is not None
    assert len(b.guard.workers.places) == 2


RINGING = """
import gc, signal, time
from seawall.resilience import Guard, ThreadsBusy, Timeout

class Alarm(BaseException): ...

def ring(*_):
    if armed:
        raise Alarm

bank = Guard("bank", timeout=Timeout(attempt=60, threads=2))
signal.signal(signal.SIGALRM, ring)
gc.disable()
armed, rung, until = False, 0, time.monotonic() + 0.5
while time.monotonic() < until:
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, 0.0002)
        while True:
            bank.call(sum, range(50))
    except Alarm:
        armed, rung = False, rung + 1
    except ThreadsBusy:
        armed = False
armed, until = False, time.monotonic() + 10
while time.monotonic() < until and (len(bank.workers.places) < 2 or bank.workers.abandoned):
    time.sleep(0.001)
print(rung > 50, len(bank.workers.places), len(bank.workers.abandoned), bank.call(int))
"""


def test_interrupts_by_signals_lose_no_thread() -> None:
    # Apart from this process: whoever traces it, coverage too, takes locks where an interrupt strikes.
    done = subprocess.run(
        [sys.executable, "-c", RINGING], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("True 2 0 0\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_begins_with_threads_of_its_own(hanging: Hanging) -> None:
    b = bench(threads=2)
    with pytest.raises(TimedOut):
        b.guard.call(hanging)
    quick = Timeout(attempt=LONG, threads=1)
    other = Guard("other", timeout=quick, registry=Registry("o"))
    assert other.call(int) == 0
    child = os.fork()
    if child == 0:
        fine = b.count("timeout_abandoned") == 0 and other.call(lambda: 7) == 7
        assert b.guard.workers is not None
        os._exit(0 if fine and len(b.guard.workers.places) == 2 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b.count("timeout_abandoned") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_worker_may_fork() -> None:
    guard = Guard("bank", timeout=Timeout(attempt=LONG, threads=1), registry=Registry("t"))

    def fork() -> int:
        child = os.fork()
        if child == 0:
            fine = [guard.call(lambda: 7), guard.call(lambda: 8)] == [7, 8]
            os._exit(0 if fine else 1)
        return child

    _, status = os.waitpid(guard.call(fork), 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_hanging_worker_does_not_hold_up_the_exit() -> None:
    source = """
import threading, sys
from seawall.resilience import Guard, TimedOut, Timeout
bank = Guard("bank", timeout=Timeout(attempt=0.01, threads=2))
bank.call(int)
try:
    bank.call(threading.Event().wait)
except TimedOut as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "bank: attempt timeout of 0.01 s exceeded\n",
        "",
    )


def test_other_settings_keep_the_threads_and_what_is_abandoned(hanging: Hanging) -> None:
    b = bench()
    workers = b.guard.workers
    with pytest.raises(TimedOut):
        b.guard.call(hanging)
    b.guard.reconfigure(timeout=Timeout(attempt=LONG, threads=1))
    assert b.guard.workers is workers
    with pytest.raises(ThreadsBusy):
        b.guard.call(int)
    hanging.gate.set()
    wait_for(lambda: b.count("timeout_abandoned") == 0)
    assert b.guard.call(remaining) == LONG
    assert b.guard.operation("default").lane == 0


@pytest.mark.parametrize(("old", "new"), [(None, 2), (2, None), (2, 3)])
def test_the_number_of_threads_stays(old: int | None, new: int | None) -> None:
    guard = Guard("bank", timeout=Timeout(attempt=1, threads=old), registry=Registry("t"))
    with pytest.raises(ConfigurationError) as caught:
        guard.reconfigure(timeout=Timeout(attempt=1, threads=new))
    assert caught.value.problems == (f"Guard 'bank'.timeout.threads is {new}; allowed: {old}",)
