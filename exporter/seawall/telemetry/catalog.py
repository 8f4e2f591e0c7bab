"""The one place that names things: series, spans, attributes, log events.

The collector registers from it, dashboards and rules build their expressions from it, the reference
documentation is printed from it. To add a series: add a field to the ledger if a guard counts it, and one
declaration here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from seawall.resilience.events import Transition
from seawall.resilience.fields import FIELDS_BY_NAME

Type = Literal["counter", "gauge", "histogram", "stateset", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric family. ``labels``: all of them but ``job`` and ``instance``, which the scrape adds."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ("dependency",)
    unit: str = ""
    field: str = ""
    policy: str = ""

    @property
    def family(self) -> str:
        """The name without the suffix that the type adds: what OpenMetrics' TYPE line carries."""
        if self.type == "counter":
            return self.name.removesuffix("_total")
        return self.name.removesuffix("_info") if self.type == "info" else self.name

    @property
    def bucket(self) -> str:
        return self._part("_bucket")

    @property
    def sum(self) -> str:
        return self._part("_sum")

    @property
    def count(self) -> str:
        return self._part("_count")

    def _part(self, suffix: str) -> str:
        if self.type != "histogram":
            raise ValueError(f"{self.name} is a {self.type}: only a histogram has {suffix}")
        return self.name + suffix


def _of(field: str, name: str, help: str, *, unit: str = "", type: Type | None = None) -> Series:
    f = FIELDS_BY_NAME[field]
    return Series(
        name=name,
        type=type or f.kind,
        help=help,
        labels=("dependency", *f.labels),
        unit=unit,
        field=field,
        policy=f.policy,
    )


CALLS = _of("calls", "seawall_calls_total", "Calls by what the caller got; exactly one outcome a call.")
CALL_DURATION = _of(
    "call_duration",
    "seawall_call_duration_seconds",
    "Duration of calls as the caller felt it, with retries and waits.",
    unit="seconds",
)
ATTEMPTS = _of(
    "attempts", "seawall_attempts_total", "Attempts by what the dependency did; exactly one outcome each."
)
ATTEMPT_DURATION = _of(
    "attempt_duration", "seawall_attempt_duration_seconds", "Duration of single attempts.", unit="seconds"
)
REJECTIONS = _of(
    "rejections", "seawall_rejections_total", "Calls shed, by the policy that shed them and why."
)
ERRORS = _of("errors", "seawall_errors_total", "Failed attempts by exception type; 20 types, then other.")
OVERHEAD = _of(
    "overhead", "seawall_overhead_seconds", "What the guard itself cost a call, sampled.", unit="seconds"
)
AVOIDED_SECONDS = _of(
    "avoided_seconds",
    "seawall_avoided_seconds_total",
    "Time callers did not spend waiting: rejected calls times the mean attempt time before it opened.",
    unit="seconds",
)
BREAKER_STATE = _of(
    "breaker_state",
    "seawall_breaker_state",
    "State of the breaker; the series of one state is 1.",
    type="stateset",
)
BREAKER_PROCESSES = Series(
    name="seawall_breaker_processes",
    type="gauge",
    help="Processes whose breaker is in this state; only where several processes are summed.",
    labels=("dependency", "state"),
    policy="breaker",
)
BREAKER_TRANSITIONS = _of(
    "breaker_transitions", "seawall_breaker_transitions_total", "Changes of the breaker's state."
)
BREAKER_STATE_SECONDS = _of(
    "breaker_state_seconds",
    "seawall_breaker_state_seconds_total",
    "Time spent in each state.",
    unit="seconds",
)
BREAKER_FAILURE_RATIO = _of(
    "breaker_failure_ratio",
    "seawall_breaker_failure_ratio",
    "Share of failures in the breaker's window; 0 before the first call.",
    unit="ratio",
)
BREAKER_SLOW_RATIO = _of(
    "breaker_slow_ratio",
    "seawall_breaker_slow_ratio",
    "Share of slow calls in the breaker's window; 0 before the first call.",
    unit="ratio",
)
BREAKER_WINDOW_CALLS = _of(
    "breaker_window_calls",
    "seawall_breaker_window_calls",
    "Calls in the breaker's window: what the ratios rest on.",
)
BREAKER_RECOVERY = _of(
    "breaker_recovery", "seawall_breaker_recovery_seconds", "From opening to closed again.", unit="seconds"
)
BREAKER_FALSE_OPENS = _of(
    "breaker_false_opens",
    "seawall_breaker_false_opens_total",
    "Openings whose first probe round met no failure; an upper bound of false positives.",
)
BREAKER_WOULD_REJECT = _of(
    "breaker_would_reject",
    "seawall_breaker_would_reject_total",
    "Calls let through in metrics_only that the breaker, were it on, would have rejected.",
)
RETRIES = _of("retries", "seawall_retries_total", "Attempts beyond the first.")
RETRY_CALLS = _of("retry_calls", "seawall_retry_calls_total", "Calls by how retrying ended.")
RETRY_DELAY = _of(
    "retry_delay_seconds",
    "seawall_retry_delay_seconds_total",
    "Time callers waited for retries.",
    unit="seconds",
)
RETRY_BUDGET_REMAINING = _of(
    "retry_budget_remaining",
    "seawall_retry_budget_remaining_ratio",
    "Share of the retry budget that is left.",
    unit="ratio",
)
TIMEOUTS = _of("timeouts", "seawall_timeouts_total", "Timeouts by scope: one attempt, or the whole call.")
TIMEOUT_ABANDONED = _of(
    "timeout_abandoned",
    "seawall_timeout_abandoned_threads",
    "Worker threads whose caller timed out and whose function has not returned yet.",
)
DEGRADATIONS = _of(
    "degradations", "seawall_degradations_total", "Fallbacks by mode, and whether they served an answer."
)
STALE_AGE = _of(
    "stale_age", "seawall_stale_age_seconds", "Age of stale values that were served.", unit="seconds"
)
BULKHEAD_IN_FLIGHT = _of("bulkhead_in_flight", "seawall_bulkhead_in_flight", "Calls inside the bulkhead.")
BULKHEAD_QUEUED = _of(
    "bulkhead_queued", "seawall_bulkhead_queued", "Calls waiting for a place in the bulkhead."
)
BULKHEAD_WAIT = _of(
    "bulkhead_wait",
    "seawall_bulkhead_wait_seconds",
    "Time waited for a place in the bulkhead.",
    unit="seconds",
)
RATE_LIMITER_WAIT = _of(
    "rate_limiter_wait",
    "seawall_rate_limiter_wait_seconds",
    "Time waited for a permit of the rate limiter.",
    unit="seconds",
)
RATE_LIMITER_AVAILABLE = _of(
    "rate_limiter_available",
    "seawall_rate_limiter_available_permits",
    "Permits that the rate limiter has left.",
)
HEDGES = _of(
    "hedges", "seawall_hedges_total", "Further copies of calls that were late, by what became of them."
)
COALESCED_CALLS = _of(
    "coalesced_calls", "seawall_coalesced_calls_total", "Calls that shared the execution of another."
)
POLICY_SETTING = Series(
    name="seawall_policy_setting",
    type="gauge",
    help="Every number of the policies: thresholds, limits, attempts; times in seconds.",
    labels=("dependency", "policy", "setting"),
)
POLICY_INFO = Series(
    name="seawall_policy_info",
    type="info",
    help="The guard's criticality and the hash of its policies.",
    labels=("dependency", "criticality", "policy_hash"),
)
BUILD_INFO = Series(
    name="seawall_build_info",
    type="info",
    help="Version of seawall and of Python.",
    labels=("version", "python"),
)
TARGET_INFO = Series(
    name="target_info",
    type="info",
    help="OpenTelemetry resource of the service.",
    labels=("service_name", "service_version", "service_instance_id"),
)
TELEMETRY_DROPPED = Series(
    name="seawall_telemetry_dropped_total",
    type="counter",
    help="Spans, logs and series that telemetry itself lost.",
    labels=("signal", "reason"),
)
LISTENER_ERRORS = Series(
    name="seawall_listener_errors_total",
    type="counter",
    help="Errors raised by listeners and observers.",
    labels=("listener",),
)

SERIES: tuple[Series, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Series))
BY_NAME = {series.name: series for series in SERIES}
#: Labels of series about a dependency, and of alerts: a target with one of these would hide them.
OWN_LABELS = {"le", "alertname", "severity"}.union(*(s.labels for s in SERIES if "dependency" in s.labels))
BY_FIELD = {series.field: series for series in SERIES if series.field}

SPAN_CALL = "seawall.call"
SPAN_ATTEMPT = "seawall.attempt"
SPAN_WAIT = "seawall.wait"
SPAN_TRANSITION = "seawall.breaker.transition"
SPANS = {
    SPAN_CALL: "One call of an operation, with all its attempts and waits.",
    SPAN_ATTEMPT: "One attempt: the dependency was asked. Child of the call.",
    SPAN_WAIT: "Waiting for a retry, a place, a permit, another's answer. Child of the call.",
    SPAN_TRANSITION: "The breaker changed its state; linked to the calls that led to it.",
}

ATTR_DEPENDENCY = "seawall.dependency"
ATTR_OPERATION = "seawall.operation"
ATTR_OUTCOME = "seawall.outcome"
ATTR_CORRELATION_ID = "seawall.correlation_id"
ATTR_ATTEMPTS = "seawall.attempts"
ATTR_BREAKER_STATE = "seawall.breaker.state"
ATTR_ATTEMPT_NUMBER = "seawall.attempt.number"
ATTR_WAIT_REASON = "seawall.wait.reason"
ATTR_ERROR_TYPE = "error.type"
ATTRIBUTES = {
    ATTR_DEPENDENCY: "Name of the guard.",
    ATTR_OPERATION: "Operation of the guard; `default` when none is declared.",
    ATTR_OUTCOME: "Outcome of the call, or of the attempt, as in the series.",
    ATTR_CORRELATION_ID: "The request's id, as in its logs, its response header and its exemplars.",
    ATTR_ATTEMPTS: "Attempts that the call took.",
    ATTR_BREAKER_STATE: "State of the breaker when the call ended.",
    ATTR_ATTEMPT_NUMBER: "Number of the attempt, from 1.",
    ATTR_WAIT_REASON: "`retry`, `bulkhead`, `rate_limit` or `coalesce`.",
    ATTR_ERROR_TYPE: "Type of the exception; never its text.",
}
#: Of a transition's span and span event, by the fields of the core's event.
TRANSITION_ATTRIBUTES = {
    f.name: f"seawall.breaker.{f.name}"
    for f in fields(Transition)
    if f.name not in ("dependency", "operation", "number", "at")
}
ATTRIBUTES |= {
    name: f"Of a transition: `{field}`, as in its log event." for field, name in TRANSITION_ATTRIBUTES.items()
}

#: Log event of a request that was answered.
LOG_REQUEST = "request.served"

#: Log event of each kind of event that the core emits, by the event's class name.
LOG_EVENTS = {
    "Transition": "breaker.transition",
    "RetryScheduled": "retry.scheduled",
    "RetryExhausted": "retry.exhausted",
    "BudgetExhausted": "budget.exhausted",
    "CallRejected": "call.rejected",
    "CallDegraded": "call.degraded",
    "CallFailed": "call.failed",
    "TimeoutExceeded": "timeout.exceeded",
    "PolicyChanged": "policy.changed",
}
