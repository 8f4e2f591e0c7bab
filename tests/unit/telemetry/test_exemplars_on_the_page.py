"""Exemplars in OpenMetrics: on which series they stand, and that each leads to a span that there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from seawall.resilience import Breaker, Bulkhead, Fallback, RateLimit, Registry, Rejected, Retry
from seawall.telemetry import catalog, correlation
from seawall.telemetry.exemplars import LIMIT
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.source import Source
from seawall.telemetry.tracing import Tracing

ID = "checkout-42.a_B"
CARRIERS = {
    catalog.CALL_DURATION.bucket,
    catalog.ATTEMPT_DURATION.bucket,
    catalog.BREAKER_TRANSITIONS.name,
    catalog.RETRIES.name,
    catalog.REJECTIONS.name,
    catalog.DEGRADATIONS.name,
}


class Shop:
    """Guards that have done everything that leaves an exemplar."""

    def __init__(self, provider: TracerProvider, now: Any) -> None:
        self.registry = Registry("shop")
        self._now = now
        Tracing(self.registry, provider).start()

    def live(self) -> None:
        self.trips()
        self.is_too_much()
        asyncio.run(self.is_full())
        self.falls_back()

    def trips(self) -> None:
        guard = self.registry.guard(
            "bank",
            breaker=Breaker(minimum_calls=2, open_for=1.0, half_open_permits=1),
            retry=Retry(attempts=2, base_delay=0),
            clock=self._now,
        )
        for _ in range(2):
            _ask(guard.call, _fail)
        self._now.seconds += 2
        guard.call(lambda: None)

    def is_too_much(self) -> None:
        guard = self.registry.guard("mail", rate_limit=RateLimit(rate=0.001, burst=1), clock=self._now)
        for _ in range(2):
            _ask(guard.call, lambda: None)

    async def is_full(self) -> None:
        guard = self.registry.guard("files", bulkhead=Bulkhead(limit=1))

        async def inside() -> None:
            with pytest.raises(Rejected):
                await guard.acall(asyncio.sleep, 0)

        await guard.acall(inside)

    def falls_back(self) -> None:
        fallbacks: dict[str, Fallback] = {
            "default": Fallback(default="none"),
            "alternative": Fallback(alternative=_fail, default="none"),
            "queued": Fallback(queue=lambda: "later"),
            "stale": Fallback(stale_for=60.0),
        }
        for mode, fallback in fallbacks.items():
            guard = self.registry.guard(mode, fallback=fallback, clock=self._now)
            turns = iter([lambda: "fine", _fail])
            ask = guard(lambda turns=turns: next(turns)())
            assert [ask(), ask()][0] == "fine"

    def samples(self) -> list[Sample]:
        page = MetricsPage(Source(self.registry)).openmetrics().decode()
        return [s for f in text_string_to_metric_families(page) for s in f.samples]

    def carriers(self) -> list[Sample]:
        return [sample for sample in self.samples() if sample.exemplar is not None]


def _fail() -> str:
    raise ConnectionError


def _ask(call: Callable[..., Any], function: Callable[[], Any]) -> None:
    try:
        call(function)
    except (ConnectionError, Rejected):
        return


@pytest.fixture
def shop(provider: TracerProvider, now: Any) -> Shop:
    return Shop(provider, now)


def test_on_which_series_they_stand(shop: Shop) -> None:
    with correlation.using(ID):
        shop.live()
    found = shop.carriers()
    assert {sample.name for sample in found} == CARRIERS

    def labels(series: catalog.Series, *names: str) -> set[tuple[str, ...]]:
        return {tuple(s.labels[name] for name in names) for s in found if s.name == series.name}

    assert labels(catalog.BREAKER_TRANSITIONS, "from_state", "to_state") == {
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    }
    assert labels(catalog.REJECTIONS, "policy", "reason") == {
        ("breaker", "open"),
        ("rate_limit", "exceeded"),
        ("bulkhead", "full"),
    }
    assert labels(catalog.DEGRADATIONS, "mode", "outcome") == {
        ("default", "served"),
        ("alternative", "failed"),
        ("queued", "served"),
        ("stale", "served"),
    }
    assert labels(catalog.RETRIES, "dependency", "operation") == {("bank", "default")}


def test_every_counter_of_them_that_counted_has_one(shop: Shop) -> None:
    shop.live()
    for sample in shop.samples():
        if sample.name in CARRIERS and not sample.name.endswith("_bucket"):
            assert (sample.exemplar is not None) == (sample.value > 0), sample


def test_each_leads_to_a_span_and_a_request(shop: Shop, spans: InMemorySpanExporter) -> None:
    with correlation.using(ID):
        shop.live()
    there = {
        (format(span.context.trace_id, "032x"), format(span.context.span_id, "016x"))
        for span in spans.get_finished_spans()
        if span.context is not None
    }
    for sample in shop.carriers():
        assert sample.exemplar is not None
        labels = sample.exemplar.labels
        assert (labels["trace_id"], labels["span_id"]) in there
        assert labels["correlation_id"] == ID
        assert set(labels) == {"trace_id", "span_id", "correlation_id"}
        if sample.name.endswith("_bucket"):
            assert sample.exemplar.value <= float(sample.labels["le"])


def test_a_long_id_is_left_out_and_the_rest_stays(shop: Shop) -> None:
    with correlation.using("x" * 64):
        shop.live()
    found = shop.carriers()
    assert {sample.name for sample in found} == CARRIERS
    for sample in found:
        assert sample.exemplar is not None
        assert set(sample.exemplar.labels) == {"trace_id", "span_id"}
        assert sum(len(k) + len(v) for k, v in sample.exemplar.labels.items()) <= LIMIT


def test_the_older_format_has_none(shop: Shop) -> None:
    shop.live()
    assert b" # {" in MetricsPage(Source(shop.registry)).openmetrics()
    assert b" # {" not in MetricsPage(Source(shop.registry)).text()


def test_what_is_not_sampled_leaves_none(shop: Shop, spans: InMemorySpanExporter) -> None:
    unsampled = SpanContext(7, 9, is_remote=True, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    with use_span(NonRecordingSpan(unsampled)):
        shop.live()
    assert shop.carriers() == []
    assert spans.get_finished_spans() == ()
