"""A thread of telemetry's own: it holds up nobody, a fork begins it anew, and it ends by a deadline."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, TypeVar
from weakref import WeakSet

from opentelemetry import context as otel_context

#: Set while working, so that instrumented HTTP clients make no spans of it: the SDK's own convention.
_SUPPRESS = otel_context._SUPPRESS_INSTRUMENTATION_KEY

#: Items between two moments in which others may run: a third of a millisecond, at what the SDK takes for one.
_TURN: Final = 8

T = TypeVar("T")


class InTurns(list[T]):
    """A list that lets other threads run while it is gone through.

    The SDK encodes hundreds of items in one go, and a caller who wants to run meanwhile would wait for the
    interpreter's switch interval: 5 ms, for a call that takes microseconds.
    """

    def __iter__(self) -> Iterator[T]:
        for begin in range(0, len(self), _TURN):
            let_others_run()
            yield from self[begin : begin + _TURN]


def let_others_run() -> None:
    """For threads that nobody waits for: gives up the interpreter, and gets it back when nobody wants it."""
    time.sleep(0)


def at_work() -> bool:
    """Whether this is a worker's own doing: what it causes must not be work again."""
    return otel_context.get_value(_SUPPRESS) is True


class Worker:
    """A daemon thread that does ``work`` when woken, at least every ``interval`` seconds, and once more at
    the end.

    ``work`` must not raise. ``forked`` is called in a forked child before the thread begins anew there.
    """

    def __init__(
        self, name: str, work: Callable[[], None], *, interval: float, forked: Callable[[], None]
    ) -> None:
        self._name = name
        self._work = work
        self._interval = interval
        self._forked = forked
        self._thread: threading.Thread | None = None
        self.ending = False
        self._renew()

    def start(self) -> None:
        """Begin; for one that has ended, begin again."""
        self._renew()
        _workers.add(self)
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        # At its end CPython 3.12 begins no thread any more. What is queued then is what is lost then.
        with suppress(RuntimeError):
            self._thread.start()

    def wake(self) -> None:
        """Work now. For the thread that was interrupted in here too: a signal handler may call it."""
        if self._bell.empty():
            self._bell.put(None)

    def wait_idle(self, quiet: Callable[[], bool], timeout: float) -> bool:
        """Wake it, and wait until it rests and ``quiet`` is true; for ``timeout`` seconds at most."""
        self.wake()
        with self._idle:
            return self._idle.wait_for(lambda: quiet() and not self._busy, timeout)

    def ask_to_end(self) -> None:
        """Do what is left, then end. Returns at once."""
        self.ending = True
        self._bell.put(None)

    def ended(self, until: float) -> bool:
        """Whether it has ended, for which it has time until then, on the monotonic clock."""
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
            if self._thread.is_alive():
                return False
        _workers.discard(self)
        return True

    def begin_anew(self) -> None:
        """In a forked child, which has no thread but the one that forked."""
        self._forked()
        if self.ending:
            _workers.discard(self)
        else:
            self.start()

    def _renew(self) -> None:
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._idle = threading.Condition()
        self._busy = False
        self.ending = False

    def _run(self) -> None:
        otel_context.attach(otel_context.set_value(_SUPPRESS, True))
        while True:
            with suppress(Empty):
                self._bell.get(timeout=self._interval)
            if self.ending or not self._is_mine():
                break
            self._turn()
        if self._is_mine():
            self._turn()

    def _is_mine(self) -> bool:
        # One that was stuck when it should have ended has a successor by now, if it was begun again.
        return self._thread is threading.current_thread()

    def _turn(self) -> None:
        with suppress(Empty):
            while True:
                self._bell.get_nowait()
        with self._idle:
            self._busy = True
        self._work()
        with self._idle:
            self._busy = False
            self._idle.notify_all()


def done_by(until: float, work: Callable[[], object], name: str) -> None:
    """Do it on a thread of its own, and wait for that until then. What it raises is lost."""

    def quietly() -> None:
        with suppress(Exception):
            work()

    closing = threading.Thread(target=quietly, name=name, daemon=True)
    try:
        closing.start()
    except RuntimeError:
        return  # As in `start`: what is not closed ends with the process.
    closing.join(max(0.0, until - time.monotonic()))


_workers: WeakSet[Worker] = WeakSet()


def _after_fork_in_child() -> None:
    for worker in list(_workers):
        worker.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
