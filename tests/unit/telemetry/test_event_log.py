"""The events of a registry, as lines."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from seawall.resilience import Breaker, Fallback, Guard, Registry
from seawall.resilience.events import (
    EVENT_TYPES,
    BudgetExhausted,
    CallDegraded,
    CallFailed,
    CallRejected,
    Event,
    PolicyChanged,
    RetryExhausted,
    RetryScheduled,
    TimeoutExceeded,
    Transition,
)
from seawall.telemetry import catalog, logs
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.event_log import EventLog

COMMON: dict[str, Any] = {"dependency": "db", "operation": "read", "number": 1, "at": 5.0}
EVENTS: tuple[Event, ...] = (
    Transition(
        **COMMON, from_state="closed", to_state="open", reason="failure_ratio",
        failure_ratio=0.5, slow_ratio=0.0, window_calls=10, failures=5, errors=(("Boom", 5),), open_for=30.0,
    ),
    RetryScheduled(**COMMON, attempt=2, delay=0.1, error="Boom"),
    RetryExhausted(**COMMON, attempts=3, error="Boom"),
    BudgetExhausted(**COMMON, attempt=2, error="Boom"),
    CallRejected(**COMMON, policy="breaker", reason="open", retry_after=None),
    CallDegraded(**COMMON, mode="stale", outcome="served", cause="Boom", stale_age=2.0),
    CallFailed(**COMMON, error="Boom", outcome="failure", attempts=3),
    TimeoutExceeded(**COMMON, scope="attempt", limit=1.0, elapsed=1.1),
    PolicyChanged(**COMMON, policies=("retry",), policy_hash="0123456789abcdef"),
)  # fmt: skip


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_kind_of_event_has_its_line(stream: io.StringIO) -> None:
    assert {type(event) for event in EVENTS} == set(EVENT_TYPES)
    log = EventLog(logs.logger("json", stream=stream), Dropped())
    for event in EVENTS:
        log.on_event(event)
    lines = written(stream)
    assert [line["event"] for line in lines] == [catalog.LOG_EVENTS[type(e).__name__] for e in EVENTS]
    assert all(line["dependency"] == "db" and line["operation"] == "read" for line in lines)
    transition = lines[0]
    assert transition["level"] == "warning"
    assert transition["errors"] == {"Boom": 5}
    assert transition["window_calls"] == 10
    assert "retry_after" not in lines[4]
    assert "at" not in transition


def test_what_passes_is_limited_and_what_does_not_is_counted(
    stream: io.StringIO, now: Callable[[], float]
) -> None:
    dropped = Dropped()
    log = EventLog(logs.logger("json", stream=stream), dropped, burst=2, per_second=1.0, clock=now)
    retry, degraded = EVENTS[1], EVENTS[5]
    for _ in range(5):
        log.on_event(retry)
    log.on_event(degraded)  # another event has its own allowance
    assert len(written(stream)) == 3
    assert dropped.counts()["logs", "rate_limited"] == 3
    now.seconds += 1.0  # type: ignore[attr-defined]
    log.on_event(retry)
    assert written(stream)[-1]["suppressed"] == 3
    now.seconds += 100.0  # type: ignore[attr-defined]
    for _ in range(3):
        log.on_event(retry)
    assert len(written(stream)) == 6
    assert "suppressed" not in written(stream)[-1]


def test_a_registry_writes_what_happens(registry: Registry, full: Guard, stream: io.StringIO) -> None:
    log = EventLog(logs.logger("json", stream=stream), Dropped())
    registry.subscribe(log.on_event, name="logs")

    def fail() -> None:
        raise ConnectionError("postgresql://user:hunter2@db.internal/x")

    full.operation("statements").call(fail)
    events = [line["event"] for line in written(stream)]
    assert events == ["retry.scheduled", "retry.exhausted", "call.degraded", "call.degraded"]
    assert "hunter2" not in stream.getvalue()
    assert "ConnectionError" in stream.getvalue()


def test_any_name_stays_on_its_line(registry: Registry, stream: io.StringIO) -> None:
    log = EventLog(logs.logger("console", stream=stream), Dropped())
    registry.subscribe(log.on_event, name="logs")
    name = '"} {{ x }} \u202e\N{SNOWMAN}'
    guard = registry.guard(name, breaker=Breaker(minimum_calls=1), fallback=Fallback(default=0))

    def fail() -> int:
        raise LookupError

    guard.call(fail)
    assert stream.getvalue()
    assert len(stream.getvalue().splitlines()) == stream.getvalue().count("\n") == 2
