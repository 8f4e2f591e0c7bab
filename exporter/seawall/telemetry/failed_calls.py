"""The last calls of each guard that failed, as far as they were traced: whose traces say why it opened.

The core counts failures and names their types; which traces they stand in is telemetry's to remember. What
is kept is bounded for each guard and goes with it.
"""

from __future__ import annotations

from collections import deque
from weakref import WeakKeyDictionary

from opentelemetry.trace import SpanContext, format_trace_id

from seawall.resilience import Guard
from seawall.resilience.events import Transition
from seawall.telemetry.locks import CallLock

#: How many are kept of a guard, and linked to at most.
MOST = 8


class _Failed:
    """Of one guard: the last ones, and those that were the last when it opened at ``opened_at``."""

    __slots__ = ("last", "opened_at", "tripped")

    def __init__(self) -> None:
        self.last: deque[SpanContext] = deque(maxlen=MOST)
        self.opened_at: float | None = None
        self.tripped: tuple[SpanContext, ...] = ()


_lock = CallLock()
_failed: WeakKeyDictionary[Guard, _Failed] = WeakKeyDictionary()


def remember(guard: Guard, attempt: SpanContext) -> None:
    """Keep the span of an attempt that counted against the guard."""
    with _lock:
        kept = _failed.get(guard)
        if kept is None:
            kept = _failed[guard] = _Failed()
        kept.last.append(attempt)


def tripping(guard: Guard, event: Transition) -> tuple[SpanContext, ...]:
    """The attempts that led to this opening, the oldest first; of another transition none.

    At most as many as counted in its window, and none from before the breaker was closed last. Asked again
    about the same opening it says the same, whatever has failed since.
    """
    with _lock:
        kept = _failed.get(guard)
        if kept is None:
            return ()
        if event.to_state == "closed":
            kept.last.clear()
        if event.to_state != "open":
            return ()
        if kept.opened_at != event.at:
            kept.opened_at = event.at
            counted = event.failures + round(event.slow_ratio * event.window_calls)
            kept.tripped = tuple(kept.last)[-counted:] if counted else ()
        return kept.tripped


def trace_ids(guard: Guard) -> tuple[str, ...]:
    """The traces of the attempts that opened the breaker last, each once, the oldest first."""
    breaker = guard.breaker
    why = breaker.why_opened if breaker is not None else None
    with _lock:
        kept = _failed.get(guard)
        if kept is None or why is None or kept.opened_at != why.at:
            return ()
        return ids(kept.tripped)


def ids(attempts: tuple[SpanContext, ...]) -> tuple[str, ...]:
    """The ids of their traces, each once."""
    return tuple(dict.fromkeys(format_trace_id(attempt.trace_id) for attempt in attempts))
