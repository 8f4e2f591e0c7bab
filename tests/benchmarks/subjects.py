"""What is measured: seawall's guards, and the same job done by the best-known libraries, built alike.

Each subject is a function of one argument. Peers run bare; ours run with all their metrics on.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

import circuitbreaker
import nopanic
import prometheus_client
import pybreaker
import pyresilience
import stamina
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from seawall.resilience import Breaker, Bulkhead, Fallback, Guard, RateLimit, Registry, Retry, Timeout
from seawall.telemetry.tracing import Tracing

Call = Callable[[int], Any]
ACall = Callable[[int], Awaitable[Any]]

_names = itertools.count()
HUGE = 100_000_000


def body(x: int) -> int:
    return x


async def abody(x: int) -> int:
    return x


def broken(x: int) -> int:
    raise ConnectionError


def guard(**policies: Any) -> Guard:
    return Guard(f"guard-{next(_names)}", registry=Registry("bench"), **policies)


def full(**more: Any) -> Guard:
    return guard(
        breaker=Breaker(window_calls=100),
        retry=Retry(),
        rate_limit=RateLimit(rate=HUGE, burst=HUGE),
        bulkhead=Bulkhead(limit=100),
        fallback=Fallback(default=0),
        **more,
    )


def swallowing(call: Call) -> Call:
    """Ask a subject that rejects; its breaker is opened first."""

    def run(x: int) -> None:
        try:
            call(x)
        except Exception:
            return

    run(0)
    return run


def pybreaker_with_prometheus() -> Call:
    registry = prometheus_client.CollectorRegistry()
    calls = prometheus_client.Counter("calls", "Calls", ["outcome"], registry=registry).labels("success")
    duration = prometheus_client.Histogram("seconds", "Durations", ["op"], registry=registry).labels("x")
    inner = pybreaker.CircuitBreaker()(body)
    clock = time.perf_counter

    def run(x: int) -> int:
        began = clock()
        result: int = inner(x)
        calls.inc()
        duration.observe(clock() - began)
        return result

    return run


def pyresilience_stack(function: Any, **more: Any) -> Any:
    return pyresilience.resilient(
        circuit_breaker=pyresilience.CircuitBreakerConfig(sliding_window_size=100),
        retry=pyresilience.RetryConfig(),
        rate_limiter=pyresilience.RateLimiterConfig(max_calls=HUGE, period=1.0),
        bulkhead=pyresilience.BulkheadConfig(max_concurrent=100),
        fallback=pyresilience.FallbackConfig(handler=0),
        **more,
    )(function)


def nopanic_stack(function: Any, *more: Any) -> Any:
    return nopanic.compose(
        nopanic.fallback(0),
        nopanic.retry(3),
        nopanic.circuit_breaker(),
        nopanic.rate_limit(HUGE, burst=HUGE),
        nopanic.bulkhead(100),
        *more,
    )(function)


def opened() -> Guard:
    return guard(breaker=Breaker(window_calls=1, minimum_calls=1, open_for=1e6))


def traced() -> Call:
    """A guard with a tracer; to be called under :func:`unsampled`."""
    registry = Registry("bench")
    watched = Guard("watched", breaker=Breaker(), registry=registry)
    Tracing(registry, TracerProvider(sampler=ALWAYS_OFF)).start()
    return watched(body)


def unsampled() -> AbstractContextManager[Any]:
    """A parent span that is not sampled."""
    return trace.use_span(TracerProvider(sampler=ALWAYS_OFF).get_tracer("bench").start_span("parent"))


def api_only_span() -> Call:
    tracer = trace.NoOpTracerProvider().get_tracer("bench")

    def run(x: int) -> int:
        with tracer.start_as_current_span("call"):
            return body(x)

    return run


SYNC: dict[str, Callable[[], Call]] = {
    "bare call": lambda: body,
    "seawall breaker": lambda: guard(breaker=Breaker())(body),
    "seawall retry": lambda: guard(retry=Retry())(body),
    "seawall pipeline": lambda: full()(body),
    "seawall open rejection": lambda: swallowing(opened()(broken)),
    "seawall breaker, tracer on": traced,
    "circuitbreaker": lambda: circuitbreaker.CircuitBreaker()(body),
    "pybreaker": lambda: pybreaker.CircuitBreaker()(body),
    "pybreaker + prometheus_client": pybreaker_with_prometheus,
    "pyresilience breaker": lambda: pyresilience.resilient(
        circuit_breaker=pyresilience.CircuitBreakerConfig()
    )(body),
    "nopanic breaker": lambda: nopanic.circuit_breaker()(body),
    "nopanic retry": lambda: nopanic.retry(3)(body),
    "stamina retry": lambda: stamina.retry(on=Exception, attempts=3)(body),
    "pyresilience pipeline": lambda: pyresilience_stack(body),
    "nopanic pipeline": lambda: nopanic_stack(body),
    "pybreaker open rejection": lambda: swallowing(
        pybreaker.CircuitBreaker(fail_max=1, reset_timeout=10**6)(broken)
    ),
    "OpenTelemetry API-only span": api_only_span,
}

ASYNC: dict[str, Callable[[], ACall]] = {
    "bare await": lambda: abody,
    "seawall async breaker": lambda: guard(breaker=Breaker())(abody),
    "seawall async pipeline": lambda: full(timeout=Timeout(attempt=5.0, total=20.0))(abody),
    "circuitbreaker async": lambda: circuitbreaker.CircuitBreaker()(abody),
    "pyresilience async pipeline": lambda: pyresilience_stack(
        abody, timeout=pyresilience.TimeoutConfig(seconds=5.0)
    ),
    "nopanic async pipeline": lambda: nopanic_stack(abody, nopanic.timeout(5.0)),
}
