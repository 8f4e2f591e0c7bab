"""Composition lint: settings that are each allowed, and together do not do what they say.

One rule a function: the policies that it is about in, what is wrong and what to do out, or ``None``. The
tables at the end are all rules there are. A rule says only what is so whatever the dependency does.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import inf, prod
from typing import Any, NamedTuple

from seawall.resilience.breaker import Breaker
from seawall.resilience.bulkhead import Bulkhead
from seawall.resilience.errors import BreakerOpen, Rejected, TimedOut
from seawall.resilience.fallback import Fallback
from seawall.resilience.rate_limit import RateLimit
from seawall.resilience.retry import Retry
from seawall.resilience.timeout import Timeout
from seawall.resilience.window import MARKS

#: The policies of a guard by their name.
Policies = Mapping[str, Any]
Finding = str | None
_USUAL_PERMITS = Breaker().half_open_permits
#: Sets of policies that are remembered as looked at.
MOST_SEEN = 32
_seen: dict[tuple[int, ...], tuple[Any, ...]] = {}
_TIMED_OUT = TimedOut("", "attempt", 0.0)


class PolicyWarning(UserWarning):
    """Policies of a guard that together do not do what they say. The guard works all the same."""


# -- one guard


def attempts_beyond_total(retry: Retry, timeout: Timeout) -> Finding:
    if timeout.total is None or timeout.attempt_for is not None:
        return None
    pace = retry.pace(None if timeout.attempt is None else _TIMED_OUT)
    if pace is None:
        return None
    took, begins, delay = timeout.attempt or 0.0, 0.0, 0.0
    for attempt in range(1, pace.attempts):
        delay = pace.delay(attempt, delay, _longest)
        begins += took + delay
        if begins >= timeout.total:
            each = f"each takes its timeout of {took:g} s" if took else "each fails at once"
            return (
                f"retry.attempts is {pace.attempts}: when {each} and back-off is at its longest, number "
                f"{attempt + 1} would begin after {begins:.4g} s, beyond the total of {timeout.total:g} s; "
                "take fewer attempts, shorter attempts or delays, or a longer total"
            )
    return None


def attempt_without_limit(retry: Retry, timeout: Timeout) -> Finding:
    known = timeout.attempt is not None or timeout.attempt_for is not None
    if known or timeout.total is None or retry.attempts == 1:
        return None
    return (
        f"retry.attempts is {retry.attempts} and timeout.attempt is None: one attempt that hangs takes all "
        f"of timeout.total, {timeout.total:g} s; set timeout.attempt to about "
        f"{timeout.total / retry.attempts:.3g}"
    )


def never_slow(breaker: Breaker, timeout: Timeout) -> Finding:
    limit, scope = _limit(timeout)
    if breaker.slow_after is None or breaker.slow_after < limit:
        return None
    return (
        f"breaker.slow_after of {breaker.slow_after:g} s is not below timeout.{scope} of {limit:g} s: an "
        f"async call ends before it is slow; set slow_after below {limit:g}"
    )


def probes_outlast_their_round(breaker: Breaker, timeout: Timeout) -> Finding:
    limit, scope = _limit(timeout)
    if limit == inf or breaker.half_open_max_wait >= limit:
        return None
    return (
        f"breaker.half_open_max_wait of {breaker.half_open_max_wait:g} s is below timeout.{scope} of "
        f"{limit:g} s: probes count as failed before their time is over; set half_open_max_wait to "
        f"{limit:g} or more"
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


def retry_without_permit(retry: Retry, rate_limit: RateLimit) -> Finding:
    if rate_limit.burst > 1 or (pace := retry.pace(None)) is None or pace.attempts == 1:
        return None
    interval, delay = 1 / rate_limit.rate, pace.delay(1, 0.0, _longest)
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


# -- a pipeline: one of its layers, and those further in


def retries_multiply(own: Policies, below: Sequence[Policies]) -> Finding:
    attempts = [layer["retry"].attempts for layer in (own, *below) if "retry" in layer]
    if "retry" not in own or len([n for n in attempts if n > 1]) < 2 or own["retry"].attempts == 1:
        return None
    product = " x ".join(map(str, attempts))
    return f"retries multiply: one call may be {product} = {prod(attempts)} attempts; keep one retry"


def timeout_never_ends(own: Policies, below: Sequence[Policies]) -> Finding:
    if "timeout" not in own:
        return None
    limit, scope = _limit(own["timeout"])
    for inner, inner_scope in (_limit(layer["timeout"]) for layer in below if "timeout" in layer):
        if limit <= inner < inf:
            return (
                f"timeout.{scope} of {limit:g} s ends each call of the layers further in, before the "
                f"timeout.{inner_scope} of {inner:g} s that one of them has; set that below {limit:g}, or "
                "leave it out"
            )
    return None


def _limit(timeout: Timeout) -> tuple[float, str]:
    """(seconds, scope) that bound the first attempt; infinite where that isn't known."""
    if timeout.attempt_for is not None:
        return inf, ""
    if timeout.attempt is not None:
        return timeout.attempt, "attempt"
    return (inf, "") if timeout.total is None else (timeout.total, "total")


class Rule(NamedTuple):
    """``check`` is asked of guards that have all of ``about`` and none of ``without``."""

    check: Callable[..., Finding]
    about: tuple[str, ...]
    without: tuple[str, ...] = ()


RULES = (
    Rule(attempts_beyond_total, ("retry", "timeout")),
    Rule(attempt_without_limit, ("retry", "timeout")),
    Rule(never_slow, ("breaker", "timeout")),
    Rule(probes_outlast_their_round, ("breaker", "timeout")),
    Rule(minimum_beyond_rate, ("breaker", "rate_limit")),
    Rule(probes_beyond_bulkhead, ("breaker", "bulkhead")),
    Rule(wait_for_place_beyond_total, ("bulkhead", "timeout")),
    Rule(wait_for_permit_beyond_total, ("rate_limit", "timeout")),
    Rule(retry_without_permit, ("retry", "rate_limit")),
    Rule(breaker_open_retried, ("retry",)),
    Rule(outage_unnoticed, ("retry", "fallback"), ("breaker",)),
)
ACROSS = (retries_multiply, timeout_never_ends)


def look_at(name: str, policies: Policies) -> None:
    """Warn of what is to be said, once for all guards that have the very same policies: a family's are."""
    key = tuple(map(id, policies.values()))
    if key in _seen:
        return
    warn(name, findings(policies))
    if len(_seen) >= MOST_SEEN:
        _seen.clear()
    # Kept together with its policies, an id stays theirs.
    _seen[key] = tuple(policies.values())


def findings(policies: Policies) -> tuple[str, ...]:
    """What is to be said of one guard's policies."""
    said = [rule.check(*[policies[name] for name in rule.about]) for rule in _rules_for(tuple(policies))]
    return tuple([text for text in said if text])


def findings_across(own: Policies, below: Sequence[Policies]) -> tuple[str, ...]:
    """What is to be said of a pipeline's layer beside those further in."""
    return tuple([text for rule in ACROSS if below and (text := rule(own, below))])


def warn(name: str, texts: Sequence[str]) -> None:
    """Say so where the guard is built."""
    for text in texts:
        warnings.warn(f"{name}: {text}", PolicyWarning, stacklevel=_builder())


@lru_cache(maxsize=1024)
def _rules_for(names: tuple[str, ...]) -> tuple[Rule, ...]:
    there = set(names)
    return tuple(r for r in RULES if there.issuperset(r.about) and there.isdisjoint(r.without))


def _builder() -> int:
    """How far up the first frame is that is not of this library, as ``warn`` counts for ``warnings.warn``."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("seawall."):
        frame, level = frame.f_back, level + 1
    return level


def _longest() -> float:
    """In place of a random number: back-off at its longest."""
    return 1.0
