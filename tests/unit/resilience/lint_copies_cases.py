"""What the lint's rules about hedge and coalesce say of which settings, and settings next to these."""

from __future__ import annotations

from typing import Any

from seawall.resilience import Breaker, Bulkhead, Coalesce, Hedge, RateLimit, Retry, RetryThrottle, Timeout

BOTH = ("read", "write")
#: Nothing is retried, and its budget pays for copies.
PAID = Retry(attempts=1)
SPEAKS: list[tuple[dict[str, Any], str]] = [
    (
        {"hedge": Hedge(delay=1.0), "retry": PAID, "timeout": Timeout(attempt=1.0, total=3.0)},
        "hedge.delay of 1 s is not below timeout.attempt of 1 s: the attempt is over before a copy of it "
        "starts; set delay to about the 95th percentile of what answers take, well below 1",
    ),
    (
        {"hedge": Hedge(delay=1.0, most=2), "retry": PAID, "timeout": Timeout(total=0.5)},
        "hedge.delay of 1 s is not below timeout.total of 0.5 s: the attempt is over before a copy of it "
        "starts; set delay to about the 95th percentile of what answers take, well below 0.5",
    ),
    (
        {
            "hedge": Hedge(delay=1.0),
            "retry": PAID,
            "timeout": Timeout(by_operation={"read": Timeout(attempt=0.25), "write": Timeout(total=0.5)}),
            "operations": BOTH,
        },
        "hedge.delay of 1 s is not below timeout.by_operation['write'].total of 0.5 s: the attempt is over "
        "before a copy of it starts; set delay to about the 95th percentile of what answers take, well below "
        "0.5",
    ),
    (
        {
            "hedge": Hedge(delay=1.0, operations=("read",)),
            "retry": PAID,
            "timeout": Timeout(attempt=9.0, by_operation={"read": Timeout(attempt=1.0)}),
            "operations": BOTH,
        },
        "hedge.delay of 1 s is not below timeout.by_operation['read'].attempt of 1 s: the attempt is over "
        "before a copy of it starts; set delay to about the 95th percentile of what answers take, well below "
        "1",
    ),
    (
        {"hedge": Hedge(delay=0.3, most=4), "retry": PAID, "timeout": Timeout(attempt=1.0)},
        "hedge.most is 4, one copy every 0.3 s: number 4 would start after 1.2 s, and timeout.attempt ends "
        "the attempt after 1 s; set most to 3, or delay to less than 0.25",
    ),
    (
        {"hedge": Hedge(delay=0.5, most=3), "retry": PAID, "timeout": Timeout(total=1.0)},
        "hedge.most is 3, one copy every 0.5 s: number 2 would start after 1 s, and timeout.total ends the "
        "attempt after 1 s; set most to 1, or delay to less than 0.333",
    ),
    (
        {"hedge": Hedge(delay=0.5, most=2), "retry": PAID, "timeout": Timeout(total=1.0)},
        "hedge.most is 2, one copy every 0.5 s: number 2 would start after 1 s, and timeout.total ends the "
        "attempt after 1 s; set most to 1, or delay to less than 0.5",
    ),
    (
        {"hedge": Hedge(delay=0.5), "bulkhead": Bulkhead(limit=1)},
        "hedge.most is 1, so that one call takes up to 2 places, and bulkhead.limit is 1: copies are refused "
        "though nobody else calls; set bulkhead.limit to several times 2",
    ),
    (
        {"hedge": Hedge(delay=0.5, most=2), "bulkhead": Bulkhead(limit=2, max_queue=9, max_wait=0.1)},
        "hedge.most is 2, so that one call takes up to 3 places, and bulkhead.limit is 2: copies are refused "
        "though nobody else calls; set hedge.most to 1, or bulkhead.limit to several times 3",
    ),
    (
        {"hedge": Hedge(delay=0.2, most=2), "rate_limit": RateLimit(rate=2.0)},
        "rate_limit has a permit every 0.5 s and burst 1, copies come within 0.4 s of the call that took it: "
        "they never find one; set burst to 2 or more, or hedge.delay to 0.5 or more",
    ),
    (
        {"hedge": Hedge(delay=0.5)},
        "hedge has no budget: while the dependency is slow and does answer, each call asks it 2 times, and "
        "nothing ends that; add Retry(attempts=1), whose budget pays for copies too, or a bulkhead, or "
        "breaker.slow_after",
    ),
    (
        {"hedge": Hedge(delay=0.5, most=2), "retry": Retry(budget=None), "breaker": Breaker()},
        "hedge has no budget: while the dependency is slow and does answer, each call asks it 3 times, and "
        "nothing ends that; set retry.budget, or a bulkhead, or breaker.slow_after",
    ),
    (
        {"hedge": Hedge(delay=0.5), "retry": Retry(idempotent=("read",)), "operations": ("read", "pay")},
        "hedge asks pay twice at the same time, which retry.idempotent says may not be asked twice; set "
        "hedge.operations to ('read',)",
    ),
    (
        {
            "hedge": Hedge(delay=0.5, operations=BOTH),
            "retry": Retry(idempotent=()),
            "operations": ("list", *BOTH),
        },
        "hedge asks read and write twice at the same time, which retry.idempotent says may not be asked "
        "twice; set hedge.operations to ()",
    ),
    (
        {"hedge": Hedge(delay=0.5), "retry": PAID, "timeout": Timeout(attempt=1.0, threads=4)},
        "timeout.threads is 4, for a def, and a def is refused where calls are hedged; leave threads out, or "
        "name in hedge.operations what is async def",
    ),
    (
        {"coalesce": Coalesce()},
        "coalesce without a timeout: one call that hangs hangs all who join it, now and later; set "
        "timeout.total",
    ),
]
SILENT: list[dict[str, Any]] = [
    {"hedge": Hedge(delay=0.999), "retry": PAID, "timeout": Timeout(attempt=1.0)},
    {"hedge": Hedge(delay=0.3, most=3), "retry": PAID, "timeout": Timeout(attempt=1.0)},
    # What an attempt may take is not known before the call.
    {"hedge": Hedge(delay=2.0), "retry": PAID, "timeout": Timeout(attempt=1.0, attempt_for=len)},
    # Copies that one operation leaves no time for are of use to another.
    {
        "hedge": Hedge(delay=1.0),
        "retry": PAID,
        "timeout": Timeout(attempt=1.5, by_operation={"read": Timeout(attempt=0.5)}),
        "operations": BOTH,
    },
    {
        "hedge": Hedge(delay=5.0),
        "retry": PAID,
        "timeout": Timeout(attempt=1.0, by_operation={"write": None}),
        "operations": BOTH,
    },
    {
        "hedge": Hedge(delay=5.0),
        "retry": PAID,
        "timeout": Timeout(by_operation={"read": Timeout(attempt=1.0)}),
        "operations": BOTH,
    },
    {
        "hedge": Hedge(delay=5.0, operations=()),
        "retry": PAID,
        "timeout": Timeout(attempt=1.0),
        "operations": BOTH,
    },
    {"hedge": Hedge(delay=0.5), "bulkhead": Bulkhead(limit=2)},
    {"hedge": Hedge(delay=0.25, most=2), "rate_limit": RateLimit(rate=2.0)},
    {"hedge": Hedge(delay=0.1), "rate_limit": RateLimit(rate=2.0, burst=2)},
    {"hedge": Hedge(delay=0.1), "retry": Retry(budget=RetryThrottle())},
    {"hedge": Hedge(delay=0.1), "retry": Retry(budget=None), "breaker": Breaker(slow_after=0.2)},
    {"hedge": Hedge(delay=0.1), "breaker": Breaker(slow_after=0.2)},
    {
        "hedge": Hedge(delay=0.5, operations=("read",)),
        "retry": Retry(idempotent=("read",)),
        "operations": BOTH,
    },
    {
        "hedge": Hedge(delay=0.5, operations=("read",)),
        "retry": PAID,
        "timeout": Timeout(attempt=1.0, threads=4),
        "operations": BOTH,
    },
    {"coalesce": Coalesce(), "timeout": Timeout(attempt=1.0)},
]
