"""What the lint's rules about retries say of which settings, and settings next to these."""

from __future__ import annotations

from typing import Any

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    BulkheadFull,
    Fallback,
    RateLimit,
    Rejected,
    Retry,
    RetryRule,
    Timeout,
)

BOTH = ("read", "export")
SPEAKS: list[tuple[dict[str, Any], str]] = [
    (
        {"retry": Retry(attempts=5), "timeout": Timeout(attempt=1.0, total=3.0)},
        "retry.attempts is 5: when each takes its timeout of 1 s and back-off is at its longest, number 4 "
        "would begin after 3.7 s, beyond timeout.total of 3 s; take fewer attempts, shorter attempts or "
        "delays, or a longer total",
    ),
    (
        {
            "retry": Retry(backoff="decorrelated", base_delay=1.0, attempts=3),
            "timeout": Timeout(attempt=1.0, total=9.0),
        },
        "retry.attempts is 3: when each takes its timeout of 1 s and back-off is at its longest, number 3 "
        "would begin after 10 s, beyond timeout.total of 9 s; take fewer attempts, shorter attempts or "
        "delays, or a longer total",
    ),
    (
        {
            "retry": Retry(attempts=2, per_error=((TimeoutError, RetryRule(attempts=3)),)),
            "timeout": Timeout(attempt=1.0, total=2.3),
        },
        "retry.attempts is 3: when each takes its timeout of 1 s and back-off is at its longest, number 3 "
        "would begin after 2.3 s, beyond timeout.total of 2.3 s; take fewer attempts, shorter attempts or "
        "delays, or a longer total",
    ),
    (
        {"retry": Retry(attempts=3), "timeout": Timeout(total=6.0)},
        "retry.attempts is 3 and timeout.attempt is None: one attempt that hangs takes all of timeout.total, "
        "6 s; set timeout.attempt to about 2",
    ),
    (
        {"rate_limit": RateLimit(rate=0.5, max_wait=1.0), "retry": Retry(base_delay=0.75)},
        "rate_limit has a permit every 2 s, burst 1 and max_wait 1 s; the first retry comes 0.75 s after a "
        "failure at most: after a quick one it finds no permit; set burst to 2 or more, or max_wait to 1.25 "
        "or more",
    ),
    (
        {"rate_limit": RateLimit(rate=0.5), "retry": Retry(attempts=2, backoff="decorrelated")},
        "rate_limit has a permit every 2 s, burst 1 and max_wait 0 s; the first retry comes 0.3 s after a "
        "failure at most: after a quick one it finds no permit; set burst to 2 or more, or max_wait to 1.7 "
        "or more",
    ),
    (
        {"retry": Retry(on=(OSError, BreakerOpen, Rejected))},
        "retry asks again on BreakerOpen and Rejected: of the guard's own breaker it never does, and of a "
        "breaker further in it keeps callers waiting for what is known to be down; leave it out, and let a "
        "fallback answer",
    ),
    (
        {"retry": Retry(on=(OSError,), per_error=((BreakerOpen, RetryRule(attempts=5)),))},
        "retry asks again on BreakerOpen: of the guard's own breaker it never does, and of a breaker further "
        "in it keeps callers waiting for what is known to be down; leave it out, and let a fallback answer",
    ),
    (
        {"retry": Retry(budget=None), "fallback": Fallback(default=0)},
        "retry.attempts is 3 with no budget and no breaker, under a default answer: callers do not notice an "
        "outage, and the dependency gets 3 times the load; add a breaker or retry.budget",
    ),
    (
        {
            "retry": Retry(attempts=3),
            "timeout": Timeout(
                attempt=1.0, total=9.0, by_operation={"export": Timeout(attempt=5.0, total=10.0)}
            ),
            "operations": BOTH,
        },
        "retry.attempts is 3: when each takes its timeout of 5 s and back-off is at its longest, number 3 "
        "would begin after 10.3 s, beyond timeout.by_operation['export'].total of 10 s; take fewer attempts, "
        "shorter attempts or delays, or a longer total",
    ),
    (
        {
            "retry": Retry(attempts=3),
            "timeout": Timeout(attempt=1.0, total=9.0, by_operation={"export": Timeout(total=30.0)}),
            "operations": BOTH,
        },
        "retry.attempts is 3 and timeout.by_operation['export'].attempt is None: one attempt that hangs "
        "takes all of timeout.by_operation['export'].total, 30 s; set timeout.by_operation['export'].attempt "
        "to about 10",
    ),
    (
        {
            "retry": Retry(attempts=2),
            "timeout": Timeout(attempt=1.0, total=9.0, by_operation={"export": Timeout(attempt=30.0)}),
            "operations": BOTH,
        },
        "timeout.by_operation['export'] has no total, and timeout.total of 9 s does not hold where another "
        "Timeout takes its place: 2 attempts of 30 s may take 2 times as long, and back-off between them; "
        "set timeout.by_operation['export'].total",
    ),
    (
        {"retry": Retry(attempts=3), "timeout": Timeout(attempt=1.0, threads=3)},
        "timeout.threads is 3: one call that hangs in each of 3 attempts has abandoned all of them, and "
        "calls are rejected until one returns; set threads to several times 3",
    ),
    (
        {"retry": Retry(attempts=2), "timeout": Timeout(attempt=1.0, total=3.0, threads=1)},
        "timeout.threads is 1: one call that hangs in each of 2 attempts has abandoned all of them, and "
        "calls are rejected until one returns; set threads to several times 2",
    ),
]
SILENT: list[dict[str, Any]] = [
    {"retry": Retry(attempts=4), "timeout": Timeout(attempt=1.0, total=3.701)},
    {"retry": Retry(attempts=4), "timeout": Timeout(attempt=1.0)},
    {"retry": Retry(backoff="decorrelated", attempts=2), "timeout": Timeout(attempt=1.0, total=1.4)},
    # Attempts that time out are not asked again.
    {"retry": Retry(attempts=9, on=(ValueError,)), "timeout": Timeout(attempt=1.0, total=3.0)},
    {"retry": Retry(attempts=1), "timeout": Timeout(total=3.0)},
    # What an attempt may take is not known before the call.
    {"retry": Retry(), "timeout": Timeout(attempt_for=len, total=3.0)},
    {"retry": Retry(attempts=9), "timeout": Timeout(attempt=1.0, attempt_for=len, total=3.0)},
    {"rate_limit": RateLimit(rate=0.5, max_wait=1.25), "retry": Retry(base_delay=0.75)},
    {"rate_limit": RateLimit(rate=0.5, burst=2), "retry": Retry()},
    {"rate_limit": RateLimit(rate=0.5), "retry": Retry(attempts=1)},
    {"retry": Retry(on=(OSError, BulkheadFull))},
    {"retry": Retry(per_error=((BreakerOpen, RetryRule(attempts=1)),))},
    {"retry": Retry(), "fallback": Fallback(default=0)},
    {"retry": Retry(budget=None), "fallback": Fallback(default=0), "breaker": Breaker()},
    {"retry": Retry(budget=None, attempts=1), "fallback": Fallback(default=0)},
    {"retry": Retry(budget=None), "fallback": Fallback(stale_for=1.0)},
    # What may not be asked twice is not retried, whatever its total is.
    {
        "retry": Retry(attempts=9, idempotent=("read",)),
        "timeout": Timeout(total=9.0, by_operation={"read": Timeout(attempt=0.5, total=60.0)}),
        "operations": BOTH,
    },
    {
        "retry": Retry(attempts=3),
        "timeout": Timeout(attempt=1.0, total=9.0, by_operation={"export": None}),
        "operations": BOTH,
    },
    # Nothing here has a total that could be thought to hold.
    {
        "retry": Retry(attempts=3),
        "timeout": Timeout(attempt=1.0, by_operation={"export": Timeout(attempt=30.0)}),
        "operations": BOTH,
    },
    {
        "retry": Retry(attempts=3),
        "timeout": Timeout(attempt=1.0, total=9.0, by_operation={"export": Timeout(attempt=2.0, total=9.0)}),
        "operations": BOTH,
    },
    {
        "retry": Retry(attempts=1),
        "timeout": Timeout(attempt=1.0, total=9.0, by_operation={"export": Timeout(attempt=30.0)}),
        "operations": BOTH,
    },
    {
        "retry": Retry(attempts=3, on=(ValueError,)),
        "timeout": Timeout(attempt=1.0, total=9.0, by_operation={"export": Timeout(attempt=30.0)}),
        "operations": BOTH,
    },
    {
        "retry": Retry(attempts=3, idempotent=("read",)),
        "timeout": Timeout(attempt=1.0, total=9.0, by_operation={"export": Timeout(attempt=30.0)}),
        "operations": BOTH,
    },
    {
        "retry": Retry(attempts=3),
        "timeout": Timeout(
            attempt=1.0, total=9.0, by_operation={"export": Timeout(attempt=30.0, attempt_for=len)}
        ),
        "operations": BOTH,
    },
    {"retry": Retry(attempts=3), "timeout": Timeout(attempt=1.0, threads=4)},
    {"retry": Retry(attempts=1), "timeout": Timeout(attempt=1.0, threads=1)},
    {"retry": Retry(attempts=3, on=(ValueError,)), "timeout": Timeout(attempt=1.0, threads=1)},
    {"retry": Retry(attempts=3, idempotent=()), "timeout": Timeout(attempt=1.0, threads=1)},
    {"retry": Retry(attempts=3), "timeout": Timeout(attempt=1.0, attempt_for=len, threads=1)},
]
