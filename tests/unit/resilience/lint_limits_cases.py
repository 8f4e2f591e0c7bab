"""What the lint's rules about limits say of which settings, and settings next to these."""

from __future__ import annotations

from typing import Any

from seawall.resilience import Breaker, Bulkhead, RateLimit, Timeout

QUICK = Timeout(attempt=0.5)
SPEAKS: list[tuple[dict[str, Any], str]] = [
    (
        {"breaker": Breaker(slow_after=1.0), "timeout": Timeout(attempt=1.0, total=3.0)},
        "breaker.slow_after of 1 s is not below timeout.attempt of 1 s: an async call ends before it is "
        "slow; set slow_after below 1",
    ),
    (
        {"breaker": Breaker(slow_after=4.0), "timeout": Timeout(total=3.0)},
        "breaker.slow_after of 4 s is not below timeout.total of 3 s: an async call ends before it is slow; "
        "set slow_after below 3",
    ),
    (
        {"breaker": Breaker(), "timeout": Timeout(attempt=90.0)},
        "breaker.half_open_max_wait of 60 s is below timeout.attempt of 90 s: probes count as failed before "
        "their time is over; set half_open_max_wait to 90 or more",
    ),
    (
        {
            "breaker": Breaker(window_seconds=10.0, minimum_calls=15),
            "rate_limit": RateLimit(rate=1.0, burst=2),
        },
        "breaker.minimum_calls is 15, rate_limit lets at most 14 calls into window_seconds of 10: the ratios "
        "never count; set minimum_calls to 14 or less, or window_seconds longer",
    ),
    (
        {"breaker": Breaker(half_open_permits=7), "bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=0.1)},
        "breaker.half_open_permits is 7, the bulkhead has 6 places: the other probes are turned away; set "
        "half_open_permits to 6 or less",
    ),
    (
        {"bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=3.0), "timeout": Timeout(total=3.0)},
        "bulkhead.max_wait of 3 s is not below timeout.total of 3 s: who waits so long has no time left to "
        "be served; set max_wait below 3",
    ),
    (
        {"rate_limit": RateLimit(rate=4.0, max_wait=5.0), "timeout": Timeout(total=3.0)},
        "rate_limit.max_wait of 5 s is not below timeout.total of 3 s: who waits so long has no time left to "
        "be served; set max_wait below 3",
    ),
    (
        {
            "timeout": Timeout(total=5.0, by_operation={"read": QUICK, "write": None}),
            "operations": ("read", "write"),
        },
        "timeout.total of 5 s: no operation has that limit, for by_operation names all of them (read, write) "
        "and takes the place of the whole Timeout; set it there, or leave it out",
    ),
    (
        {"timeout": Timeout(attempt=2.0, total=5.0, by_operation={"default": QUICK})},
        "timeout.attempt of 2 s and timeout.total of 5 s: no operation has that limit, for by_operation "
        "names all of them (default) and takes the place of the whole Timeout; set it there, or leave it out",
    ),
    (
        {"timeout": Timeout(attempt=2.0, threads=4), "bulkhead": Bulkhead(limit=20)},
        "timeout.threads is 4, bulkhead.limit is 20: calls of a def are turned away for want of a thread "
        "before the bulkhead is full, and none of them queues; set threads to 20 or more, or bulkhead.limit "
        "to 4",
    ),
    (
        {
            "timeout": Timeout(total=2.0, threads=4, by_operation={"write": QUICK}),
            "bulkhead": Bulkhead(limit=5),
            "operations": ("read", "write"),
        },
        "timeout.threads is 4, bulkhead.limit is 5: calls of a def are turned away for want of a thread "
        "before the bulkhead is full, and none of them queues; set threads to 5 or more, or bulkhead.limit "
        "to 4",
    ),
]
SILENT: list[dict[str, Any]] = [
    {"breaker": Breaker(slow_after=4.0), "timeout": Timeout(attempt=1.0, attempt_for=len)},
    {"breaker": Breaker(slow_after=4.0), "timeout": Timeout(by_operation={"default": Timeout(attempt=1.0)})},
    {"breaker": Breaker(slow_after=0.99), "timeout": Timeout(attempt=1.0, total=3.0)},
    {"breaker": Breaker(), "timeout": Timeout(attempt=60.0)},
    {"breaker": Breaker(window_seconds=10.0, minimum_calls=14), "rate_limit": RateLimit(rate=1.0, burst=2)},
    {"breaker": Breaker(minimum_calls=15), "rate_limit": RateLimit(rate=1.0, burst=2)},
    {"breaker": Breaker(half_open_permits=6), "bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=0.1)},
    {"breaker": Breaker(), "bulkhead": Bulkhead(limit=1)},
    {"bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=2.9), "timeout": Timeout(total=3.0)},
    {"bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=9.0), "timeout": Timeout(attempt=3.0)},
    {"rate_limit": RateLimit(rate=4.0, max_wait=2.9), "timeout": Timeout(total=3.0)},
    {
        "timeout": Timeout(total=5.0, by_operation={"read": QUICK}),
        "operations": ("read", "write"),
    },
    {"timeout": Timeout(by_operation={"default": QUICK})},
    {"timeout": Timeout(attempt=2.0, threads=4), "bulkhead": Bulkhead(limit=4)},
    {"timeout": Timeout(attempt=2.0), "bulkhead": Bulkhead(limit=4)},
    # Calls without a limit take no thread, and may be all those that the bulkhead has more places for.
    {
        "timeout": Timeout(attempt=2.0, threads=4, by_operation={"write": None}),
        "bulkhead": Bulkhead(limit=20),
        "operations": ("read", "write"),
    },
    {
        "timeout": Timeout(threads=4, by_operation={"read": QUICK}),
        "bulkhead": Bulkhead(limit=20),
        "operations": ("read", "write"),
    },
]
