"""Who goes first when there is not room for all: a call's priority, carried by a context variable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from seawall.resilience.checks import Checks

#: From the most important to the first to be turned away. A guard's criticality is one of them, too.
PRIORITIES = ("critical", "default", "sheddable")

_current: ContextVar[str | None] = ContextVar("seawall_priority", default=None)


@contextmanager
def priority(level: str) -> Iterator[None]:
    """Give all guarded calls in this block a priority: ``critical``, ``default`` or ``sheddable``.

    It is asked for where calls queue (see :class:`Bulkhead`), and holds in tasks that the block starts.
    Without one a call has the criticality of its guard. ``ConfigurationError`` on any other level.

    with priority("sheddable"):
        warm_the_cache()
    """
    checks = Checks("priority")
    checks.one_of("level", level, PRIORITIES)
    checks.done()
    token = _current.set(level)
    try:
        yield
    finally:
        _current.reset(token)


def rank(criticality: str) -> int:
    """Rank of the call that asks, 0 the most important; ``criticality`` of its guard where none is set."""
    return PRIORITIES.index(_current.get() or criticality)
