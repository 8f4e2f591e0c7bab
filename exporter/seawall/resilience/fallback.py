"""Fallback: what a caller gets when the dependency can't answer, and the store of answers to fall back on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Final, cast

from seawall.resilience.checks import Checks, type_names


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
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


@dataclass(slots=True)
class StaleStore:
    """Last good answers by key, at most ``capacity``. A key that can't be hashed is not kept."""

    settings: Fallback
    _values: OrderedDict[Hashable, tuple[Any, float]] = field(default_factory=OrderedDict)
    _lock: Any = field(default_factory=RLock)

    def key(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        if self.settings.key is not None:
            return operation, self.settings.key(*args, **kwargs)
        return (operation, args, tuple(sorted(kwargs.items()))) if kwargs else (operation, args)

    def keep(
        self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, now: float
    ) -> None:
        try:
            key = self.key(operation, args, kwargs)
            with self._lock:
                self._values[key] = (value, now)
                self._values.move_to_end(key)
                if len(self._values) > self.settings.capacity:
                    self._values.popitem(last=False)
        except TypeError:
            return

    def get(
        self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any], now: float
    ) -> tuple[Any, float] | None:
        """(value, age in seconds) of an answer that is young enough."""
        try:
            with self._lock:
                kept = self._values.get(self.key(operation, args, kwargs))
        except TypeError:
            return None
        if kept is None or now - kept[1] > cast("float", self.settings.stale_for):
            return None
        return kept[0], now - kept[1]

    def reset_lock(self) -> None:
        self._lock = RLock()
