"""A breaker that is open while a block runs, and as before after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

from seawall.resilience.breaker_state import CLOSED, FORCED_OPEN, HALF_OPEN, OPEN, BreakerState
from seawall.resilience.guard import Guard
from seawall.resilience.pipeline import Pipeline
from seawall.resilience.window import Window
from seawall.testing.subjects import with_breaker

_REASON = "force_open"


@contextmanager
def force_open(of: Guard | Pipeline) -> Iterator[None]:
    """Inside, the breaker rejects every call, as after ``guard.force("forced_open")``.
    Of a pipeline: its one breaker.

    Afterwards it is in the state that it was in, with its window. Results of calls that were under way on
    entering or on leaving count for neither. Both ways are transitions like others, counted and told.

    with force_open(bank):
        assert client.get("/statements").status_code == 503
    """
    guard = with_breaker(of)
    kept = guard.breaker
    assert kept is not None
    with guard.lock:
        guard.breaker = stand_in = _stand_in(kept)
        _force(guard, stand_in, FORCED_OPEN, _REASON)
    guard.report.transitions("")
    try:
        yield
    finally:
        _go_back(guard, kept)


def _stand_in(kept: BreakerState) -> BreakerState:
    """One that may change without changing the window, the probes and the shadow of the other."""
    stand_in = copy(kept)
    stand_in.window = Window(kept.settings.window_calls, kept.settings.window_seconds)
    return stand_in


def _force(guard: Guard, breaker: BreakerState, state: str, reason: str) -> None:
    guard._apply(breaker.force(state, reason, guard.clock(), guard.accounts.lane_successes()))


def _go_back(guard: Guard, kept: BreakerState) -> None:
    reason = f"{_REASON} ended"
    with guard.lock:
        stand_in, now = guard.breaker, guard.clock()
        assert stand_in is not None
        if kept.state not in (OPEN, HALF_OPEN):
            if stand_in.state != kept.state:
                _force(guard, stand_in, kept.state, reason)
        else:
            # Only by way of closed: nobody sees it, the lock is held.
            _force(guard, stand_in, CLOSED, reason)
            for state in (OPEN, HALF_OPEN) if kept.state == HALF_OPEN else (OPEN,):
                guard._apply(stand_in._move(state, reason, now))
        if stand_in.settings is not kept.settings:
            kept.reconfigure(stand_in.settings, now, guard.accounts.lane_successes())
        kept.deciding.epoch = stand_in.deciding.epoch + 1
        kept.deciding.probes_out = 0
        kept.entered_at, kept.last_change = stand_in.entered_at, stand_in.last_change
        guard.breaker = kept
        guard.shift_lanes()
    guard.report.transitions("")
