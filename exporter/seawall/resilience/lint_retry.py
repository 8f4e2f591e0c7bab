"""Rules of the composition lint about retries: those that never come, and those that do harm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from seawall.resilience.backoff import Pace
from seawall.resilience.errors import BreakerOpen, Rejected, TimedOut
from seawall.resilience.fallback import Fallback
from seawall.resilience.lint_rule import Finding, Rule, longest, timeouts_of
from seawall.resilience.rate_limit import RateLimit
from seawall.resilience.retry import Retry
from seawall.resilience.timeout import Timeout

_TIMED_OUT = TimedOut("", "attempt", 0.0)


def attempts_beyond_total(retry: Retry, timeout: Timeout, operations: Sequence[str]) -> Finding:
    for where, own in _repeated(retry, timeout, operations):
        pace = retry.pace(None if own.attempt is None else _TIMED_OUT)
        if pace is None or own.total is None:
            continue
        took = own.attempt or 0.0
        begun, begins = _begun(pace, took, own.total)
        if begun < pace.attempts:
            each = f"each takes its timeout of {took:g} s" if took else "each fails at once"
            return (
                f"retry.attempts is {pace.attempts}: when {each} and back-off is at its longest, number "
                f"{begun + 1} would begin after {begins:.4g} s, beyond {where}.total of {own.total:g} s; "
                "take fewer attempts, shorter attempts or delays, or a longer total"
            )
    return None


def attempt_without_limit(retry: Retry, timeout: Timeout, operations: Sequence[str]) -> Finding:
    for where, own in _repeated(retry, timeout, operations):
        if own.attempt is None and own.total is not None and retry.attempts > 1:
            return (
                f"retry.attempts is {retry.attempts} and {where}.attempt is None: one attempt that hangs "
                f"takes all of {where}.total, {own.total:g} s; set {where}.attempt to about "
                f"{own.total / retry.attempts:.3g}"
            )
    return None


def total_left_out(retry: Retry, timeout: Timeout, operations: Sequence[str]) -> Finding:
    pace = retry.pace(_TIMED_OUT)
    if timeout.total is None or pace is None or pace.attempts == 1:
        return None
    for where, own in _repeated(retry, timeout, operations):
        if own.total is None:
            return (
                f"{where} has no total, and timeout.total of {timeout.total:g} s does not hold where another "
                f"Timeout takes its place: {pace.attempts} attempts of {own.attempt:g} s may take "
                f"{pace.attempts} times as long, and back-off between them; set {where}.total"
            )
    return None


def threads_all_abandoned(retry: Retry, timeout: Timeout, operations: Sequence[str]) -> Finding:
    pace = retry.pace(_TIMED_OUT)
    if timeout.threads is None or pace is None:
        return None
    for _, own in _repeated(retry, timeout, operations):
        begun, _ = _begun(pace, own.attempt or inf, own.total or inf)
        if begun > 1 and begun >= timeout.threads:
            return (
                f"timeout.threads is {timeout.threads}: one call that hangs in each of {begun} attempts has "
                "abandoned all of them, and calls are rejected until one returns; set threads to several "
                f"times {begun}"
            )
    return None


def retry_without_permit(retry: Retry, rate_limit: RateLimit) -> Finding:
    if rate_limit.burst > 1 or (pace := retry.pace(None)) is None or pace.attempts == 1:
        return None
    interval, delay = 1 / rate_limit.rate, pace.delay(1, 0.0, longest)
    if delay + rate_limit.max_wait >= interval:
        return None
    return (
        f"rate_limit has a permit every {interval:.4g} s, burst 1 and max_wait {rate_limit.max_wait:g} s; "
        f"the first retry comes {delay:g} s after a failure at most: after a quick one it finds no permit; "
        f"set burst to 2 or more, or max_wait to {interval - delay:.4g} or more"
    )


def breaker_open_retried(retry: Retry) -> Finding:
    named = [*retry.on, *(kind for kind, rule in retry.per_error if rule.attempts != 1)]
    names = [kind.__name__ for kind in named if kind is Rejected or issubclass(kind, BreakerOpen)]
    if not names:
        return None
    return (
        f"retry asks again on {' and '.join(names)}: of the guard's own breaker it never does, and of a "
        "breaker further in it keeps callers waiting for what is known to be down; leave it out, and let a "
        "fallback answer"
    )


def outage_unnoticed(retry: Retry, fallback: Fallback) -> Finding:
    if retry.budget is not None or retry.attempts == 1 or "default" not in fallback.modes:
        return None
    return (
        f"retry.attempts is {retry.attempts} with no budget and no breaker, under a default answer: callers "
        f"do not notice an outage, and the dependency gets {retry.attempts} times the load; add a breaker or "
        "retry.budget"
    )


def _repeated(retry: Retry, timeout: Timeout, operations: Sequence[str]) -> Iterator[tuple[str, Timeout]]:
    """(setting, what it is) of each operation that may be retried and whose limits are known."""
    for operation, where, own in timeouts_of(timeout, operations):
        if own is not None and own.attempt_for is None and retry.may_repeat(operation):
            yield where, own


def _begun(pace: Pace, took: float, total: float) -> tuple[int, float]:
    """How many attempts begin within the total when each takes so long and back-off is at its longest, and
    when the next one would.
    """
    begins, delay = 0.0, 0.0
    for attempt in range(1, pace.attempts):
        delay = pace.delay(attempt, delay, longest)
        begins += took + delay
        if begins >= total:
            return attempt, begins
    return pace.attempts, begins


RULES = (
    Rule(attempts_beyond_total, ("retry", "timeout", "operations")),
    Rule(attempt_without_limit, ("retry", "timeout", "operations"), not_below=("timeout",)),
    Rule(total_left_out, ("retry", "timeout", "operations")),
    Rule(threads_all_abandoned, ("retry", "timeout", "operations")),
    Rule(retry_without_permit, ("retry", "rate_limit")),
    Rule(breaker_open_retried, ("retry",)),
    Rule(outage_unnoticed, ("retry", "fallback"), without=("breaker",)),
)
