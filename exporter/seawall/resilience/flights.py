"""Executions in progress that callers may join, by what was asked."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, Task
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import ContextVar, Token
from math import inf
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX, RLock
from types import FunctionType
from typing import Any
from weakref import WeakValueDictionary, ref

from seawall.resilience.attempt import Answer
from seawall.resilience.coalesce import Coalesce
from seawall.resilience.hedging import Hedged
from seawall.resilience.stale import Source, arguments, source_of
from seawall.resilience.verdict import neutral


class Flight:
    """One execution. ``answer`` is there when it has ended, by itself and not from outside.

    gate: something in it lets those through who wait in threads. A queue can be opened twice, and each of its
    methods is whole, whatever interrupt comes.
    counted: whether it is a call too: that of the one who began it, as long as he stays. first: what he waits
    for, in a task.
    outcome, error: of the call, from its journey; "" where it had none, as on the lane.
    shared: whether the answer is everybody's. What was interrupted, or ended because its own caller had no
    time left, says nothing to those who have.
    over: nobody may join any more. waiting: of the tasks that wait for it.
    """

    # Not slots: one is made on every call, and what is never set costs nothing.
    answer: Answer | None = None
    outcome = error = ""
    counted = True
    shared = over = False
    task: Task[None] | None = None
    first: Future[None] | None = None

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.gate: SimpleQueue[None] = SimpleQueue()
        self.waiting: list[Future[None]] = []

    @property
    def ended(self) -> bool:
        """Whether it came to something that was counted, or would have been."""
        return self.answer is not None or self.outcome != ""

    @property
    def left(self) -> bool:
        """Whether the one who began it was cancelled before it ended."""
        return self.first is not None and self.first.cancelled()

    def claimed(self) -> bool:
        """Whether it is counted as a call, asked when it ends."""
        self.counted = self.counted and not self.left
        return self.counted

    def land(self, ok: bool, value: Any, late: bool = False) -> None:
        """What it came to, noted before anybody is let go on."""
        if not self.outcome:
            # It ended on the lane, or was torn out of it.
            self.outcome = "success" if ok else "cancelled"
        torn = self.outcome == "cancelled" or (not ok and neutral(value))
        self.answer, self.shared = (ok, value), not (torn or late)

    def close(self) -> None:
        """Let go on who waits."""
        self.over = True
        self.gate.put(None)
        for future in self.waiting:
            try:
                if not future.done():
                    future.set_result(None)
            except RuntimeError:
                # Its event loop is closed: nobody waits there any more.
                continue

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
        return _bare(function)
    return source


def _bare(function: Callable[..., Any]) -> Callable[..., Any]:
    return function.timed if isinstance(function, Hedged) else function


class _Known:
    """Stands for a source that can't change, with a hash that costs nothing."""

    __slots__ = ("__weakref__",)


#: The executions that this code is part of, innermost last: it must not wait for them. Only their references,
#: for a task that outlives an execution keeps its context, and must not keep the answer.
Aboard = tuple[Callable[[], Flight | None], ...]
aboard: ContextVar[Aboard] = ContextVar("seawall_aboard", default=())


def _nothing() -> None:
    return


def aboard_of(flight: Flight | None) -> Aboard:
    """Those of code that is part of this one too, or of none that is shared."""
    outer = aboard.get()
    if outer:
        outer = tuple([it for it in outer if (other := it()) is not None and not other.over])
    return (*outer, _nothing if flight is None else ref(flight))


def ashore(token: Token[Aboard]) -> None:
    """Back to what this code was part of before."""
    # A coroutine that is closed from another context: its own context is gone with it.
    with suppress(ValueError):
        aboard.reset(token)


def counts(outcome: str, error: str) -> bool:
    """A call of a guard with shared executions has ended: whether it is counted, or several share it."""
    inside = aboard.get()
    flight = inside[-1]() if inside else None
    if flight is None or error == "GeneratorExit":
        # Not shared; or collected when its event loop was gone, in whoever's context.
        return True
    flight.outcome, flight.error = outcome, error
    return flight.claimed()


def uncounted(_: object) -> bool:
    """Whether what runs here is not counted as a call: the fast lane can't be taken to its end."""
    inside = aboard.get()
    flight = inside[-1]() if inside else None
    return flight is not None and not flight.claimed()


class Flights:
    """``failed`` is told of keys that can't be had: such a call is not shared."""

    __slots__ = ("_failed", "_flying", "_key", "_known", "_lock")

    def __init__(self, settings: Coalesce, failed: Callable[[Exception], None]) -> None:
        self._key = settings.key
        self._failed = failed
        # Weak: where an event loop was closed in the middle, the execution goes with its callers.
        self._flying: dict[Hashable, ref[Flight]] = {}
        self._known: WeakValueDictionary[Hashable, _Known] = WeakValueDictionary()
        self._lock = RLock()

    def source(self, operation: str, function: Callable[..., Any]) -> Source | _Known:
        """What :meth:`key` wants to know of a function; found once where that does not change."""
        plain = _bare(function)
        if type(plain) is not FunctionType or plain.__closure__ is not None:
            return operation, function
        with self._lock:
            return self._known.setdefault((operation, _whose(plain)), _Known())

    def key(
        self,
        source: Source | _Known,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        loop: AbstractEventLoop | None = None,
    ) -> Hashable:
        """What is the same for calls that may share; ``None`` where this one may not."""
        try:
            asked = arguments(args, kwargs) if self._key is None else self._key(*args, **kwargs)
            if asked is None:
                return None
            whose = source if isinstance(source, _Known) else (source[0], _whose(source[1]))
            key = whose, asked, loop
            hash(key)
        except Exception as error:
            self._failed(error)
            return None
        return key

    def board(self, mine: Flight) -> Flight:
        """The execution to join; ``mine`` when there is none, which others join from now on."""
        key = mine.key
        try:
            with self._lock:
                found = self._flying.get(key)
                flight = None if found is None else found()
                if flight is None or flight.over:
                    self._flying[key] = ref(mine, self._gone)
                    return mine
        except Exception as error:
            self._failed(error)
            return mine
        # Whoever is part of it would wait for himself.
        inside = aboard.get()
        return mine if inside and flight in [it() for it in inside] else flight

    def end(self, flight: Flight) -> None:
        """It has ended, one way or the other."""
        flight.close()
        self.drop(flight)

    def drop(self, flight: Flight) -> None:
        """Nobody finds it any more."""
        try:
            with self._lock:
                found = self._flying.get(flight.key)
                if found is not None and found() is flight:
                    del self._flying[flight.key]
        except Exception as error:
            self._failed(error)

    def _gone(self, reference: ref[Flight]) -> None:
        """Nobody holds it any more, and nobody said that it had ended."""
        with self._lock:
            for key, found in list(self._flying.items()):
                if found is reference:
                    self._flying.pop(key, None)

    def restart(self) -> None:
        """In a forked child: nobody is aboard, and whoever held the lock is not here."""
        self._lock = RLock()
        self._flying.clear()
