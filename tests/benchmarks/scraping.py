"""A page of 10,000 lines: ours from ledgers, against prometheus_client's writer on metrics with the same
names, labels and numbers."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from itertools import count

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.parser import text_string_to_metric_families

from seawall.resilience import Breaker, Bulkhead, Fallback, RateLimit, Registry, Retry, Timeout
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.source import Source

LINES = 10_000
ROUNDS = 15
BATCH = 20


def ratios() -> tuple[float, float]:
    """(every guard called since the last scrape, none called since): our time over ``generate_latest``'s."""
    disable_created_metrics()  # lines that ours has not: the same page is compared
    registry, call_each = _guards()
    page = MetricsPage(Source(registry))
    call_each()
    same = _the_same(page.text().decode())
    theirs, changed, unchanged = [], [], []
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            theirs.append(_seconds(lambda: generate_latest(same)))
            changed.append(_mean(page.text, before=call_each))
            unchanged.append(_mean(page.text))
    finally:
        gc.enable()
    whole = statistics.median(theirs)
    return statistics.median(changed) / whole, statistics.median(unchanged) / whole


def _guards() -> tuple[Registry, Callable[[], None]]:
    registry = Registry("bench")
    calls: list[Callable[[int], int]] = []
    page = MetricsPage(Source(registry))
    for number in count():
        guard = registry.guard(
            f"guard-{number}",
            breaker=Breaker(),
            retry=Retry(),
            timeout=Timeout(attempt=1, total=3),
            rate_limit=RateLimit(rate=1e6, burst=1_000_000),
            bulkhead=Bulkhead(limit=100),
            fallback=Fallback(default=0),
        )
        calls.append(guard(_body))
        if number % 5 == 4 and page.text().count(b"\n") >= LINES:
            break

    def call_each() -> None:
        for call in calls:
            call(1)

    return registry, call_each


def _body(x: int) -> int:
    return x


def _the_same(text: str) -> CollectorRegistry:
    """prometheus_client's own metrics with the families, labels and numbers of a page."""
    registry = CollectorRegistry()
    for family in text_string_to_metric_families(text):
        if not family.samples:
            continue
        labels = [name for name in family.samples[0].labels if name != "le"]
        if family.type == "histogram":
            bounds = list(dict.fromkeys(s.labels["le"] for s in family.samples if "le" in s.labels))
            histogram = Histogram(
                family.name,
                family.documentation,
                labels,
                buckets=[float(b) for b in bounds],
                registry=registry,
            )
            for sample in family.samples:
                if sample.name.endswith("_count"):
                    child = histogram.labels(**sample.labels)
                    for _ in range(int(sample.value)):
                        child.observe(0.0004)
        elif family.type == "counter":
            counter = Counter(family.name, family.documentation, labels, registry=registry)
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    counter.labels(**sample.labels).inc(sample.value)
        else:
            gauge = Gauge(family.name, family.documentation, labels, registry=registry)
            for sample in family.samples:
                gauge.labels(**sample.labels).set(sample.value)
    return registry


def _mean(scrape: Callable[[], object], before: Callable[[], object] = int) -> float:
    """Of a batch, as calls are measured: as many scrapes as take about the time of one of theirs."""
    times = []
    for _ in range(BATCH):
        before()
        times.append(_seconds(scrape))
    return statistics.mean(times)


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
