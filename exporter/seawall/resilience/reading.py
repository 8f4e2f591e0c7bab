"""What a guard reports when it is asked: the ledger's counters, and gauges computed at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seawall.resilience.fields import BREAKER_STATES
from seawall.resilience.ledger import Ledger, fold

if TYPE_CHECKING:
    from seawall.resilience.accounts import Accounts
    from seawall.resilience.breaker_state import Change
    from seawall.resilience.guard import Guard

ZEROS = (0,) * len(BREAKER_STATES)


class Counted:
    """A guard's counters as they were read last. ``version`` grows whenever one of them has changed."""

    __slots__ = ("_folded", "_raw", "successes", "version")

    def __init__(self) -> None:
        self._raw: list[float] = []
        self._folded: list[float] = []
        self.successes: float = 0
        self.version = 0

    def read(self, ledger: Ledger, accounts: Accounts) -> tuple[list[float], int]:
        """The list of this version, the same one as long as it lasts. Caller holds the guard's lock."""
        if ledger.slots != self._raw:
            raw = list(ledger.slots)
            if raw != self._raw:
                self._raw, self._folded = raw, fold(ledger.layout, raw)
                self.successes = accounts.lane_successes()
                self.version += 1
        # In this order: a signal handler that reads in between makes the list newer than it is said to be.
        version = self.version
        return self._folded, version


def read(guard: Guard) -> tuple[list[float], int]:
    """Every number of the guard as of now, by its ledger's layout, and the version of the counters in it.

    The list is that of the version: what time moves is written into it by its next reader.
    """
    at = guard.ledger.layout.first
    with guard.lock:
        guard.accounts.count_avoided()
        counted = guard.counted
        before = counted.version
        out, version = counted.read(guard.ledger, guard.accounts)
        now = guard.clock()
        breaker = guard.breaker
        if breaker is not None:
            state, spent = at["breaker_state"], at["breaker_state_seconds"]
            index = BREAKER_STATES.index(breaker.state)
            if out[state + index] != 1 or sum(out[state : state + len(BREAKER_STATES)]) != 1:
                out[state : state + len(BREAKER_STATES)] = ZEROS
                out[state + index] = 1
                out[spent : spent + len(BREAKER_STATES)] = breaker.seconds.values()
            out[spent + index] = breaker.spent(now)
            failure, slow, calls = breaker.ratios(now, counted.successes)
            out[at["breaker_failure_ratio"]] = failure
            out[at["breaker_slow_ratio"]] = slow
            out[at["breaker_window_calls"]] = calls
        if guard.budget is not None:
            changed = version != before
            out[at["retry_budget_remaining"]] = guard.budget.remaining_ratio(now, counted=changed)
        if guard.bulkhead is not None:
            out[at["bulkhead_in_flight"]] = guard.bulkhead.in_flight
            out[at["bulkhead_queued"]] = len(guard.bulkhead.waiters)
        if guard.workers is not None:
            out[at["timeout_abandoned"]] = len(guard.workers.abandoned)
        if guard.limiter is not None:
            out[at["rate_limiter_available"]] = guard.limiter.available(now)
        return out, version


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
