"""The numbers of a scrape as data points: the same, each with its name, unit, labels and since when."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.trace import TracerProvider

from reference.otlp_plain import points_of
from seawall.resilience import Guard, Registry
from seawall.telemetry import catalog, correlation
from seawall.telemetry.collector import Collector
from seawall.telemetry.otlp_points import AT_ONCE, Points
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source
from seawall.telemetry.tracing import Tracing

NOW, START = 2_000_000_000, 1_000_000_000
SERVICE = Service(name="shop")


def fail() -> None:
    raise ConnectionError


def busy(full: Guard) -> None:
    """Some of everything."""
    for operation in ("statements", "balance"):
        full.operation(operation).call(int)
        full.operation(operation).call(fail)


def points(registry: Registry) -> Points:
    source = Source(registry, service=SERVICE)
    made = Points(NOW)
    for view in source.views():
        made.add_view(view, START)
    made.add_rows(source.identity, START)
    made.add_rows(source.own(), START)
    return made


def metrics_of(data: MetricsData) -> list[Metric]:
    ((of_scope,),) = (each.scope_metrics for each in data.resource_metrics)
    return list(of_scope.metrics)


def pushed(registry: Registry) -> dict[str, Metric]:
    ((data, count),) = points(registry).requests(SERVICE.resource())
    metrics = {metric.name: metric for metric in metrics_of(data)}
    assert count == sum(len(metric.data.data_points) for metric in metrics.values())
    return metrics


def numbers(metric: Metric) -> dict[tuple[object, ...], float]:
    found: dict[tuple[object, ...], float] = {}
    for point in metric.data.data_points:
        assert isinstance(point, NumberDataPoint)
        found[tuple((point.attributes or {}).values())] = point.value
    return found


def test_they_are_the_numbers_of_a_scrape(registry: Registry, full: Guard) -> None:
    """Read back by the protocol's own stubs, beside prometheus_client's families."""
    busy(full)
    ((data, count),) = points(registry).requests(SERVICE.resource())
    items: list[dict[str, Any]] = list(points_of(encode_metrics(data)))
    assert len(items) == count
    found: dict[tuple[object, ...], float] = {}
    for item in items:
        labels = tuple(sorted(item["attributes"].items()))
        if item["type"] != "histogram":
            found[item["name"], labels] = item["value"]
            continue
        total = 0
        for bound, n in zip([*item["bounds"], float("inf")], item["buckets"], strict=True):
            total += n
            le = "+Inf" if bound == float("inf") else repr(float(bound))
            found[item["name"] + "_bucket", tuple(sorted([*labels, ("le", le)]))] = total
        found[item["name"] + "_count", labels] = item["count"]
        found[item["name"] + "_sum", labels] = item["sum"]
    scraped = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in Collector(registry, service=SERVICE).collect()
        if family.name != catalog.TARGET_INFO.family
        for sample in family.samples
    }
    moving = {catalog.BREAKER_STATE_SECONDS.name, catalog.RATE_LIMITER_AVAILABLE.name}
    assert {k: v for k, v in found.items() if k[0] not in moving} == {
        k: v for k, v in scraped.items() if k[0] not in moving
    }
    assert found.keys() == scraped.keys()
    assert {item["service"] for item in items} == {"shop"}


def test_every_series_says_what_it_is(registry: Registry, full: Guard) -> None:
    busy(full)
    metrics = pushed(registry)
    assert catalog.TARGET_INFO.name not in metrics  # that is the resource
    calls = metrics[catalog.CALLS.name]
    assert isinstance(calls.data, Sum)
    assert calls.data.is_monotonic
    assert calls.data.aggregation_temporality == AggregationTemporality.CUMULATIVE
    assert (calls.unit, calls.description) == ("", catalog.CALLS.help)
    assert numbers(calls)["bank-api", "balance", "success"] == 1
    assert {type(value) for value in numbers(calls).values()} == {int}
    seconds = metrics[catalog.BREAKER_STATE_SECONDS.name]
    assert seconds.unit == "s"
    assert {type(value) for value in numbers(seconds).values()} == {float}
    state = metrics[catalog.BREAKER_STATE.name]
    assert isinstance(state.data, Gauge)
    assert numbers(state)["bank-api", "open"] == 1.0
    assert metrics[catalog.BREAKER_FAILURE_RATIO.name].unit == "1"
    assert isinstance(metrics[catalog.POLICY_INFO.name].data, Gauge)
    for metric in metrics.values():
        for point in metric.data.data_points:
            assert (point.start_time_unix_nano, point.time_unix_nano) == (START, NOW)


def test_a_histogram_has_counts_of_single_buckets(registry: Registry, full: Guard) -> None:
    busy(full)
    metric = pushed(registry)[catalog.CALL_DURATION.name]
    assert isinstance(metric.data, Histogram)
    assert metric.data.aggregation_temporality == AggregationTemporality.CUMULATIVE
    assert metric.unit == "s"
    point = metric.data.data_points[0]
    assert point.explicit_bounds == full.ledger.layout.bounds
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert (sum(point.bucket_counts), point.count) == (2, 2)
    # One at once, one after a retry a tenth of a second or less later.
    assert point.bucket_counts[0] >= 1
    assert 0.0 <= point.sum <= 0.1
    # What is not known is not said.
    ((data, _),) = points(registry).requests(SERVICE.resource())
    histograms = [item for item in points_of(encode_metrics(data)) if item["type"] == "histogram"]
    assert {item["has_min"] for item in histograms} == {False}


def test_error_types_are_labels_and_those_not_seen_are_not_there(registry: Registry, full: Guard) -> None:
    class Named(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]
            return "Strange\ud800"

    class Strange(Exception, metaclass=Named):
        pass

    def raise_it() -> None:
        raise Strange

    full.operation("balance").call(fail)
    full.operation("balance").call(raise_it)
    metrics = pushed(registry)
    assert numbers(metrics[catalog.ERRORS.name]) == {
        ("bank-api", "ConnectionError"): 2,
        ("bank-api", "Strange\\ud800"): 2,
        ("bank-api", "other"): 0,
    }
    ((data, _),) = points(registry).requests(SERVICE.resource())
    encode_metrics(data).SerializeToString()


def test_exemplars_lead_to_their_spans(registry: Registry, full: Guard, provider: TracerProvider) -> None:
    tracing = Tracing(registry, provider)
    tracing.start()
    with correlation.using("abc"), provider.get_tracer("test").start_as_current_span("s") as span:
        full.operation("balance").call(int)
    tracing.stop()
    metric = pushed(registry)[catalog.CALL_DURATION.name]
    (exemplar,) = [e for point in metric.data.data_points for e in point.exemplars]
    assert exemplar.trace_id == span.get_span_context().trace_id
    assert exemplar.span_id is not None
    assert exemplar.filtered_attributes == {"correlation_id": "abc"}
    assert exemplar.value >= 0
    at = full.ledger.layout.at("call_duration", "balance")
    assert exemplar.time_unix_nano == int(full.ledger.exemplars[at].at * 1e9)


@pytest.mark.parametrize("most", [1, 7, 100])
def test_many_points_are_several_requests(registry: Registry, full: Guard, most: int) -> None:
    busy(full)
    made = points(registry)
    ((whole, count),) = made.requests(SERVICE.resource())
    parts = list(made.requests(SERVICE.resource(), most))
    assert [n for _, n in parts] == [most] * (count // most) + ([count % most] if count % most else [])
    apart = [point for data, _ in parts for metric in metrics_of(data) for point in metric.data.data_points]
    assert apart == [point for metric in metrics_of(whole) for point in metric.data.data_points]
    assert count < AT_ONCE


def test_without_points_there_is_nothing_to_send() -> None:
    assert list(Points(NOW).requests(SERVICE.resource())) == []
