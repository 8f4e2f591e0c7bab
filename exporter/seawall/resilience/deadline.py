"""The deadline that nested guards inherit, through a context variable.

A task that was started inside a guarded call copies its context, and may outlive the call. So a deadline is a
record that its call marks as over: from then on it binds nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from math import inf
from typing import Any

Clock = Callable[[], float]

#: [when, on which clock, the deadline around it]: a list, because one is made on every call with a timeout.
Deadline = list[Any]
AT, CLOCK, OUTER = range(3)

current: ContextVar[Deadline | None] = ContextVar("seawall_deadline", default=None)


def alive(deadline: Deadline | None) -> Deadline | None:
    """The deadline, or the next one around it whose call is not over."""
    while deadline is not None and deadline[AT] == inf:
        deadline = deadline[OUTER]
    return deadline


def rest_of(deadline: Deadline | None) -> float:
    """Seconds left of a deadline and of all around it, each on its own clock; negative when past."""
    rest = inf
    while deadline is not None:
        if deadline[AT] != inf:
            rest = min(rest, deadline[AT] - deadline[CLOCK]())
        deadline = deadline[OUTER]
    return rest


def remaining() -> float | None:
    """Seconds left until the deadline of the guards around this code, never below 0; ``None`` without one."""
    rest = rest_of(current.get())
    return None if rest == inf else max(0.0, rest)


def reset(token: Token[Deadline | None]) -> None:
    """Go back to the deadline around this one, which is marked as over already."""
    try:
        current.reset(token)
    except ValueError:
        # A coroutine that is closed from another context: its own context is gone with it.
        return


def within(limit: float | None, clock: Clock, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` with a deadline that guards inside it inherit; itself where there is no limit."""
    if limit is None:
        return function

    def run(*args: Any, **kwargs: Any) -> Any:
        deadline: Deadline = [clock() + limit, clock, alive(current.get())]
        token = None
        try:
            token = current.set(deadline)
            return function(*args, **kwargs)
        finally:
            # First what no interrupt can come before: from here on it binds nobody.
            deadline[AT] = inf
            if token is not None:
                reset(token)

    return run
