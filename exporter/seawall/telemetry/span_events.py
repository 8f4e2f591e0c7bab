"""What events leave on spans: a transition with its numbers and the calls that tripped it, and exemplars."""

from __future__ import annotations

from collections import deque
from dataclasses import fields

from opentelemetry.trace import Link, SpanContext, SpanKind, Tracer, get_current_span
from opentelemetry.util.types import AttributeValue

from seawall.resilience import Registry
from seawall.resilience.events import CallDegraded, CallRejected, Event, RetryScheduled, Transition
from seawall.telemetry import catalog, correlation
from seawall.telemetry.exemplars import exemplar

#: Last failed attempts of a guard that a transition links to.
LINKS = 8

_PREFIX = catalog.SPAN_TRANSITION.removesuffix("transition")
_NUMBERS = tuple(
    f.name for f in fields(Transition) if f.name not in {"dependency", "operation", "at", "errors"}
)


class SpanEvents:
    """A listener. It writes to the current span, which during an event is the call that caused it."""

    def __init__(self, registry: Registry, tracer: Tracer) -> None:
        self._registry = registry
        self._tracer = tracer
        self._failed: dict[str, deque[SpanContext]] = {}

    def remember(self, dependency: str, context: SpanContext) -> None:
        """Keep the context of a failed attempt for the links of a transition that may follow."""
        kept = self._failed.get(dependency)
        if kept is None:
            for name in [name for name in self._failed if self._registry.get(name) is None]:
                self._failed.pop(name, None)
            kept = self._failed.setdefault(dependency, deque(maxlen=LINKS))
        kept.append(context)

    def on_event(self, event: Event) -> None:
        span = get_current_span()
        context = span.get_span_context()
        if isinstance(event, Transition):
            attributes = transition_attributes(event)
            if span.is_recording():
                span.add_event(catalog.SPAN_TRANSITION, attributes)
            if not context.is_valid or span.is_recording():
                self._own_span(event, attributes)
        place = _counted(event)
        if place is None or not (span.is_recording() and context.trace_flags.sampled):
            return
        guard = self._registry.get(event.dependency)
        if guard is not None and guard.ledger.layout.has(*place):
            slot = guard.ledger.layout.at(*place)
            guard.ledger.exemplars[slot] = exemplar(1.0, context, correlation.current())

    def _own_span(self, event: Transition, attributes: dict[str, AttributeValue]) -> None:
        failed = self._failed.get(event.dependency, ())
        links = [Link(context) for context in tuple(failed)] if event.to_state == "open" else []
        if event.to_state == "closed":
            self._failed.pop(event.dependency, None)
        span = self._tracer.start_span(
            catalog.SPAN_TRANSITION,
            kind=SpanKind.INTERNAL,
            attributes={catalog.ATTR_DEPENDENCY: event.dependency, **attributes},
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        )
        span.end()


def transition_attributes(event: Transition) -> dict[str, AttributeValue]:
    """The numbers that led to the transition; error types as ``Type=count``."""
    found: dict[str, AttributeValue] = {}
    for name in _NUMBERS:
        value = getattr(event, name)
        if value is not None:
            found[_PREFIX + name] = value
    found[_PREFIX + "errors"] = tuple(f"{error}={count}" for error, count in event.errors)
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
