"""Executions in progress that callers may join, by what was asked."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Task
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX, RLock
from typing import Any
from weakref import WeakValueDictionary

from seawall.resilience.attempt import Answer
from seawall.resilience.coalesce import Coalesce
from seawall.resilience.stale import Source, arguments, source_of


class Flight:
    """One execution. ``answer`` is there when it has ended, by itself and not from outside.

    gate: something in it lets those through who wait in threads. A queue can be opened twice, and each of its
    methods is whole, whatever interrupt comes.
    shared: whether the answer is everybody's. What was interrupted, or ended because its own caller had no
    time left, says nothing to those who have.
    over: nobody may join any more. waiting: tasks that wait for it.
    """

    __slots__ = (
        "__weakref__",
        "answer",
        "error",
        "gate",
        "key",
        "outcome",
        "over",
        "shared",
        "task",
        "waiting",
    )

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.answer: Answer | None = None
        self.outcome = "cancelled"
        self.error = ""
        self.shared = self.over = False
        self.task: Task[None] | None = None
        self.waiting = 0
        self.gate: SimpleQueue[None] = SimpleQueue()

    def wait(self, seconds: float) -> bool:
        """Wait in this thread; whether it has ended."""
        try:
            with suppress(Empty):
                self.gate.get(timeout=None if seconds == inf else max(0.0, min(seconds, TIMEOUT_MAX)))
        finally:
            # One is let through at a time and lets the next one through, even if interrupted here.
            if self.over:
                self.gate.put(None)
        return self.over


def _whose(function: Callable[..., Any]) -> Hashable:
    """What tells one function from another; by what it captured where that can be compared."""
    try:
        source = source_of(function)
        hash(source)
    except Exception:
        return getattr(function, "timed", function)
    return source


#: The executions that this code is part of: it must not wait for them. Only their gates, for a task that
#: outlives an execution keeps its context, and must not keep the answer.
aboard: ContextVar[tuple[SimpleQueue[None], ...]] = ContextVar("seawall_aboard", default=())


class Flights:
    """``failed`` is told of keys that can't be had: such a call is not shared."""

    __slots__ = ("_failed", "_flying", "_key", "_lock")

    def __init__(self, settings: Coalesce, failed: Callable[[Exception], None]) -> None:
        self._key = settings.key
        self._failed = failed
        # Weak: where an event loop was closed in the middle, the execution goes with its callers.
        self._flying: WeakValueDictionary[Hashable, Flight] = WeakValueDictionary()
        self._lock = RLock()

    def key(
        self,
        source: Source,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        loop: AbstractEventLoop | None = None,
    ) -> Hashable:
        """What is the same for calls that may share; ``None`` where this one may not."""
        try:
            asked = arguments(args, kwargs) if self._key is None else self._key(*args, **kwargs)
            if asked is None:
                return None
            operation, function = source
            key = operation, _whose(function), asked, loop
            hash(key)
        except Exception as error:
            self._failed(error)
            return None
        return key

    def board(self, mine: Flight) -> Flight:
        """The execution to join; ``mine`` when there is none, which others join from now on."""
        try:
            with self._lock:
                flight = self._flying.get(mine.key)
                if flight is None or flight.over:
                    flight = self._flying[mine.key] = mine
        except Exception as error:
            self._failed(error)
            return mine
        # Whoever is part of it would wait for himself.
        return mine if flight is not mine and flight.gate in aboard.get() else flight

    def end(self, flight: Flight) -> None:
        """It has ended, one way or the other."""
        flight.over = True
        flight.gate.put(None)
        self.drop(flight)

    def drop(self, flight: Flight) -> None:
        """Nobody finds it any more."""
        try:
            with self._lock:
                if self._flying.get(flight.key) is flight:
                    del self._flying[flight.key]
        except Exception as error:
            self._failed(error)

    def restart(self) -> None:
        """In a forked child: nobody is aboard, and whoever held the lock is not here."""
        self._lock = RLock()
        self._flying.clear()
