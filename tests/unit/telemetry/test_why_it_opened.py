"""Whose traces say why a breaker opened: on the transition's span, on its log line, on the health page."""

from __future__ import annotations

import gc
import io
import json
import weakref
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, format_trace_id, use_span

from seawall.exporter import pages
from seawall.resilience import Breaker, Guard, Registry
from seawall.telemetry import catalog, correlation, failed_calls, logs
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.event_log import EventLog
from seawall.telemetry.tracing import Tracing

OPENS_AFTER = 3


class Place:
    """A traced and logged guard that opens after three failures; a call at a time, each in its trace."""

    def __init__(self, registry: Registry, provider: TracerProvider, now: Any) -> None:
        self.registry, self.now = registry, now
        self.stream = io.StringIO()
        self.log = EventLog(logs.logger("json", stream=self.stream), Dropped(), registry=registry)
        self.tracing = Tracing(registry, provider)
        self.tracing.start()
        registry.subscribe(self.log.on_event, name="logs")
        self.guard = self.build("bank")

    def build(self, name: str) -> Guard:
        breaker = Breaker(minimum_calls=OPENS_AFTER, window_calls=10, open_for=30.0, half_open_permits=1)
        return self.registry.guard(name, breaker=breaker, clock=self.now)

    def fail(self, trace_id: int, error: type[Exception] = ConnectionError, *, sampled: bool = True) -> None:
        def asked() -> None:
            raise error("postgresql://user:hunter2@db.internal")

        self.within(trace_id, asked, sampled=sampled)

    def within(self, trace_id: int, asked: Any, *, sampled: bool = True) -> None:
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        parent = NonRecordingSpan(SpanContext(trace_id, 1, is_remote=True, trace_flags=flags))
        with use_span(parent), pytest.raises((ConnectionError, TimeoutError, LookupError)):
            self.guard.call(asked)

    def succeed(self) -> None:
        self.guard.call(lambda: None)

    @property
    def transitions(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == "breaker.transition"]


@pytest.fixture
def place(registry: Registry, provider: TracerProvider, now: Any) -> Place:
    return Place(registry, provider, now)


def own(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == catalog.SPAN_TRANSITION]


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.trace_id for link in span.links]


def hexed(*traces: int) -> list[str]:
    return [format_trace_id(trace) for trace in traces]


def test_span_line_and_page_name_the_same_traces(place: Place, spans: InMemorySpanExporter) -> None:
    for trace, error in ((11, ConnectionError), (12, TimeoutError), (13, ConnectionError)):
        place.fail(trace, error)
    (span,) = own(spans)
    (line,) = place.transitions
    (row,) = pages.dependencies(place.registry)["dependencies"]  # type: ignore[misc]
    (guard,) = pages.resilience(place.registry)["guards"]  # type: ignore[misc]
    assert linked(span) == [11, 12, 13]
    assert line["trace_ids"] == row["why_opened"]["trace_ids"] == hexed(11, 12, 13)
    assert guard["why_opened"] == row["why_opened"]
    assert line["errors"] == row["why_opened"]["errors"] == {"ConnectionError": 2, "TimeoutError": 1}
    assert line["failures"] == row["why_opened"]["failures"] == 3
    assert "hunter2" not in place.stream.getvalue() + span.to_json() + json.dumps([row, guard])


def test_the_links_lead_to_the_attempts(place: Place, spans: InMemorySpanExporter) -> None:
    for trace in (11, 12, 13):
        place.fail(trace)
    attempts = [s.context.span_id for s in spans.get_finished_spans() if s.name == catalog.SPAN_ATTEMPT]  # type: ignore[union-attr]
    (span,) = own(spans)
    assert [link.context.span_id for link in span.links] == attempts
    # Its own place is beneath the call that caused it.
    assert span.context is not None
    assert span.context.trace_id == 13


def test_what_stands_on_it_is_in_the_catalog(place: Place, spans: InMemorySpanExporter) -> None:
    with correlation.using("abc-1"):
        for trace in (11, 12, 13):
            place.fail(trace)
    (span,) = own(spans)
    (event,) = [event for found in spans.get_finished_spans() for event in found.events]
    attributes = dict(span.attributes or {})
    assert attributes == {
        catalog.ATTR_DEPENDENCY: "bank",
        catalog.ATTR_CORRELATION_ID: "abc-1",
        "seawall.breaker.from_state": "closed",
        "seawall.breaker.to_state": "open",
        "seawall.breaker.reason": "failure_ratio reached",
        "seawall.breaker.failure_ratio": 1.0,
        "seawall.breaker.slow_ratio": 0.0,
        "seawall.breaker.window_calls": 3,
        "seawall.breaker.failures": 3,
        "seawall.breaker.errors": ("ConnectionError=3",),
        "seawall.breaker.open_for": 30.0,
    }
    assert set(attributes) <= set(catalog.ATTRIBUTES)
    assert event.name == catalog.SPAN_TRANSITION
    numbers = {k: v for k, v in attributes.items() if k in catalog.TRANSITION_ATTRIBUTES.values()}
    assert dict(event.attributes or {}) == numbers


def test_a_trace_of_several_attempts_is_named_once(place: Place) -> None:
    for trace in (11, 11, 12):
        place.fail(trace)
    assert place.transitions[0]["trace_ids"] == hexed(11, 12)


def test_at_most_the_last_eight(place: Place, spans: InMemorySpanExporter, now: Any) -> None:
    place.guard = place.registry.guard("big", breaker=Breaker(minimum_calls=20), clock=now)
    for trace in range(1, 21):
        place.fail(trace)
    assert linked(own(spans)[0]) == list(range(21 - failed_calls.MOST, 21))


def test_no_more_than_counted(place: Place, spans: InMemorySpanExporter) -> None:
    place.fail(1)
    for _ in range(10):
        place.succeed()  # the first failure leaves the window
    place.guard.reconfigure(breaker=Breaker(minimum_calls=3, window_calls=4, failure_ratio=0.5))
    for trace in (2, 3):
        place.fail(trace)
    assert linked(own(spans)[0]) == [2, 3]


def test_slow_answers_count_too(place: Place, spans: InMemorySpanExporter, now: Any) -> None:
    place.guard = place.registry.guard(
        "slow", breaker=Breaker(minimum_calls=2, slow_after=1.0, slow_ratio=0.5), clock=now
    )

    def slow() -> None:
        now.seconds += 2.0

    for _ in range(2):
        place.guard.call(slow)
    attempts = [s.context.trace_id for s in spans.get_finished_spans() if s.name == catalog.SPAN_ATTEMPT]  # type: ignore[union-attr]
    assert linked(own(spans)[0]) == attempts


def test_a_probe_that_fails_is_named_alone(place: Place, spans: InMemorySpanExporter, now: Any) -> None:
    for trace in (11, 12, 13):
        place.fail(trace)
    now.seconds += 31
    place.fail(14)
    assert [(dict(s.attributes or {})["seawall.breaker.to_state"], linked(s)) for s in own(spans)] == [
        ("open", [11, 12, 13]),
        ("half_open", []),
        ("open", [14]),
    ]
    assert [line.get("trace_ids") for line in place.transitions] == [hexed(11, 12, 13), None, hexed(14)]


def test_none_from_before_it_was_closed(place: Place, spans: InMemorySpanExporter, now: Any) -> None:
    for trace in (11, 12, 13):
        place.fail(trace)
    now.seconds += 31
    place.succeed()
    assert place.guard.state == "closed"
    # Kept for who looks later.
    assert failed_calls.trace_ids(place.guard) == tuple(hexed(11, 12, 13))
    for trace in (21, 22, 23):
        place.fail(trace)
    assert linked(own(spans)[-1]) == [21, 22, 23]
    assert failed_calls.trace_ids(place.guard) == tuple(hexed(21, 22, 23))


def test_a_late_failure_changes_nothing_of_it(place: Place) -> None:
    def late() -> None:
        for trace in (11, 12, 13):
            place.fail(trace)
        raise LookupError

    place.within(10, late)
    assert place.guard.state == "open"
    assert failed_calls.trace_ids(place.guard) == tuple(hexed(11, 12, 13))


def test_what_is_not_sampled_leads_nowhere(place: Place, spans: InMemorySpanExporter) -> None:
    place.fail(11)
    place.fail(12, sampled=False)
    place.fail(13, sampled=False)
    (line,) = place.transitions
    assert line["trace_ids"] == hexed(11)
    assert line["trace_id"] == format_trace_id(13)
    assert own(spans) == []  # the call that caused it leaves no trace


def test_opened_by_hand_or_never_there_is_none(place: Place, spans: InMemorySpanExporter) -> None:
    place.fail(11)
    place.guard.force("forced_open")
    assert linked(own(spans)[0]) == []
    assert "trace_ids" not in place.transitions[0]
    assert failed_calls.trace_ids(place.guard) == ()
    (row,) = pages.dependencies(place.registry)["dependencies"]  # type: ignore[misc]
    assert row["why_opened"] is None
    assert failed_calls.trace_ids(Guard("none", registry=Registry("t"))) == ()


def test_without_tracing_there_is_a_reason_and_no_trace(registry: Registry) -> None:
    guard = registry.guard("bank", breaker=Breaker(minimum_calls=1))
    with pytest.raises(ZeroDivisionError):
        guard.call(lambda: 1 / 0)
    (row,) = pages.dependencies(registry)["dependencies"]  # type: ignore[misc]
    assert row["why_opened"]["errors"] == {"ZeroDivisionError": 1}
    assert row["why_opened"]["trace_ids"] == []


def test_a_log_that_knows_no_registry_names_none(place: Place) -> None:
    stream = io.StringIO()
    place.registry.subscribe(EventLog(logs.logger("json", stream=stream), Dropped()).on_event, name="more")
    for trace in (11, 12, 13):
        place.fail(trace)
    assert "trace_ids" not in stream.getvalue()


def test_whoever_asks_first_hears_the_same(
    registry: Registry, provider: TracerProvider, spans: InMemorySpanExporter, now: Any
) -> None:
    place = Place(registry, provider, now)
    place.tracing.stop()  # and begins anew: now the log's listener is the first
    place.tracing.start()
    for trace in (11, 12, 13):
        place.fail(trace)
    assert place.transitions[0]["trace_ids"] == hexed(11, 12, 13)
    assert linked(own(spans)[0]) == [11, 12, 13]


def test_a_guard_of_the_same_name_has_its_own(place: Place) -> None:
    for trace in (11, 12, 13):
        place.fail(trace)
    place.registry.remove("bank")
    again = place.build("bank")
    assert failed_calls.trace_ids(again) == ()


def test_what_is_kept_goes_with_the_guard(place: Place) -> None:
    place.fail(11)
    gone = weakref.ref(place.guard)
    place.registry.remove("bank")
    place.guard = place.build("other")
    gc.collect()
    assert gone() is None


def test_a_transition_that_no_call_caused_leads_to_its_own_span(
    place: Place, spans: InMemorySpanExporter, now: Any
) -> None:
    for trace in (11, 12, 13):
        place.fail(trace)
    now.seconds += 31
    place.guard.read()  # a scrape sees that the time is over
    span = own(spans)[-1]
    assert span.context is not None
    assert span.parent is None
    slot = place.guard.ledger.layout.at("breaker_transitions", "open", "half_open")
    assert place.guard.ledger.exemplars[slot].labels == {
        "trace_id": format_trace_id(span.context.trace_id),
        "span_id": format(span.context.span_id, "016x"),
    }
