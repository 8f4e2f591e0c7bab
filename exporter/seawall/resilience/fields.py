"""What a guard counts: the fields of a ledger, their labels and the values that these can take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

CALL_OUTCOMES = ("success", "degraded", "failure", "timeout", "rejected", "cancelled")
ATTEMPT_OUTCOMES = ("success", "slow", "failure", "timeout", "ignored", "cancelled")
BREAKER_STATES = ("closed", "open", "half_open", "forced_open", "disabled", "metrics_only")
RETRY_RESULTS = ("first_try", "recovered", "exhausted", "not_retryable", "budget_exhausted")
TIMEOUT_SCOPES = ("attempt", "total")
DEGRADATION_OUTCOMES = ("served", "failed")
HEDGE_OUTCOMES = ("won", "lost", "failed", "refused")
OVERFLOW_ERROR = "other"
ERROR_NAMES = 20

#: Every edge of the breaker's state machine, (from, to).
TRANSITIONS = (
    ("closed", "open"),
    ("open", "half_open"),
    ("half_open", "closed"),
    ("half_open", "open"),
    *((a, b) for a in BREAKER_STATES for b in ("forced_open", "disabled", "metrics_only") if a != b),
    *((a, "closed") for a in ("open", "forced_open", "disabled", "metrics_only")),
)

#: Seconds. From half a millisecond (a cache) to half a minute (a partner's batch API), about 2 to 2.5 apart.
DEFAULT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WAIT_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0)
RECOVERY_BUCKETS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
STALE_BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
OVERHEAD_BUCKETS = (0.000001, 0.000002, 0.000005, 0.00001, 0.00003, 0.0001, 0.0003, 0.001)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a guard counts. ``policy`` names the policy that brings it; "" means every guard.

    across: how a gauge of several processes becomes one: ``sum``, ``max``, ``min``, or ``worst`` of states.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()
    policy: str = ""
    across: Literal["sum", "max", "min", "worst"] = "sum"


FIELDS = (
    Field("calls", "counter", ("operation", "outcome")),
    Field("call_duration", "histogram", ("operation",)),
    Field("attempts", "counter", ("operation", "outcome")),
    Field("attempt_duration", "histogram", ("operation",)),
    Field("rejections", "counter", ("policy", "reason")),
    Field("errors", "counter", ("error",)),
    Field("overhead", "histogram"),
    Field("avoided_seconds", "counter"),
    Field("breaker_state", "gauge", ("state",), "breaker", "worst"),
    Field("breaker_transitions", "counter", ("from_state", "to_state"), "breaker"),
    Field("breaker_state_seconds", "counter", ("state",), "breaker"),
    Field("breaker_failure_ratio", "gauge", (), "breaker", "max"),
    Field("breaker_slow_ratio", "gauge", (), "breaker", "max"),
    Field("breaker_window_calls", "gauge", (), "breaker"),
    Field("breaker_recovery", "histogram", (), "breaker"),
    Field("breaker_false_opens", "counter", (), "breaker"),
    Field("breaker_would_reject", "counter", (), "breaker"),
    Field("retries", "counter", ("operation",), "retry"),
    Field("retry_calls", "counter", ("operation", "result"), "retry"),
    Field("retry_delay_seconds", "counter", ("operation",), "retry"),
    Field("retry_budget_remaining", "gauge", (), "retry_budget", "min"),
    Field("timeouts", "counter", ("operation", "scope"), "timeout"),
    Field("timeout_abandoned", "gauge", (), "timeout_threads"),
    Field("degradations", "counter", ("operation", "mode", "outcome"), "fallback"),
    Field("stale_age", "histogram", (), "stale"),
    Field("bulkhead_in_flight", "gauge", (), "bulkhead"),
    Field("bulkhead_queued", "gauge", (), "bulkhead"),
    Field("bulkhead_wait", "histogram", (), "bulkhead"),
    Field("rate_limiter_wait", "histogram", (), "rate_limit"),
    Field("rate_limiter_available", "gauge", (), "rate_limit"),
    Field("hedges", "counter", ("operation", "outcome"), "hedge"),
    Field("coalesced_calls", "counter", ("operation",), "coalesce"),
)
FIELDS_BY_NAME = {f.name: f for f in FIELDS}

#: Which (policy, reason) pairs a guard can reject with, by the policy that it has.
REJECTIONS = {
    "breaker": (("breaker", "open"), ("breaker", "half_open"), ("breaker", "forced_open")),
    "bulkhead": (("bulkhead", "full"), ("bulkhead", "queue_full"), ("bulkhead", "wait_exceeded")),
    "rate_limit": (("rate_limit", "exceeded"),),
    "timeout_threads": (("timeout", "threads_busy"),),
}


def bounds_of(f: Field, bounds: tuple[float, ...], stale_for: float | None) -> tuple[float, ...]:
    """Upper bounds of a histogram, in seconds. The last one of stale ages is the age that is still served."""
    if f.kind != "histogram":
        return ()
    if f.name == "stale_age" and stale_for is not None:
        return (*(b for b in STALE_BUCKETS if b < stale_for), stale_for)
    special = {
        "breaker_recovery": RECOVERY_BUCKETS,
        "overhead": OVERHEAD_BUCKETS,
        "bulkhead_wait": WAIT_BUCKETS,
        "rate_limiter_wait": WAIT_BUCKETS,
    }
    return special.get(f.name, bounds)


def label_values(
    operations: Sequence[str], present: set[str], modes: Sequence[str]
) -> dict[str, list[tuple[str, ...]]]:
    values: dict[str, list[tuple[str, ...]]] = {f.name: [()] for f in FIELDS if not f.labels}
    by_operation: list[tuple[str, ...]] = [(o,) for o in operations]
    values |= dict.fromkeys(("call_duration", "attempt_duration", "retries"), by_operation)
    values["retry_delay_seconds"] = values["coalesced_calls"] = by_operation
    values["calls"] = [(o, x) for o in operations for x in CALL_OUTCOMES]
    values["attempts"] = [(o, x) for o in operations for x in ATTEMPT_OUTCOMES]
    values["retry_calls"] = [(o, x) for o in operations for x in RETRY_RESULTS]
    values["timeouts"] = [(o, x) for o in operations for x in TIMEOUT_SCOPES]
    values["degradations"] = [(o, m, x) for o in operations for m in modes for x in DEGRADATION_OUTCOMES]
    values["hedges"] = [(o, x) for o in operations for x in HEDGE_OUTCOMES]
    values["rejections"] = [
        pair for policy, pairs in REJECTIONS.items() if policy in present for pair in pairs
    ]
    values["errors"] = [(str(i),) for i in range(ERROR_NAMES + 1)]
    values["breaker_state"] = values["breaker_state_seconds"] = [(s,) for s in BREAKER_STATES]
    values["breaker_transitions"] = list(TRANSITIONS)
    return values
