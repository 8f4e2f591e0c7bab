"""The thread that telemetry's work is done by, and how it lets others run."""

from __future__ import annotations

import threading
import time

import pytest

from seawall.telemetry.worker import InTurns, Worker, at_work, done_by

LONG = 3600.0


def test_whoever_goes_through_a_list_lets_others_run_between(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    items = InTurns(range(20))
    assert [item for item in items] == list(range(20))  # noqa: C416 - going through it is what is asked
    assert slept == [0, 0, 0]
    assert len(items) == 20
    assert list(InTurns[int]()) == []


def test_it_works_when_woken_and_once_at_the_end() -> None:
    done = threading.Semaphore(0)
    asked: list[bool] = []

    def work() -> None:
        asked.append(at_work())
        done.release()

    worker = Worker("test", work, interval=LONG, forked=lambda: None)
    worker.start()
    worker.wake()
    assert done.acquire(timeout=10)
    worker.ask_to_end()
    assert worker.ended(time.monotonic() + 10)
    assert asked == [True, True]
    assert not at_work()


def test_it_works_at_intervals() -> None:
    done = threading.Semaphore(0)
    worker = Worker("test", done.release, interval=0.01, forked=lambda: None)
    worker.start()
    for _ in range(3):
        assert done.acquire(timeout=10)
    worker.ask_to_end()
    assert worker.ended(time.monotonic() + 10)


def test_one_that_was_stuck_has_a_successor_and_does_no_more() -> None:
    entered, let_go = threading.Semaphore(0), threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        entered.release()
        let_go.wait()

    worker = Worker("test", work, interval=LONG, forked=lambda: None)
    worker.start()
    worker.wake()
    assert entered.acquire(timeout=10)
    worker.ask_to_end()
    assert not worker.ended(time.monotonic())
    worker.start()
    let_go.set()
    threads[0].join(10)
    worker.ask_to_end()
    assert worker.ended(time.monotonic() + 10)
    assert len(threads) == len(set(threads)) == 2


def test_what_closing_raises_is_lost() -> None:
    def close() -> None:
        raise RuntimeError

    began = time.monotonic()
    done_by(began + 10, close, "test")
    assert time.monotonic() - began < 10
