"""Policy documents of real registries, with names that try to get out of where they stand."""

from __future__ import annotations

from typing import Any

import pytest

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

QUOTE = '"} or x{z="'
FAMILY = "partner [a|b] {{ .Y }}"
BRACES = "{{ .Foo }}{{ $labels.job }}\\ `$1` \N{SNOWMAN} <b>|</b>"


def _registry() -> Registry:
    """Every policy, every criticality, an objective of each kind, and a guard with nothing at all."""
    made = Registry(service="shop")
    made.guard(
        "bank-api",
        criticality="critical",
        operations=("statements", "transfer"),
        breaker=Breaker(slow_after=0.5, slow_ratio=0.8),
        retry=Retry(budget=RetryBudget(ratio=0.2)),
        timeout=Timeout(attempt=1.0, total=5.0),
        bulkhead=Bulkhead(limit=20),
        rate_limit=RateLimit(rate=100.0, burst=20),
        fallback=Fallback(stale_for=900.0, default=None),
        objectives=Objectives(success=0.999, undegraded=0.99),
    )
    made.guard(
        QUOTE,
        breaker=Breaker(failure_ratio=0.25),
        retry=Retry(attempts=4, budget=None),
        timeout=Timeout(attempt=0.5, total=5.0),
        objectives=Objectives(success=0.99),
    )
    made.guard(
        BRACES,
        criticality="sheddable",
        breaker=Breaker(open_for=300.0),
        fallback=Fallback(default=None),
        bulkhead=Bulkhead(limit=4),
    )
    made.guard("bare")
    made.guard(
        "files",
        breaker=Breaker(mode="metrics_only"),
        timeout=Timeout(attempt=1.0, threads=8),
        fallback=Fallback(stale_for=3600.0, queue=print),
    )
    made.family(FAMILY, most=50, breaker=Breaker(mode="disabled"), criticality="sheddable")
    return made


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    return _registry().describe()
