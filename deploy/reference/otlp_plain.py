"""OTLP requests as plain data, one item for each span, data point and log record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Item = dict[str, object]


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Item]:
    """Each span with its resource; ids in hexadecimal, times in seconds."""
    for of_resource in request.resource_spans:
        source = _source(of_resource.resource)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield {**source, "scope": of_scope.scope.name, **_span(span)}


def points_of(request: ExportMetricsServiceRequest) -> Iterator[Item]:
    """Each data point with its metric and resource."""
    for of_resource in request.resource_metrics:
        source = _source(of_resource.resource)
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                for item in _points(metric):
                    yield {**source, "scope": of_scope.scope.name, **item}


def records_of(request: ExportLogsServiceRequest) -> Iterator[Item]:
    """Each log record with its resource."""
    for of_resource in request.resource_logs:
        source = _source(of_resource.resource)
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                yield {**source, "scope": of_scope.scope.name, **_record(record)}


#: By signal: the name of its path and what its requests are made of.
ITEMS: dict[str, Callable[[Any], Iterator[Item]]] = {
    "traces": spans_of,
    "metrics": points_of,
    "logs": records_of,
}


def _source(resource: Any) -> Item:
    attributes = _attributes(resource.attributes)
    return {"service": attributes.get("service.name", ""), "resource": attributes}


def _span(span: Span) -> Item:
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "start": span.start_time_unix_nano / 1e9,
        "end": span.end_time_unix_nano / 1e9,
        "status": span.status.code,
        "attributes": _attributes(span.attributes),
        "events": [{"name": e.name, "attributes": _attributes(e.attributes)} for e in span.events],
        "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
    }


def _points(metric: Metric) -> Iterator[Item]:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    temporality = getattr(data, "aggregation_temporality", None)
    for point in data.data_points:
        item: Item = {
            "name": metric.name,
            "unit": metric.unit,
            "description": metric.description,
            "type": kind,
            "monotonic": getattr(data, "is_monotonic", False),
            "temporality": temporality and AggregationTemporality.Name(temporality).rsplit("_", 1)[1],
            "attributes": _attributes(point.attributes),
            "start": point.start_time_unix_nano / 1e9,
            "time": point.time_unix_nano / 1e9,
            "exemplars": [_exemplar(each) for each in point.exemplars],
        }
        if kind == "histogram":
            item |= {"count": point.count, "sum": point.sum, "has_min": point.HasField("min")}
            item |= {"buckets": list(point.bucket_counts), "bounds": list(point.explicit_bounds)}
        else:
            item["value"] = getattr(point, point.WhichOneof("value"))
        yield item


def _exemplar(exemplar: Any) -> Item:
    return {
        "trace_id": exemplar.trace_id.hex(),
        "span_id": exemplar.span_id.hex(),
        "value": getattr(exemplar, exemplar.WhichOneof("value")),
        "time": exemplar.time_unix_nano / 1e9,
        "attributes": _attributes(exemplar.filtered_attributes),
    }


def _record(record: LogRecord) -> Item:
    return {
        "time": record.time_unix_nano / 1e9,
        "severity": record.severity_number,
        "severity_text": record.severity_text,
        "event_name": record.event_name,
        "body": _value(record.body),
        "attributes": _attributes(record.attributes),
        "trace_id": record.trace_id.hex(),
        "span_id": record.span_id.hex(),
        "flags": record.flags,
    }


def _attributes(pairs: Any) -> Item:
    found: list[KeyValue] = list(pairs)
    return {pair.key: _value(pair.value) for pair in found}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(inner) for inner in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind)
