"""Rules of the composition lint about calls that are asked twice, or once for many: hedge and coalesce."""

from __future__ import annotations

from collections.abc import Sequence

from seawall.resilience.breaker import Breaker
from seawall.resilience.bulkhead import Bulkhead
from seawall.resilience.coalesce import Coalesce
from seawall.resilience.hedge import Hedge
from seawall.resilience.lint_rule import Finding, Limit, Rule, limit_of, timeouts_of
from seawall.resilience.rate_limit import RateLimit
from seawall.resilience.retry import Retry
from seawall.resilience.timeout import Timeout


def hedge_too_late(hedge: Hedge, timeout: Timeout, operations: Sequence[str]) -> Finding:
    limit = _longest_race(hedge, timeout, operations)
    if limit is None or hedge.delay < limit.seconds:
        return None
    return (
        f"hedge.delay of {hedge.delay:g} s is not below {limit.scope} of {limit.seconds:g} s: the attempt is "
        "over before a copy of it starts; set delay to about the 95th percentile of what answers take, well "
        f"below {limit.seconds:g}"
    )


def copies_too_late(hedge: Hedge, timeout: Timeout, operations: Sequence[str]) -> Finding:
    limit = _longest_race(hedge, timeout, operations)
    if limit is None or hedge.delay >= limit.seconds or hedge.delay * hedge.most < limit.seconds:
        return None
    late = next(copy for copy in range(2, hedge.most + 1) if hedge.delay * copy >= limit.seconds)
    return (
        f"hedge.most is {hedge.most}, one copy every {hedge.delay:g} s: number {late} would start after "
        f"{hedge.delay * late:.4g} s, and {limit.scope} ends the attempt after {limit.seconds:g} s; set most "
        f"to {late - 1}, or delay to less than {limit.seconds / hedge.most:.3g}"
    )


def copies_beyond_bulkhead(hedge: Hedge, bulkhead: Bulkhead) -> Finding:
    places = hedge.most + 1
    if places <= bulkhead.limit:
        return None
    fewer = f"hedge.most to {bulkhead.limit - 1}, or " if bulkhead.limit > 1 else ""
    return (
        f"hedge.most is {hedge.most}, so that one call takes up to {places} places, and bulkhead.limit is "
        f"{bulkhead.limit}: copies are refused though nobody else calls; set {fewer}bulkhead.limit to "
        f"several times {places}"
    )


def copies_without_permit(hedge: Hedge, rate_limit: RateLimit) -> Finding:
    interval, last = 1 / rate_limit.rate, hedge.delay * hedge.most
    if rate_limit.burst > 1 or last >= interval:
        return None
    return (
        f"rate_limit has a permit every {interval:.4g} s and burst 1, copies come within {last:.4g} s of the "
        "call that took it: they never find one; set burst to 2 or more, or hedge.delay to "
        f"{interval:.4g} or more"
    )


def copies_unbounded(hedge: Hedge, retry: Retry | None, breaker: Breaker | None) -> Finding:
    if (retry and retry.budget) or (breaker and breaker.slow_after):
        return None
    budget = "set retry.budget" if retry else "add Retry(attempts=1), whose budget pays for copies too"
    return (
        f"hedge has no budget: while the dependency is slow and does answer, each call asks it "
        f"{hedge.most + 1} times, and nothing ends that; {budget}, or a bulkhead, or breaker.slow_after"
    )


def copies_of_what_may_not_be_repeated(hedge: Hedge, retry: Retry, operations: Sequence[str]) -> Finding:
    twice = [o for o in operations if hedge.covers(o) and not retry.may_repeat(o)]
    if not twice:
        return None
    once = tuple(o for o in operations if hedge.covers(o) and retry.may_repeat(o))
    return (
        f"hedge asks {' and '.join(twice)} twice at the same time, which retry.idempotent says may not be "
        f"asked twice; set hedge.operations to {once}"
    )


def threads_never_used(hedge: Hedge, timeout: Timeout, operations: Sequence[str]) -> Finding:
    if timeout.threads is None or not all(map(hedge.covers, operations)):
        return None
    return (
        f"timeout.threads is {timeout.threads}, for a def, and a def is refused where calls are hedged; "
        "leave threads out, or name in hedge.operations what is async def"
    )


def shared_without_end(_: Coalesce) -> Finding:
    return (
        "coalesce without a timeout: one call that hangs hangs all who join it, now and later; set "
        "timeout.total"
    )


def _longest_race(hedge: Hedge, timeout: Timeout, operations: Sequence[str]) -> Limit | None:
    """Of the operations that are hedged: what ends the attempt that may take longest."""
    hedged = [(where, own) for o, where, own in timeouts_of(timeout, operations) if hedge.covers(o)]
    limits = [(where, own and limit_of(own)) for where, own in hedged]
    known = [Limit(limit.seconds, f"{where}.{limit.scope}") for where, limit in limits if limit]
    return max(known) if known and len(known) == len(limits) else None


RULES = (
    Rule(hedge_too_late, ("hedge", "timeout", "operations")),
    Rule(copies_too_late, ("hedge", "timeout", "operations")),
    Rule(copies_beyond_bulkhead, ("hedge", "bulkhead")),
    Rule(copies_without_permit, ("hedge", "rate_limit")),
    Rule(copies_unbounded, ("hedge",), without=("bulkhead", "rate_limit"), beside=("retry", "breaker")),
    Rule(copies_of_what_may_not_be_repeated, ("hedge", "retry", "operations")),
    Rule(threads_never_used, ("hedge", "timeout", "operations")),
    Rule(shared_without_end, ("coalesce",), without=("timeout",)),
)
