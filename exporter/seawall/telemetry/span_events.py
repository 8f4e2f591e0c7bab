"""What events leave on spans: a transition with its numbers and the calls that tripped it, and exemplars."""

from __future__ import annotations

from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer, get_current_span
from opentelemetry.util.types import AttributeValue

from seawall.resilience import Guard, Registry
from seawall.resilience.events import CallDegraded, CallRejected, Event, RetryScheduled, Transition
from seawall.telemetry import catalog, correlation, failed_calls
from seawall.telemetry.exemplars import exemplar
from seawall.telemetry.one_line import plain


class SpanEvents:
    """A listener. It writes to the current span, which during an event is the call that caused it."""

    def __init__(self, registry: Registry, tracer: Tracer) -> None:
        self._registry = registry
        self._tracer = tracer

    def on_event(self, event: Event) -> None:
        place = _counted(event)
        guard = self._registry.get(event.dependency) if place is not None else None
        if place is None or guard is None:
            return
        cause = get_current_span()
        context: SpanContext | None = cause.get_span_context() if cause.is_recording() else None
        if isinstance(event, Transition):
            own = self._transition(guard, event, cause)
            context = context or own
        if context is not None and context.trace_flags.sampled and guard.ledger.layout.has(*place):
            slot = guard.ledger.layout.at(*place)
            guard.ledger.exemplars[slot] = exemplar(1.0, context, correlation.current())

    def _transition(self, guard: Guard, event: Transition, cause: Span) -> SpanContext | None:
        """Tell of it on the call that caused it, and in a span of its own: the context of that.

        Beneath a call that is not sampled there is none, whatever that call caused.
        """
        attributes = transition_attributes(event)
        tripped = failed_calls.tripping(guard, event)
        if cause.is_recording():
            cause.add_event(catalog.SPAN_TRANSITION, attributes)
        elif cause.get_span_context().is_valid:
            return None
        attributes[catalog.ATTR_DEPENDENCY] = event.dependency
        if identifier := correlation.current():
            attributes[catalog.ATTR_CORRELATION_ID] = identifier
        span = self._tracer.start_span(
            catalog.SPAN_TRANSITION,
            kind=SpanKind.INTERNAL,
            attributes=attributes,
            links=[Link(context) for context in tripped],
            record_exception=False,
            set_status_on_exception=False,
        )
        span.end()
        return span.get_span_context()


def transition_attributes(event: Transition) -> dict[str, AttributeValue]:
    """The numbers that led to the transition; error types as ``Type=count``."""
    found: dict[str, AttributeValue] = {}
    for field, name in catalog.TRANSITION_ATTRIBUTES.items():
        value = getattr(event, field)
        if value is not None:
            found[name] = value
    errors = tuple(f"{plain(error)}={count}" for error, count in event.errors)
    found[catalog.TRANSITION_ATTRIBUTES["errors"]] = errors
    return found


def _counted(event: Event) -> tuple[str, ...] | None:
    """The counter that an event adds to: its field and labels."""
    match event:
        case Transition():
            return (catalog.BREAKER_TRANSITIONS.field, event.from_state, event.to_state)
        case RetryScheduled():
            return (catalog.RETRIES.field, event.operation)
        case CallRejected():
            return (catalog.REJECTIONS.field, event.policy, event.reason)
        case CallDegraded():
            return (catalog.DEGRADATIONS.field, event.operation, event.mode, event.outcome)
        case _:
            return None
