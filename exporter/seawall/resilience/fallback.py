"""Fallback: what a caller gets when the dependency can't answer, and the store of answers to fall back on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from threading import RLock
from types import FunctionType, MethodType
from typing import Any, Final, cast

from seawall.resilience.checks import Checks, type_names
from seawall.resilience.stopwatch import Stopwatch


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
#: (operation, function) of an answer.
Source = tuple[str, Callable[..., Any]]
MODES = ("alternative", "stale", "queued", "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Answer all the same, and say so: the call's outcome is ``degraded``.

    Tried in this order, those that are set:

    alternative: a function called with the call's arguments, mode ``alternative``.
    stale_for: seconds that a former answer to the same arguments may be old, mode ``stale``.
    queue: a function that keeps the work for later, called with the call's arguments, mode ``queued``.
    default: a value, mode ``default``.

    on: exception types that bring the fallback, rejections and timeouts of the guard among them.
    timeout: seconds that ``alternative`` or ``queue`` may take (``async def`` only).
    key: of a call's arguments, for ``stale_for``; by default the arguments themselves, which must be
    hashable.
    capacity: answers kept for ``stale_for``, the least recently written leave first.
    """

    alternative: Callable[..., Any] | None = None
    stale_for: float | None = None
    queue: Callable[..., Any] | None = None
    default: Any = MISSING
    on: tuple[type[BaseException], ...] = (Exception,)
    timeout: float | None = None
    key: Callable[..., Hashable] | None = None
    capacity: int = 1024

    def __post_init__(self) -> None:
        checks = Checks("Fallback")
        for name in ("alternative", "queue", "key"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                checks.fail(name, getattr(self, name), "a function, or None")
        checks.number("stale_for", self.stale_for, above=0, optional=True)
        checks.number("timeout", self.timeout, above=0, optional=True)
        checks.number("capacity", self.capacity, at_least=1, at_most=10_000_000, whole=True)
        checks.exceptions("on", self.on)
        if not self.modes:
            checks.fail("default", self.default, "at least one of alternative, stale_for, queue, default")
        checks.done()

    @property
    def modes(self) -> tuple[str, ...]:
        has = (self.alternative is not None, self.stale_for is not None, self.queue is not None)
        return tuple(m for m, there in zip(MODES, (*has, self.default is not MISSING), strict=True) if there)

    def describe(self) -> dict[str, object]:
        return {
            "modes": list(self.modes),
            "stale_for": self.stale_for,
            "timeout": self.timeout,
            "capacity": self.capacity,
            "on": type_names(self.on),
        }


def source_of(function: Callable[..., Any]) -> Hashable:
    """What tells the answers of one function from another's: its code and all that is bound to it.

    Two closures of the same code are the same source only if what they captured is equal: the answer for one
    account must never be served for another. ``TypeError`` when something bound can't be hashed.
    """
    if isinstance(function, Stopwatch):
        return source_of(function.timed)
    if isinstance(function, partial):
        return source_of(function.func), function.args, tuple(sorted(function.keywords.items()))
    if isinstance(function, MethodType):
        return source_of(function.__func__), function.__self__
    if not isinstance(function, FunctionType):
        return function
    captured = tuple(cell.cell_contents for cell in function.__closure__ or ())
    bound = (function.__defaults__, tuple(sorted((function.__kwdefaults__ or {}).items())))
    return function.__code__, bound, captured


@dataclass(slots=True)
class StaleStore:
    """Last good answers by operation, function and arguments, at most ``capacity``.

    An answer whose key can't be hashed is not kept.
    """

    settings: Fallback
    _values: OrderedDict[Hashable, tuple[Any, float]] = field(default_factory=OrderedDict)
    _lock: Any = field(default_factory=RLock)

    def keep(
        self, source: Source, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, now: float
    ) -> None:
        try:
            key = self._key(source, args, kwargs)
            with self._lock:
                self._values[key] = (value, now)
                self._values.move_to_end(key)
                if len(self._values) > self.settings.capacity:
                    self._values.popitem(last=False)
        except (TypeError, ValueError):
            return

    def get(
        self, source: Source, args: tuple[Any, ...], kwargs: dict[str, Any], now: float
    ) -> tuple[Any, float] | None:
        """(value, age in seconds) of an answer that is young enough."""
        try:
            with self._lock:
                kept = self._values.get(self._key(source, args, kwargs))
        except (TypeError, ValueError):
            return None
        if kept is None or now - kept[1] > cast("float", self.settings.stale_for):
            return None
        return kept[0], now - kept[1]

    def reset_lock(self) -> None:
        self._lock = RLock()

    def _key(self, source: Source, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        operation, function = source
        whose = operation, source_of(function)
        if self.settings.key is not None:
            return whose, self.settings.key(*args, **kwargs)
        return (whose, args, tuple(sorted(kwargs.items()))) if kwargs else (whose, args)
