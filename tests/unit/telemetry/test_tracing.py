"""Spans of guarded calls, and the exemplars that they leave."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from seawall.resilience import Breaker, Guard, Registry
from seawall.telemetry import catalog, correlation
from seawall.telemetry.tracing import _FLAGS, _IS_VALID, Tracing


class Boom(Exception):
    """Raised by the dependency."""


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self) -> str:
        if self.failures:
            self.failures -= 1
            raise Boom("password=hunter2")
        return "fine"


@pytest.fixture
def tracing(registry: Registry, provider: TracerProvider) -> Tracing:
    made = Tracing(registry, provider)
    made.start()
    return made


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def parent(*, sampled: bool, remote: bool = False) -> NonRecordingSpan:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return NonRecordingSpan(SpanContext(trace_id=7, span_id=9, is_remote=remote, trace_flags=flags))


@pytest.mark.usefixtures("tracing")
def test_a_call_that_was_retried(full: Guard, spans: InMemorySpanExporter) -> None:
    with correlation.using("abc-1"):
        assert full.operation("statements").call(Flaky(1)) == "fine"
    (call,) = named(spans, catalog.SPAN_CALL)
    assert dict(call.attributes or {}) == {
        catalog.ATTR_DEPENDENCY: "bank-api",
        catalog.ATTR_OPERATION: "statements",
        catalog.ATTR_CORRELATION_ID: "abc-1",
        catalog.ATTR_OUTCOME: "success",
        catalog.ATTR_ATTEMPTS: 2,
        catalog.ATTR_BREAKER_STATE: "closed",
    }
    first, second = named(spans, catalog.SPAN_ATTEMPT)
    (wait,) = named(spans, catalog.SPAN_WAIT)
    assert call.context is not None
    for child in (first, second, wait):
        assert child.parent is not None
        assert child.parent.span_id == call.context.span_id
    assert (first.attributes or {})[catalog.ATTR_ERROR_TYPE] == "Boom"
    assert (first.attributes or {})[catalog.ATTR_ATTEMPT_NUMBER] == 1
    assert first.status.status_code is trace.StatusCode.ERROR
    assert catalog.ATTR_ERROR_TYPE not in (second.attributes or {})
    assert (second.attributes or {})[catalog.ATTR_ATTEMPT_NUMBER] == 2
    assert (wait.attributes or {})[catalog.ATTR_WAIT_REASON] == "retry"


@pytest.mark.usefixtures("tracing")
def test_no_text_of_an_exception_anywhere(full: Guard, spans: InMemorySpanExporter) -> None:
    full.operation("statements").call(Flaky(9))
    assert spans.get_finished_spans()
    for span in spans.get_finished_spans():
        assert "hunter2" not in span.to_json()
        assert all(event.name != "exception" for event in span.events)


@pytest.mark.usefixtures("tracing")
def test_an_attempt_is_the_current_span_and_nothing_stays_behind(full: Guard) -> None:
    before = trace.get_current_span()

    def current() -> trace.Span:
        return trace.get_current_span()

    inside = full.operation("statements").call(current)
    assert inside.get_span_context().is_valid
    assert trace.get_current_span() is before


@pytest.mark.usefixtures("tracing")
async def test_async(full: Guard, spans: InMemorySpanExporter) -> None:
    async def answer() -> str:
        return format(trace.get_current_span().get_span_context().span_id, "x")

    inside = await full.operation("balance").acall(answer)
    (attempt,) = named(spans, catalog.SPAN_ATTEMPT)
    assert attempt.context is not None
    assert inside == format(attempt.context.span_id, "x")


@pytest.mark.parametrize("remote", [True, False])
def test_an_unsampled_parent_costs_no_span(
    full: Guard, tracing: Tracing, spans: InMemorySpanExporter, remote: bool
) -> None:
    with use_span(parent(sampled=False, remote=remote)):
        assert not tracing.watching()
        assert full.operation("statements").call(Flaky(0)) == "fine"
    assert spans.get_finished_spans() == ()
    assert full.ledger.exemplars == {}


def test_a_sampled_caller_is_followed(full: Guard, tracing: Tracing, spans: InMemorySpanExporter) -> None:
    with use_span(parent(sampled=True, remote=True)):
        assert tracing.watching()
        full.operation("statements").call(Flaky(0))
    (call,) = named(spans, catalog.SPAN_CALL)
    assert call.context is not None
    assert call.context.trace_id == 7


def test_a_root_that_the_sampler_drops_drops_what_is_below(
    registry: Registry, full: Guard, spans: InMemorySpanExporter
) -> None:
    tracing = Tracing(registry, TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    tracing.start()
    inner = registry.guard("inner")
    seen: list[bool] = []

    def nested() -> None:
        seen.append(tracing.watching())
        inner.call(Flaky(0))

    full.operation("statements").call(nested)
    full.operation("statements").call(Flaky(1))
    assert seen == [False]
    assert tracing.watching()  # nothing stays attached
    assert full.ledger.exemplars == {}


@pytest.mark.usefixtures("tracing")
def test_exemplars_lead_to_the_spans(full: Guard, spans: InMemorySpanExporter) -> None:
    with correlation.using("abc-1"):
        full.operation("statements").call(Flaky(1))
    (call,) = named(spans, catalog.SPAN_CALL)
    assert call.context is not None
    layout, exemplars = full.ledger.layout, full.ledger.exemplars
    entry = layout.entry("call_duration", "statements")
    (slot,) = [s for s in exemplars if entry.offset <= s <= entry.offset + len(entry.bounds)]
    assert exemplars[slot].labels == {
        "trace_id": format(call.context.trace_id, "032x"),
        "span_id": format(call.context.span_id, "016x"),
        "correlation_id": "abc-1",
    }
    bounds = (0.0, *entry.bounds, float("inf"))
    index = slot - entry.offset
    assert bounds[index] <= exemplars[slot].value <= bounds[index + 1]
    assert layout.at("retries", "statements") in exemplars


@pytest.mark.usefixtures("tracing")
def test_rejections_and_fallbacks_carry_exemplars(full: Guard) -> None:
    for _ in range(4):
        full.operation("statements").call(Flaky(9))
    layout, exemplars = full.ledger.layout, full.ledger.exemplars
    assert layout.at("breaker_transitions", "closed", "open") in exemplars
    assert layout.at("rejections", "breaker", "open") in exemplars
    assert layout.at("degradations", "statements", "default", "served") in exemplars


@pytest.mark.usefixtures("tracing")
def test_a_transition_stands_on_the_call_and_links_to_what_tripped_it(
    full: Guard, spans: InMemorySpanExporter
) -> None:
    for _ in range(3):
        full.operation("statements").call(Flaky(9))
    calls = named(spans, catalog.SPAN_CALL)
    events = [event for span in calls for event in span.events]
    (event,) = [event for event in events if event.name == catalog.SPAN_TRANSITION]
    assert (event.attributes or {})["seawall.breaker.to_state"] == "open"
    assert (event.attributes or {})["seawall.breaker.failures"] == 4
    assert (event.attributes or {})["seawall.breaker.errors"] == ("Boom=4",)
    (own,) = named(spans, catalog.SPAN_TRANSITION)
    attempts = named(spans, catalog.SPAN_ATTEMPT)
    failed = {span.context.span_id for span in attempts if span.context is not None}
    assert {link.context.span_id for link in own.links} == failed
    assert len(failed) == 4


@pytest.mark.usefixtures("tracing")
def test_a_call_broken_off_ends_its_spans(full: Guard, spans: InMemorySpanExporter) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        full.operation("statements").call(interrupted)
    assert len(named(spans, catalog.SPAN_ATTEMPT)) == 1
    assert len(named(spans, catalog.SPAN_CALL)) == 1
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_watch_that_is_broken_off_leaves_nothing(
    full: Guard, tracing: Tracing, spans: InMemorySpanExporter
) -> None:
    watch = tracing.call_started(full, "statements")
    watch.attempt_ended("failure", "Boom", 0, 0.1)  # none was begun: nothing to end
    watch.attempt_started(1)
    watch.wait_started("retry")
    watch.call_ended("cancelled", 1, "", "CancelledError", -1, 0.1)
    assert {span.name for span in spans.get_finished_spans()} == {
        catalog.SPAN_CALL,
        catalog.SPAN_ATTEMPT,
        catalog.SPAN_WAIT,
    }
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert full.ledger.exemplars == {}


@pytest.mark.usefixtures("tracing")
def test_recovery_by_hand_has_a_span_of_its_own(full: Guard, spans: InMemorySpanExporter) -> None:
    full.force("forced_open")
    full.force("closed")
    opened, closed = named(spans, catalog.SPAN_TRANSITION)
    assert (opened.attributes or {})["seawall.breaker.to_state"] == "forced_open"
    assert (closed.attributes or {})["seawall.breaker.to_state"] == "closed"
    assert opened.links == closed.links == ()


def test_a_transition_under_an_unsampled_parent_leaves_none(
    full: Guard, tracing: Tracing, spans: InMemorySpanExporter
) -> None:
    with use_span(parent(sampled=False)):
        full.force("forced_open")
    assert spans.get_finished_spans() == ()
    assert full.ledger.exemplars == {}


def test_stopping_ends_it(full: Guard, tracing: Tracing, spans: InMemorySpanExporter) -> None:
    tracing.stop()
    full.operation("statements").call(Flaky(1))
    assert spans.get_finished_spans() == ()


@pytest.mark.usefixtures("tracing")
def test_a_guard_of_another_registry_is_not_followed(spans: InMemorySpanExporter) -> None:
    Registry("other").guard("elsewhere", breaker=Breaker()).call(Flaky(0))
    assert spans.get_finished_spans() == ()


def test_a_span_context_has_its_flags_where_we_look() -> None:
    context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    assert context[_FLAGS] is context.trace_flags
    assert context[_IS_VALID] is context.is_valid


class Foreign(NonRecordingSpan):
    """A span of another library, which keeps its context in its own way."""

    def __init__(self, context: SpanContext, kept: object) -> None:
        super().__init__(context)
        self._mine = context
        if kept is None:
            del self._context
        else:
            self._context = kept  # type: ignore[assignment]

    def get_span_context(self) -> SpanContext:
        return self._mine


@pytest.mark.parametrize("kept", [None, "text", (1, 2)])
@pytest.mark.parametrize("sampled", [True, False])
def test_a_span_of_another_library_is_asked(tracing: Tracing, sampled: bool, kept: object) -> None:
    span = Foreign(parent(sampled=sampled).get_span_context(), kept)
    for _ in range(2):
        with use_span(span):
            assert tracing.watching() is sampled


def test_each_parent_is_asked_for_itself(tracing: Tracing) -> None:
    no, other_no, yes = parent(sampled=False), parent(sampled=False), parent(sampled=True)
    for span, wanted in ((no, False), (no, False), (yes, True), (no, False), (other_no, False), (yes, True)):
        with use_span(span):
            assert tracing.watching() is wanted
    with use_span(trace.INVALID_SPAN):
        assert tracing.watching()
    assert tracing.watching()
