"""The guards of the reference service: what it depends on, and what it does when that fails.

Importing this module starts nothing and opens nothing; it is what
`seawall generate --from reference.guards:registry` reads. The times are short, so that a demo of two
minutes shows every part: a breaker asks again after 5 seconds.
"""

from __future__ import annotations

from typing import Any, Protocol

import httpx

from reference.model import BankRefused, StatementBatch, Waiting
from seawall.resilience import (
    Breaker,
    Bulkhead,
    Fallback,
    Objectives,
    RateLimit,
    Registry,
    Retry,
    RetryBudget,
    Timeout,
)

registry = Registry(service="reconciliation")


class Keeps(Protocol):
    """A service that can keep for later what it can't send now."""

    async def keep(self, *item: Any) -> Waiting:
        """Store the item durably; return after it is on disk."""


async def keep_for_later(service: Keeps, *item: Any) -> Waiting:
    """Fallback of mail and files: called with the arguments of the call that failed."""
    return await service.keep(*item)


bank_api = registry.guard(
    "bank-api",
    description="Account statements, from the bank's HTTP API.",
    criticality="critical",
    operations=("statements",),
    breaker=Breaker(
        failure_ratio=0.5,
        window_calls=20,
        minimum_calls=8,
        open_for=5.0,
        half_open_permits=2,
        slow_after=0.3,
        slow_ratio=0.9,
        ignore=(BankRefused,),
    ),
    retry=Retry(
        attempts=3,
        base_delay=0.05,
        max_delay=0.2,
        on=(httpx.TransportError, TimeoutError),
        budget=RetryBudget(ratio=0.5, floor_per_second=2.0),
    ),
    timeout=Timeout(attempt=0.4, total=1.2),
    # What the bank allows; retries can go over it for a moment, and then wait.
    rate_limit=RateLimit(rate=20.0, burst=2, max_wait=0.25),
    bulkhead=Bulkhead(limit=6, max_queue=16, max_wait=0.3),
    fallback=Fallback(
        stale_for=600.0,
        default=StatementBatch.unknown(),
        timeout=0.25,
        key=lambda bank, day: day,
    ),
    objectives=Objectives(success=0.999, undegraded=0.99),
)

cache = registry.guard(
    "cache",
    description="Aggregates that are asked for often; without it they are computed again.",
    criticality="sheddable",
    operations=("get", "put"),
    breaker=Breaker(failure_ratio=0.5, window_calls=20, minimum_calls=5, open_for=3.0, half_open_permits=1),
    timeout=Timeout(attempt=0.05, total=0.1),
    bulkhead=Bulkhead(limit=32),
    fallback=Fallback(default=None),
    objectives=Objectives(success=0.999, undegraded=0.95),
)

database = registry.guard(
    "database",
    description="The ledger: SQLite here, PostgreSQL by URL.",
    criticality="critical",
    operations=("ledger", "totals", "save"),
    breaker=Breaker(failure_ratio=0.5, window_calls=50, minimum_calls=10, open_for=5.0, half_open_permits=2),
    timeout=Timeout(attempt=0.5, total=1.0),
    bulkhead=Bulkhead(limit=8, max_queue=64, max_wait=0.5),
    objectives=Objectives(success=0.999),
)

mail = registry.guard(
    "mail",
    description="Reports by SMTP; what can't be sent now waits in an outbox.",
    breaker=Breaker(failure_ratio=0.5, window_calls=10, minimum_calls=3, open_for=4.0, half_open_permits=1),
    timeout=Timeout(attempt=0.5, total=1.0),
    bulkhead=Bulkhead(limit=8, max_queue=8, max_wait=0.1),
    fallback=Fallback(queue=keep_for_later, timeout=0.5),
    # No objective for success: what is sent later fails while the server is gone, and nobody waits for it.
    objectives=Objectives(undegraded=0.95),
)

files = registry.guard(
    "files",
    description="Exports in the object store; what can't be uploaded now waits in a spool folder.",
    breaker=Breaker(failure_ratio=0.5, window_calls=10, minimum_calls=4, open_for=4.0, half_open_permits=1),
    retry=Retry(attempts=2, base_delay=0.05, max_delay=0.1),
    timeout=Timeout(attempt=0.4, total=1.0),
    bulkhead=Bulkhead(limit=8, max_queue=8, max_wait=0.1),
    fallback=Fallback(queue=keep_for_later, timeout=0.5),
    # No objective for success: what is sent later fails while the server is gone, and nobody waits for it.
    objectives=Objectives(undegraded=0.95),
)
