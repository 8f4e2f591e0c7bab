"""Exemplars: which trace a counted call belongs to, within OpenMetrics' limit."""

from __future__ import annotations

import time

from opentelemetry.trace import SpanContext, format_span_id, format_trace_id

from seawall.resilience.ledger import Exemplar

#: Characters in all label names and values of one exemplar together.
LIMIT = 128


def exemplar(value: float, context: SpanContext, correlation_id: str) -> Exemplar:
    """An exemplar of now. The correlation id is left out where it would not fit."""
    labels = {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}
    used = sum(len(name) + len(text) for name, text in labels.items())
    if correlation_id and used + len("correlation_id") + len(correlation_id) <= LIMIT:
        labels["correlation_id"] = correlation_id
    return Exemplar(value, time.time(), labels)
