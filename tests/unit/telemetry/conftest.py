"""What the tests of telemetry share: a registry with every policy, a tracer that keeps its spans."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.unit.telemetry.workers import MADE

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Fallback,
    Guard,
    Objectives,
    RateLimit,
    Registry,
    Retry,
    Timeout,
)


class Now:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def registry() -> Registry:
    return Registry("shop")


@pytest.fixture
def full(registry: Registry, now: Now) -> Guard:
    """A guard with every policy, on the manual clock; waiting for a retry takes no time."""

    def sleep(seconds: float) -> None:
        now.seconds += seconds

    return registry.guard(
        "bank-api",
        breaker=Breaker(minimum_calls=4, window_calls=10, open_for=30.0),
        retry=Retry(attempts=2, base_delay=0.1),
        timeout=Timeout(attempt=1.0, total=5.0),
        bulkhead=Bulkhead(limit=3),
        rate_limit=RateLimit(rate=1000, burst=100),
        fallback=Fallback(default="none", stale_for=60.0),
        objectives=Objectives(success=0.99),
        operations=("statements", "balance"),
        criticality="critical",
        clock=now,
        sleep=sleep,
    )


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(spans: InMemorySpanExporter) -> Iterator[TracerProvider]:
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(spans))
    yield made
    made.shutdown()


@pytest.fixture(autouse=True)
def _workers_end() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().die()
