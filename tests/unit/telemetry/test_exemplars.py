"""The limit of an exemplar."""

from __future__ import annotations

import pytest
from opentelemetry.trace import SpanContext, TraceFlags

from seawall.telemetry.exemplars import LIMIT, exemplar

CONTEXT = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


@pytest.mark.parametrize(("length", "fits"), [(32, True), (51, True), (52, False), (64, False)])
def test_the_correlation_id_is_there_while_it_fits(length: int, fits: bool) -> None:
    labels = exemplar(0.5, CONTEXT, "x" * length).labels
    assert ("correlation_id" in labels) is fits
    assert labels["trace_id"] == "0" * 31 + "1"
    assert labels["span_id"] == "0" * 15 + "2"
    assert sum(len(key) + len(value) for key, value in labels.items()) <= LIMIT


def test_without_an_id_there_is_no_label() -> None:
    assert set(exemplar(0.5, CONTEXT, "").labels) == {"trace_id", "span_id"}
