"""A real Prometheus scrapes the exporter: no error, the same numbers, exemplars readable from its API."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, Counter
from tests.integration.prometheus_server import Prometheus, running, until

from seawall.exporter import ExporterServer, ExporterSettings, create_app
from seawall.resilience import (
    Breaker,
    Bulkhead,
    Coalesce,
    Fallback,
    Guard,
    Hedge,
    RateLimit,
    Registry,
    Retry,
    Timeout,
)
from seawall.telemetry import catalog, correlation
from seawall.telemetry.service import Service
from seawall.telemetry.tracing import Tracing

pytestmark = pytest.mark.servers

NASTY = '"} or x{z="\\ {{ .Foo }} %s \N{SNOWMAN}'
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Flaky:
    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self) -> str:
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        return "fine"


@dataclass
class Scene:
    """A registry whose guards have been through something, and where it is exported."""

    registry: Registry
    port: int
    spans: InMemorySpanExporter

    def span(self, name: str, dependency: str) -> ReadableSpan:
        found = [
            span
            for span in self.spans.get_finished_spans()
            if span.name == name and (span.attributes or {}).get(catalog.ATTR_DEPENDENCY) == dependency
        ]
        return found[-1]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    registry = Registry("shop")
    spans = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    Tracing(registry, provider).start()
    bank = registry.guard(
        "bank",
        # Open for as long as all this takes.
        breaker=Breaker(minimum_calls=4, open_for=3600.0),
        retry=Retry(attempts=2, base_delay=0.001),
        timeout=Timeout(total=5.0),
        bulkhead=Bulkhead(limit=2),
        rate_limit=RateLimit(rate=1000, burst=100),
        fallback=Fallback(default="none", stale_for=10.0),
    )
    nasty = registry.guard(NASTY, breaker=Breaker(), operations=("a", "b.c-d_e"))
    registry.guard(
        "rates", timeout=Timeout(attempt=1.0, threads=2), hedge=Hedge(delay=0.5), coalesce=Coalesce()
    )
    _live(bank, nasty)
    own = CollectorRegistry()
    Counter("orders", "Orders.", registry=own).inc(7)
    app = create_app(registry, service=Service(name="shop", version="1"), metrics=own)
    server = ExporterServer(app, ExporterSettings(port=0))
    server.start()
    yield Scene(registry, server.port, spans)
    server.stop()


def _live(bank: Guard, nasty: Guard) -> None:
    ask = Flaky(1)
    with correlation.using("request-1"):
        assert bank.call(ask) == "fine"
    ask.failures = 99
    for _ in range(5):
        assert bank.call(ask) == "fine"  # the last good answer, stale
    assert bank.state == "open"
    nasty.operation("a").call(Flaky(0))


@pytest.fixture(scope="module")
def prometheus(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running(tmp_path_factory.mktemp("prometheus"), CONFIG.format(port=scene.port)) as server:
        until(lambda: sum(server.query("sum_over_time(up[1m])").values()) >= 2)
        yield server


def test_scraped_without_an_error(prometheus: Prometheus) -> None:
    (target,) = prometheus.api("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    assert prometheus.log.read_text() == ""  # a duplicate sample would be a warning here


def test_every_sample_arrives(prometheus: Prometheus, scene: Scene) -> None:
    page = httpx.get(f"http://127.0.0.1:{scene.port}/metrics").text
    lines = [line for line in page.splitlines() if line and not line.startswith("#")]
    assert prometheus.value("scrape_samples_scraped") == len(lines)
    names = {series.name for series in catalog.SERIES if series.type != "histogram"}
    names |= {series.count for series in catalog.SERIES if series.type == "histogram"}
    names.remove(catalog.LISTENER_ERRORS.name)  # no listener has failed
    names.remove(catalog.BREAKER_PROCESSES.name)  # only of several processes: test_processes.py
    assert [name for name in sorted(names) if not prometheus.query(name)] == []


def test_the_numbers_are_those_of_the_guards(prometheus: Prometheus) -> None:
    calls = {"dependency": "bank", "operation": "default"}
    assert prometheus.value(catalog.CALLS.name, **calls, outcome="success") == 1
    assert prometheus.value(catalog.CALLS.name, **calls, outcome="degraded") == 5
    assert prometheus.value(catalog.CALL_DURATION.count, dependency="bank") == 6
    assert prometheus.value(catalog.CALL_DURATION.bucket, dependency="bank", le="+Inf") == 6
    assert prometheus.value(catalog.BREAKER_STATE.name, dependency="bank", state="open") == 1
    assert prometheus.value(catalog.POLICY_SETTING.name, dependency="bank", setting="minimum_calls") == 4
    assert prometheus.value("orders_total") == 7


def test_any_legal_name_comes_back_as_it_is(prometheus: Prometheus) -> None:
    assert prometheus.value(catalog.CALLS.name, dependency=NASTY, operation="a", outcome="success") == 1


def test_types_are_those_of_the_catalog(prometheus: Prometheus) -> None:
    found = {m["metric"]: m["type"] for m in prometheus.api("targets/metadata", match_target='{job="shop"}')}
    for series in catalog.SERIES:
        if series not in (catalog.LISTENER_ERRORS, catalog.BREAKER_PROCESSES):
            expected = "gauge" if series.type == "stateset" else series.type
            assert found[series.family] == expected, series.name


def exemplars(prometheus: Prometheus, name: str) -> list[dict[str, str]]:
    found = prometheus.api("query_exemplars", query=name, start=time.time() - 600, end=time.time() + 60)
    return [
        exemplar["labels"]
        for series in found
        if series["seriesLabels"]["dependency"] == "bank"
        for exemplar in series["exemplars"]
    ]


@pytest.mark.parametrize(
    "name",
    [
        catalog.CALL_DURATION.bucket,
        catalog.ATTEMPT_DURATION.bucket,
        catalog.BREAKER_TRANSITIONS.name,
        catalog.RETRIES.name,
        catalog.REJECTIONS.name,
        catalog.DEGRADATIONS.name,
    ],
)
def test_exemplars_are_readable(prometheus: Prometheus, scene: Scene, name: str) -> None:
    found = exemplars(prometheus, name)
    assert found
    known = {f"{span.context.trace_id:032x}" for span in scene.spans.get_finished_spans() if span.context}
    assert {labels["trace_id"] for labels in found} <= known


def test_the_page_lints(scene: Scene) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH: make servers")
    page = httpx.get(f"http://127.0.0.1:{scene.port}/metrics").text
    run = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
