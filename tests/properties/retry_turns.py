"""What an attempt comes to, as a machine draws it, and what each means to a guard that retries."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from seawall.resilience import BreakerOpen

#: What an error's ``retry_after`` says, and what is made of it.
ASKS: list[tuple[Any, float | None]] = [
    (None, None),
    (0.25, 0.25),
    ("3", 3.0),
    (timedelta(seconds=1.5), 1.5),
    (4.0, 4.0),
    (4.5, 4.5),
    (-1, None),
    (math.nan, None),
    (math.inf, math.inf),
    ("soon", None),
    (True, None),
]


class Ignored(Exception): ...


class Busy(Exception):
    """The dependency asks to be left alone for a time."""

    def __init__(self, asks: tuple[Any, float | None]) -> None:
        super().__init__(asks)
        self.retry_after = asks[0]
        self.meant = asks[1]


class Unready(str):
    """A result that is worth another attempt."""

    __slots__ = ()


Asks = tuple[Any, float | None]
#: Kind to (what is made for it, the outcome of the attempt).
KINDS: dict[str, tuple[Callable[[Asks], Any], str]] = {
    "answer": (lambda _: object(), "success"),
    "unready": (lambda _: Unready("wait"), "success"),
    "lost": (lambda _: ConnectionError(), "failure"),
    "refused": (lambda _: ConnectionRefusedError(), "failure"),
    "busy": (Busy, "failure"),
    "late": (lambda _: TimeoutError(), "timeout"),
    "wrong": (lambda _: ValueError(), "failure"),
    "another's breaker": (lambda _: BreakerOpen("other", "breaker", "open", 1.5), "failure"),
    "ignored": (lambda _: Ignored(), "ignored"),
    "all ignored": (lambda _: ExceptionGroup("", [Ignored(), Ignored()]), "ignored"),
    "both": (lambda asks: ExceptionGroup("", [Ignored(), Busy(asks), ConnectionError()]), "failure"),
    "all refused": (lambda _: ExceptionGroup("", [ConnectionRefusedError()] * 2), "failure"),
    "cancelled": (lambda _: asyncio.CancelledError(), "cancelled"),
    "torn": (lambda _: BaseExceptionGroup("", [ConnectionError(), asyncio.CancelledError()]), "cancelled"),
}


@dataclass(frozen=True, eq=False)
class Turn:
    """One attempt: how long it takes, and how it ends. ``trips``: the breaker is forced open meanwhile."""

    kind: str
    seconds: float
    asks: Asks
    trips: bool
    made: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "made", KINDS[self.kind][0](self.asks))


@dataclass(frozen=True)
class Plan:
    """A call. ``naps``: what happens in each wait; ``draws``: what chance says, over and over."""

    interrupt: BaseException = field(init=False)
    how: str
    operation: str
    turns: list[Turn]
    naps: list[str]
    draws: list[float]

    def __post_init__(self) -> None:
        kind = asyncio.CancelledError if self.how == "async def" else KeyboardInterrupt
        object.__setattr__(self, "interrupt", kind())


def single(error: BaseException) -> Iterator[BaseException]:
    """Those in a group, or the one that is none; no group here holds groups."""
    yield from error.exceptions if isinstance(error, BaseExceptionGroup) else [error]


def any_of(error: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    return any(isinstance(one, types) for one in single(error))


def all_of(error: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    return all(isinstance(one, types) for one in single(error))


def says(error: BaseException) -> object:
    """A ``Retry.retry_after`` that knows timeouts only; for other errors it raises."""
    return {"TimeoutError": "2"}[type(error).__name__]
