"""The listener that logs a registry's events, at most so many per event and guard."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from structlog.typing import FilteringBoundLogger

from seawall.resilience import Registry
from seawall.resilience.events import EVENT_TYPES, CallDegraded, Event, Transition
from seawall.telemetry import catalog, failed_calls
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.locks import CallLock

#: Allowances that are kept before those are dropped that are as good as new.
MOST_KEPT = 4096
#: ``at`` is the guard's monotonic clock, of no use beside the line's own time.
_FIELDS = {kind: tuple(f.name for f in fields(kind) if f.name != "at") for kind in EVENT_TYPES}
_WARNINGS = frozenset({"RetryExhausted", "BudgetExhausted", "TimeoutExceeded", "CallFailed"})


@dataclass(slots=True)
class _Allowance:
    """How many lines one event of one guard has left, and how many were held back since the last."""

    tokens: float
    at: float
    suppressed: int = 0


class EventLog:
    """Writes each event under its catalog name: ``burst`` lines at once, then ``per_second``, of each guard.

    The next line that passes says how many were held back: ``suppressed``. With a ``registry`` the line of a
    breaker that opens says in whose traces the calls stand that opened it: ``trace_ids``.
    """

    def __init__(
        self,
        logger: FilteringBoundLogger,
        dropped: Dropped,
        *,
        registry: Registry | None = None,
        burst: int = 20,
        per_second: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._dropped = dropped
        self._registry = registry
        self._burst = float(burst)
        self._per_second = per_second
        self._clock = clock
        self._lock = CallLock()
        self._allowances: dict[tuple[str, str], _Allowance] = {}

    def on_event(self, event: Event) -> None:
        """The listener to subscribe."""
        kind = type(event)
        name = catalog.LOG_EVENTS[kind.__name__]
        suppressed = self._take(name, event.dependency)
        if suppressed is None:
            self._dropped.add("logs", "rate_limited")
            return
        entry = {field: getattr(event, field) for field in _FIELDS[kind]}
        if isinstance(event, Transition):
            entry["errors"] = dict(event.errors)
            entry["trace_ids"] = self._trace_ids(event)
        entry = {field: value for field, value in entry.items() if value not in (None, "", ())}
        if suppressed:
            entry["suppressed"] = suppressed
        write = self._logger.warning if _is_warning(event) else self._logger.info
        write(name, **entry)

    def _trace_ids(self, event: Transition) -> tuple[str, ...]:
        guard = None if self._registry is None else self._registry.get(event.dependency)
        return () if guard is None else failed_calls.ids(failed_calls.tripping(guard, event))

    def _take(self, name: str, dependency: str) -> int | None:
        """Lines held back before this one, or ``None`` when this one is held back too."""
        now = self._clock()
        with self._lock:
            left = self._allowances.get((name, dependency))
            if left is None:
                if len(self._allowances) >= MOST_KEPT:
                    self._forget(now)
                left = self._allowances[name, dependency] = _Allowance(self._burst, now)
            left.tokens = min(self._burst, left.tokens + (now - left.at) * self._per_second)
            left.at = now
            if left.tokens < 1:
                left.suppressed += 1
                return None
            left.tokens -= 1
            suppressed, left.suppressed = left.suppressed, 0
            return suppressed

    def _forget(self, now: float) -> None:
        """Drop the allowances that are as good as new: guards of a family come and go."""
        self._allowances = {
            key: left
            for key, left in self._allowances.items()
            if left.suppressed or left.tokens + (now - left.at) * self._per_second < self._burst
        }


def _is_warning(event: Event) -> bool:
    if isinstance(event, Transition):
        return event.to_state in ("open", "forced_open")
    if isinstance(event, CallDegraded):
        return event.outcome == "failed"
    return type(event).__name__ in _WARNINGS
