"""Settings of a fallback: what a caller gets when the dependency can't answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

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
    key: of a call's arguments, for ``stale_for``; by default the arguments themselves, ``self`` of a method
    among them, which must be hashable. Of a call whose key can't be had nothing is kept.
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
