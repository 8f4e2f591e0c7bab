"""Rules of the composition lint about limits, of time, places and threads, and a breaker beside them."""

from __future__ import annotations

from collections.abc import Sequence

from seawall.resilience.breaker import Breaker
from seawall.resilience.bulkhead import Bulkhead
from seawall.resilience.lint_rule import Finding, Rule, limit_of, timeouts_of
from seawall.resilience.rate_limit import RateLimit
from seawall.resilience.timeout import Timeout
from seawall.resilience.window import MARKS

_USUAL_PERMITS = Breaker().half_open_permits


def never_slow(breaker: Breaker, timeout: Timeout) -> Finding:
    limit = limit_of(timeout)
    if limit is None or breaker.slow_after is None or breaker.slow_after < limit.seconds:
        return None
    return (
        f"breaker.slow_after of {breaker.slow_after:g} s is not below timeout.{limit.scope} of "
        f"{limit.seconds:g} s: an async call ends before it is slow; set slow_after below {limit.seconds:g}"
    )


def probes_outlast_their_round(breaker: Breaker, timeout: Timeout) -> Finding:
    limit = limit_of(timeout)
    if limit is None or breaker.half_open_max_wait >= limit.seconds:
        return None
    return (
        f"breaker.half_open_max_wait of {breaker.half_open_max_wait:g} s is below timeout.{limit.scope} of "
        f"{limit.seconds:g} s: probes count as failed before their time is over; set half_open_max_wait to "
        f"{limit.seconds:g} or more"
    )


def minimum_beyond_rate(breaker: Breaker, rate_limit: RateLimit) -> Finding:
    window = breaker.window_seconds
    if window is None:
        return None
    # The window forgets in steps, or call by call: it may hold one more.
    most = int(rate_limit.rate * window * (1 + 1 / MARKS) + rate_limit.burst) + 1
    if most >= breaker.minimum_calls:
        return None
    return (
        f"breaker.minimum_calls is {breaker.minimum_calls}, rate_limit lets at most {most} calls into "
        f"window_seconds of {window:g}: the ratios never count; set minimum_calls to {most} or less, or "
        "window_seconds longer"
    )


def probes_beyond_bulkhead(breaker: Breaker, bulkhead: Bulkhead) -> Finding:
    places = bulkhead.limit + bulkhead.max_queue
    # The default is nobody's choice: with fewer places probes come one after the other.
    if breaker.half_open_permits == _USUAL_PERMITS or breaker.half_open_permits <= places:
        return None
    return (
        f"breaker.half_open_permits is {breaker.half_open_permits}, the bulkhead has {places} places: the "
        f"other probes are turned away; set half_open_permits to {places} or less"
    )


def wait_for_place_beyond_total(bulkhead: Bulkhead, timeout: Timeout) -> Finding:
    return _wait_beyond_total("bulkhead", bulkhead.max_wait, timeout)


def wait_for_permit_beyond_total(rate_limit: RateLimit, timeout: Timeout) -> Finding:
    return _wait_beyond_total("rate_limit", rate_limit.max_wait, timeout)


def _wait_beyond_total(policy: str, max_wait: float, timeout: Timeout) -> Finding:
    if timeout.total is None or max_wait < timeout.total:
        return None
    return (
        f"{policy}.max_wait of {max_wait:g} s is not below timeout.total of {timeout.total:g} s: who waits "
        f"so long has no time left to be served; set max_wait below {timeout.total:g}"
    )


def limits_of_nobody(timeout: Timeout, operations: Sequence[str]) -> Finding:
    limits = (("attempt", timeout.attempt), ("total", timeout.total))
    named = [f"timeout.{scope} of {limit:g} s" for scope, limit in limits if limit is not None]
    if not named or not timeout.by_operation.keys() >= set(operations):
        return None
    return (
        f"{' and '.join(named)}: no operation has that limit, for by_operation names all of them "
        f"({', '.join(operations)}) and takes the place of the whole Timeout; set it there, or leave it out"
    )


def threads_below_bulkhead(timeout: Timeout, bulkhead: Bulkhead, operations: Sequence[str]) -> Finding:
    if timeout.threads is None or timeout.threads >= bulkhead.limit:
        return None
    for _, _, own in timeouts_of(timeout, operations):
        if own is None or (own.attempt is None and own.total is None):
            # Calls without a limit take no thread.
            return None
    return (
        f"timeout.threads is {timeout.threads}, bulkhead.limit is {bulkhead.limit}: calls of a def are "
        "turned away for want of a thread before the bulkhead is full, and none of them queues; set threads "
        f"to {bulkhead.limit} or more, or bulkhead.limit to {timeout.threads}"
    )


RULES = (
    Rule(never_slow, ("breaker", "timeout")),
    Rule(probes_outlast_their_round, ("breaker", "timeout")),
    Rule(minimum_beyond_rate, ("breaker", "rate_limit")),
    Rule(probes_beyond_bulkhead, ("breaker", "bulkhead")),
    Rule(wait_for_place_beyond_total, ("bulkhead", "timeout")),
    Rule(wait_for_permit_beyond_total, ("rate_limit", "timeout")),
    Rule(limits_of_nobody, ("timeout", "operations")),
    Rule(threads_below_bulkhead, ("timeout", "bulkhead", "operations")),
)
