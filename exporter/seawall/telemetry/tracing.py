"""Spans of guarded calls, through the OpenTelemetry API, and the exemplars that lead to them.

Under a parent that is not sampled no span is made at all. Never recorded: texts of exceptions, arguments,
results.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TracerProvider,
)

from seawall.resilience import Guard, Registry
from seawall.resilience.observer import Watch
from seawall.telemetry import catalog, correlation, failed_calls
from seawall.telemetry.exemplars import exemplar
from seawall.telemetry.one_line import plain
from seawall.telemetry.span_events import SpanEvents

#: Where a context keeps its span, and where the current context is kept. Asking there directly takes a
#: quarter of the time of ``get_current_span``, and it is asked on every call.
_SPAN_KEY: Final = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
otel_context.get_current()
_kept = getattr(getattr(otel_context, "_RUNTIME_CONTEXT", None), "_current_context", None)
_current: Final[Callable[[], Context]] = (
    _kept.get if isinstance(_kept, ContextVar) else otel_context.get_current
)
#: Places in a span context, which is a tuple: its properties cost a call each.
_FLAGS: Final = 3
_IS_VALID: Final = 5
_SAMPLED: Final = int(TraceFlags.SAMPLED)
_FAILED: Final = frozenset({"failure", "timeout", "rejected"})


class Tracing:
    """An observer and a listener of one registry. ``provider`` defaults to the global one."""

    def __init__(self, registry: Registry, provider: TracerProvider | None = None) -> None:
        self._registry = registry
        self._tracer: Tracer = trace.get_tracer("seawall", tracer_provider=provider)
        self._events = SpanEvents(registry, self._tracer)
        self._unsampled: object = object()

    def start(self) -> None:
        """Begin to watch the registry's calls and events."""
        self._registry.observe(self)
        self._registry.subscribe(self._events.on_event, name="tracing")

    def stop(self) -> None:
        self._registry.observe(None)
        self._registry.unsubscribe(self._events.on_event)

    def watching(self) -> bool:
        """Whether the current context is one to trace: sampled, or without any parent."""
        try:
            span: Any = _current()[_SPAN_KEY]
        except KeyError:
            return True
        try:
            context = span._context
        except AttributeError:
            context = None
        if context is self._unsampled:
            return False
        if type(context) is not SpanContext:
            context = span.get_span_context()
        if context[_FLAGS] & _SAMPLED or not context[_IS_VALID]:
            return True
        # A request's next calls are asked about the same one: nothing of it can change.
        self._unsampled = context
        return False

    def call_started(self, guard: Guard, operation: str) -> Watch:
        attributes = {catalog.ATTR_DEPENDENCY: guard.name, catalog.ATTR_OPERATION: operation}
        identifier = correlation.current()
        if identifier:
            attributes[catalog.ATTR_CORRELATION_ID] = identifier
        span = _started(self._tracer, catalog.SPAN_CALL, attributes)
        return _CallWatch(self, guard, span) if span.is_recording() else _Unsampled(span)

    @property
    def tracer(self) -> Tracer:
        return self._tracer


def _started(tracer: Tracer, name: str, attributes: dict[str, str] | dict[str, int]) -> Span:
    return tracer.start_span(
        name,
        kind=SpanKind.INTERNAL,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    )


class _Current:
    """A span that is the current one until it is left."""

    __slots__ = ("_token", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self._token = otel_context.attach(trace.set_span_in_context(span))

    def leave(self) -> None:
        # Ended in another context than it began in: its own is gone, and `detach` would log an error.
        with suppress(ValueError):
            self._token.var.reset(self._token)


class _Unsampled:
    """The sampler said no at the root: nested calls must see that, nothing is recorded."""

    __slots__ = ("_current",)

    def __init__(self, span: Span) -> None:
        self._current = _Current(span)

    def attempt_started(self, number: int) -> None:
        pass

    def attempt_ended(self, outcome: str, error: str, slot: int, seconds: float) -> None:
        pass

    def wait_started(self, reason: str) -> None:
        pass

    def wait_ended(self) -> None:
        pass

    def call_ended(
        self, outcome: str, attempts: int, state: str, error: str, slot: int, seconds: float
    ) -> None:
        self._current.leave()


class _CallWatch:
    """The spans of one call: itself, its attempts one after the other, its waits."""

    __slots__ = ("_attempt", "_call", "_guard", "_tracing", "_wait")

    def __init__(self, tracing: Tracing, guard: Guard, span: Span) -> None:
        self._tracing = tracing
        self._guard = guard
        self._call = _Current(span)
        self._attempt: _Current | None = None
        self._wait: Span | None = None

    def attempt_started(self, number: int) -> None:
        span = _started(self._tracing.tracer, catalog.SPAN_ATTEMPT, {catalog.ATTR_ATTEMPT_NUMBER: number})
        self._attempt = _Current(span)

    def attempt_ended(self, outcome: str, error: str, slot: int, seconds: float) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        attempt.leave()
        attempt.span.set_attribute(catalog.ATTR_OUTCOME, outcome)
        if outcome in _FAILED or outcome == "slow":
            failed_calls.remember(self._guard, attempt.span.get_span_context())
        self._close(attempt.span, outcome, error, slot, seconds)

    def wait_started(self, reason: str) -> None:
        self._wait = _started(self._tracing.tracer, catalog.SPAN_WAIT, {catalog.ATTR_WAIT_REASON: reason})

    def wait_ended(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.end()

    def call_ended(
        self, outcome: str, attempts: int, state: str, error: str, slot: int, seconds: float
    ) -> None:
        self.wait_ended()
        if self._attempt is not None:  # a call that was broken off ends its attempt with it
            self._attempt.leave()
            self._attempt.span.end()
            self._attempt = None
        self._call.leave()
        span = self._call.span
        span.set_attribute(catalog.ATTR_OUTCOME, outcome)
        span.set_attribute(catalog.ATTR_ATTEMPTS, attempts)
        if state:
            span.set_attribute(catalog.ATTR_BREAKER_STATE, state)
        self._close(span, outcome, error, slot, seconds)

    def _close(self, span: Span, outcome: str, error: str, slot: int, seconds: float) -> None:
        if error:
            span.set_attribute(catalog.ATTR_ERROR_TYPE, plain(error))
        if outcome in _FAILED:
            span.set_status(Status(StatusCode.ERROR))
        context = span.get_span_context()
        if slot >= 0 and context.trace_flags.sampled:
            self._guard.ledger.exemplars[slot] = exemplar(seconds, context, correlation.current())
        span.end()
