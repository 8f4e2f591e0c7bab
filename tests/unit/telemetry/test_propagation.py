"""Headers in and out."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.trace import use_span

from seawall.telemetry import correlation, propagation

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def context_of(*headers: tuple[bytes, bytes]) -> trace.SpanContext:
    context = propagation.extract(propagation.decoded(headers))
    return trace.get_current_span(context).get_span_context()


def test_a_valid_parent_is_taken_over() -> None:
    found = context_of((b"TraceParent", PARENT.encode()), (b"tracestate", b"a=1,b=2"))
    assert format(found.trace_id, "032x") == TRACE
    assert found.is_remote
    assert dict(found.trace_state.items()) == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"{PARENT}-extra",
        "x" * 100_000,
    ],
)
def test_an_invalid_parent_is_not(header: str) -> None:
    assert not context_of((b"traceparent", header.encode())).is_valid


def test_two_parents_are_none() -> None:
    assert not context_of((b"traceparent", PARENT.encode()), (b"traceparent", PARENT.encode())).is_valid


def test_bytes_that_are_no_text_are_harmless() -> None:
    assert not context_of((b"traceparent", b"\xff\xfe\x00"), (b"\xff", b"\xff")).is_valid


def test_what_goes_out() -> None:
    headers: dict[str, str] = {}
    parent = propagation.extract({"traceparent": [PARENT]})
    with use_span(trace.get_current_span(parent)), correlation.using("abc"):
        propagation.inject(headers)
    assert headers == {"traceparent": PARENT, "X-Request-ID": "abc"}


def test_outside_of_a_request_nothing_goes_out() -> None:
    headers: dict[str, str] = {}
    propagation.inject(headers)
    assert headers == {}
