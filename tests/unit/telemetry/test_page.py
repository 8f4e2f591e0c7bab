"""One page: caching, guards that come and go, and the service's own families beside ours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector as ClientCollector

from seawall.resilience import Breaker, Guard, Registry
from seawall.telemetry import catalog
from seawall.telemetry.collector import Collector
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.source import Source


class Broken(ClientCollector):
    """A collector of the service's that fails half way."""

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield Metric("half", "Before it broke.", "gauge")
        raise RuntimeError("the database at db.internal is gone")


def value(page: bytes, name: str, **labels: str) -> float:
    for family in parse_text(page.decode()):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    raise AssertionError(f"{name}{labels} is not on the page")


def test_an_empty_registry_is_a_page(registry: Registry) -> None:
    page = MetricsPage(Source(registry))
    assert value(page.text(), catalog.BUILD_INFO.name) == 1
    assert page.openmetrics().endswith(b"\n# EOF\n")


def test_a_page_follows_the_numbers(registry: Registry, full: Guard) -> None:
    page = MetricsPage(Source(registry))
    for expected in range(3):
        assert value(page.text(), catalog.CALLS.name, operation="balance", outcome="success") == expected
        full.operation("balance").call(lambda: None)


def test_an_error_type_appears_when_it_is_seen(registry: Registry, full: Guard) -> None:
    page = MetricsPage(Source(registry))
    assert value(page.text(), catalog.ERRORS.name, error="other") == 0
    assert b"LookupError" not in page.text()

    def fail() -> None:
        raise LookupError

    full.operation("balance").call(fail)
    assert value(page.text(), catalog.ERRORS.name, error="LookupError") == 2


def test_a_type_named_like_the_overflow_is_there_once(registry: Registry, full: Guard) -> None:
    class other(Exception):  # noqa: N801
        pass

    def fail() -> None:
        raise other

    full.operation("balance").call(fail)
    text = MetricsPage(Source(registry)).text()
    assert text.count(b'error="other"') == 1
    assert value(text, catalog.ERRORS.name, error="other") == 2


def test_guards_come_and_go(registry: Registry) -> None:
    page = MetricsPage(Source(registry))
    registry.guard("a")
    registry.guard("b", breaker=Breaker())
    assert b'dependency="b"' in page.text()
    registry.remove("b")
    assert b'dependency="b"' not in page.text()
    registry.guard("b")
    text = page.text()
    assert b'dependency="b"' in text
    assert catalog.BREAKER_STATE.name.encode() not in text


def test_a_number_that_is_none_is_zero(
    registry: Registry, full: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = full.read()
    reading[full.ledger.layout.at("breaker_failure_ratio")] = math.nan
    monkeypatch.setattr(full, "read", lambda: reading)
    assert value(MetricsPage(Source(registry)).text(), catalog.BREAKER_FAILURE_RATIO.name) == 0


def test_a_guard_that_cant_be_read_costs_only_itself(
    registry: Registry, full: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.guard("a")

    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(full, "read_versioned", fail)
    text = MetricsPage(Source(registry)).text()
    assert b'dependency="a"' in text
    assert b'dependency="bank-api"' not in text
    assert value(text, catalog.TELEMETRY_DROPPED.name, reason="guard_failed") == 1


def test_the_services_own_metrics_are_on_the_page(registry: Registry) -> None:
    own = CollectorRegistry()
    Counter("orders", "Orders.", registry=own).inc(3, exemplar={"trace_id": "abc"})
    Histogram("basket", "Baskets.", registry=own).observe(2)
    page = MetricsPage(Source(registry), own)
    assert value(page.text(), "orders_total") == 3
    families = {family.name: family for family in parse_openmetrics(page.openmetrics().decode())}
    assert families["basket"].type == "histogram"
    (sample,) = [s for s in families["orders"].samples if s.name == "orders_total"]
    assert sample.exemplar is not None
    assert sample.exemplar.labels == {"trace_id": "abc"}
    assert page.openmetrics().count(b"# EOF") == 1


def test_families_of_ours_come_out_once(registry: Registry) -> None:
    registry.guard("a")
    own = CollectorRegistry()
    Collector(registry).register(own)
    Gauge(catalog.BREAKER_STATE.name + "_x", "Not ours.", registry=own)
    page = MetricsPage(Source(registry), own)
    header = f"# TYPE {catalog.CALLS.name} counter".encode()
    assert page.text().count(header) == 1
    list(parse_openmetrics(page.openmetrics().decode()))  # it refuses a family that is there twice


def test_a_failing_collector_costs_only_itself(registry: Registry) -> None:
    registry.guard("a")
    own = CollectorRegistry()
    own.register(Broken())
    Counter("orders", "Orders.", registry=own)
    text = MetricsPage(Source(registry), own).text()
    assert value(text, "orders_total") == 0
    assert value(text, catalog.TELEMETRY_DROPPED.name, reason="collector_failed") == 1
    assert b"db.internal" not in text


def test_the_first_of_two_families_of_one_name_counts(registry: Registry) -> None:
    class Twice(ClientCollector):
        def collect(self) -> Iterator[Metric]:
            yield Metric("twice", "First.", "gauge")
            yield Metric("twice", "Second.", "gauge")

    text = MetricsPage(Source(registry), Twice()).text()  # one collector will do, it need not be a registry
    assert b"First." in text
    assert b"Second." not in text


def test_a_surrogate_in_somebodys_label_costs_only_that_family(registry: Registry) -> None:
    own = CollectorRegistry()
    Counter("bad", "Bad.", ["who"], registry=own).labels("\ud800").inc()
    Counter("good", "Good.", registry=own).inc()
    text = MetricsPage(Source(registry), own).text()
    assert value(text, "good_total") == 1
    assert value(text, catalog.TELEMETRY_DROPPED.name, reason="collector_failed") == 1


def test_registering_twice_is_refused(registry: Registry) -> None:
    target = CollectorRegistry()
    Collector(registry).register(target)
    with pytest.raises(ValueError, match="Duplicated"):
        Collector(registry).register(target)
