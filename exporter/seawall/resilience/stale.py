"""Former answers to fall back on: what is kept, and what tells one from another."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from threading import RLock
from types import FunctionType, MethodType
from typing import Any, cast

from seawall.resilience.fallback import Fallback
from seawall.resilience.hedging import Hedged
from seawall.resilience.stopwatch import Stopwatch
from seawall.resilience.unbegun import name_of

#: (operation, function) of an answer.
Source = tuple[str, Callable[..., Any]]
#: How Python says which type has no hash.
_UNHASHABLE = re.compile(r"unhashable type: '([\w.]+)'")


def source_of(function: Callable[..., Any]) -> Hashable:
    """What tells the answers of one function from another's: its code and all that is bound to it.

    Two closures of the same code are the same source only if what they captured is equal: the answer for one
    account must never be served for another. ``TypeError`` when something bound can't be hashed.
    """
    if isinstance(function, Stopwatch | Hedged):
        return source_of(function.timed)
    if isinstance(function, partial):
        return source_of(function.func), function.args, tuple(sorted(function.keywords.items()))
    if isinstance(function, MethodType):
        return source_of(function.__func__), function.__self__
    if not isinstance(function, FunctionType):
        return function
    captured = tuple(cell.cell_contents for cell in function.__closure__ or ())
    bound = (function.__defaults__, tuple(sorted((function.__kwdefaults__ or {}).items())))
    # Equal code of two modules is one code object to Python; what it calls is found in their globals.
    return function.__code__, id(function.__globals__), bound, captured


def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
    """What tells one question to a function from another; ``TypeError`` comes with the hashing of it."""
    # 1, 1.0 and True are equal, and are three questions.
    if not kwargs:
        return tuple(map(type, args)), args, ()
    types = tuple([type(value) for value in (*args, *kwargs.values())])
    return types, args, tuple(sorted(kwargs.items()))


def advice(function: Callable[..., Any], keyed: bool, error: Exception) -> str:
    """What to do about a call whose answer can't be kept for want of a hash; "" of any other trouble.

    No identity stands in for a hash: what has none may change, and then be another's question.
    """
    found = _UNHASHABLE.search(str(error)) if isinstance(error, TypeError) else None
    if found is None:
        return ""
    try:
        hash(source_of(function))
    except TypeError:
        what = "and it is bound to one: guard the plain function, and pass Fallback(key=...)"
    else:
        what = "and its key holds one" if keyed else "so pass Fallback(key=...), a function of its arguments"
    return f"no answer of {name_of(function)} is kept for stale_for: type {found[1]} has no hash, {what}"


@dataclass(slots=True)
class StaleStore:
    """Last good answers by operation, function and arguments, at most ``capacity``; the newest of each.

    An answer whose key can't be had (arguments without a hash, a ``key`` that raises) is not kept; ``failed``
    is told, with advice where there is any.
    """

    settings: Fallback
    failed: Callable[[Exception, str], None] = lambda error, advice: None
    _values: OrderedDict[Hashable, tuple[Any, float]] = field(default_factory=OrderedDict)
    _lock: Any = field(default_factory=RLock)

    def keep(
        self, source: Source, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, now: float
    ) -> None:
        try:
            key = self._key(source, args, kwargs)
            with self._lock:
                kept = self._values.get(key)
                if kept is not None and kept[1] > now:
                    return
                self._values[key] = (value, now)
                self._values.move_to_end(key)
                if len(self._values) > self.settings.capacity:
                    self._values.popitem(last=False)
        except Exception as error:
            self._tell(source, error)

    def get(
        self, source: Source, args: tuple[Any, ...], kwargs: dict[str, Any], now: float
    ) -> tuple[Any, float] | None:
        """(value, age in seconds) of an answer that is young enough."""
        try:
            key = self._key(source, args, kwargs)
            with self._lock:
                kept = self._values.get(key)
        except Exception as error:
            self._tell(source, error)
            return None
        if kept is None or now - kept[1] > cast("float", self.settings.stale_for):
            return None
        return kept[0], now - kept[1]

    def reset_lock(self) -> None:
        self._lock = RLock()

    def _tell(self, source: Source, error: Exception) -> None:
        self.failed(error, advice(source[1], self.settings.key is not None, error))

    def _key(self, source: Source, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        operation, function = source
        whose = operation, source_of(function)
        if self.settings.key is not None:
            return whose, self.settings.key(*args, **kwargs)
        return whose, arguments(args, kwargs)
