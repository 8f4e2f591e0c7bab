"""What a guard reports when it is asked: the ledger's counters, and gauges computed at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seawall.resilience.fields import BREAKER_STATES
from seawall.resilience.ledger import fold

if TYPE_CHECKING:
    from seawall.resilience.breaker_state import Change
    from seawall.resilience.guard import Guard


def read(guard: Guard) -> list[float]:
    """Every number of the guard as of now, by its ledger's layout."""
    layout = guard.ledger.layout
    with guard.lock:
        guard.accounts.count_avoided()
        out = fold(layout, list(guard.ledger.slots))
        now = guard.clock()
        if guard.breaker is not None:
            seconds = guard.breaker.state_seconds(now)
            for state in BREAKER_STATES:
                out[layout.at("breaker_state", state)] = int(state == guard.breaker.state)
                out[layout.at("breaker_state_seconds", state)] = seconds[state]
            failure, slow, calls = guard.breaker.ratios(now, guard.accounts.lane_successes())
            out[layout.at("breaker_failure_ratio")] = failure
            out[layout.at("breaker_slow_ratio")] = slow
            out[layout.at("breaker_window_calls")] = calls
        if guard.budget is not None:
            out[layout.at("retry_budget_remaining")] = guard.budget.remaining_ratio(now)
        if guard.bulkhead is not None:
            out[layout.at("bulkhead_in_flight")] = guard.bulkhead.in_flight
            out[layout.at("bulkhead_queued")] = len(guard.bulkhead.waiters)
        if guard.limiter is not None:
            out[layout.at("rate_limiter_available")] = guard.limiter.available(now)
    return out


def snapshot(guard: Guard) -> dict[str, Any]:
    """The guard's condition for a health page.

    Times in seconds; exception types by name, never their text.
    """
    with guard.lock:
        now = guard.clock()
        out: dict[str, Any] = {
            "state": guard.state,
            "failure_ratio": 0.0,
            "slow_ratio": 0.0,
            "window_calls": 0,
            "in_flight": guard.bulkhead.in_flight if guard.bulkhead else None,
            "queued": len(guard.bulkhead.waiters) if guard.bulkhead else None,
            "opened_for_seconds": None,
            "last_transition": None,
            "why_opened": None,
        }
        breaker = guard.breaker
        if breaker is not None:
            out["failure_ratio"], out["slow_ratio"], out["window_calls"] = breaker.ratios(
                now, guard.accounts.lane_successes()
            )
            if breaker.last_change is not None:
                out["last_transition"] = _change(breaker.last_change, now)
            if breaker.why_opened is not None:
                out["why_opened"] = _change(breaker.why_opened, now)
            if breaker.state in ("open", "half_open", "forced_open"):
                out["opened_for_seconds"] = round(now - breaker.entered_at, 3)
    return out


def _change(change: Change, now: float) -> dict[str, Any]:
    return {
        "from_state": change.from_state,
        "to_state": change.to_state,
        "reason": change.reason,
        "seconds_ago": round(now - change.at, 3),
        "failure_ratio": round(change.failure_ratio, 6),
        "slow_ratio": round(change.slow_ratio, 6),
        "window_calls": change.window_calls,
        "failures": change.failures,
        "errors": dict(change.errors),
    }
