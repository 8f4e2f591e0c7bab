"""When numbers are pushed, since when they count, and what becomes of a push that fails."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

from seawall.resilience import Guard, Registry
from seawall.telemetry import catalog
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.otlp_metrics import MetricsPush, Starts
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source

LONG = 3600.0


class Keeping:
    """Keeps what is pushed. ``fails``: the exports, from 0, that end so."""

    def __init__(self, *fails: int, error: Exception | None = None) -> None:
        self.pushed: list[MetricsData] = []
        self.arrived = threading.Semaphore(0)
        self.fails = fails
        self.error = error
        self.closed = 0

    def export(self, data: MetricsData, /) -> MetricExportResult:
        self.pushed.append(data)
        self.arrived.release()
        if len(self.pushed) - 1 in self.fails:
            if self.error is not None:
                raise self.error
            return MetricExportResult.FAILURE
        return MetricExportResult.SUCCESS

    def shutdown(self) -> None:
        self.closed += 1

    def value(self, index: int, series: catalog.Series, *labels: str) -> tuple[float, int, int]:
        """(value, start, time) of one point of one push."""
        ((metrics,),) = (
            [s.metrics for s in each.scope_metrics] for each in self.pushed[index].resource_metrics
        )
        (point,) = [
            p
            for metric in metrics
            if metric.name == series.name
            for p in metric.data.data_points
            if tuple((p.attributes or {}).values()) == labels
        ]
        return getattr(point, "value", 0), point.start_time_unix_nano, point.time_unix_nano


class Stuck:
    """The collector answers nothing, and its connection can't be closed, until it is let go."""

    def __init__(self) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()

    def export(self, _: MetricsData, /) -> MetricExportResult:
        self.entered.set()
        self.let_go.wait()
        return MetricExportResult.SUCCESS

    def shutdown(self) -> None:
        self.let_go.wait()


def push_of(registry: Registry, exporter: Any, dropped: Dropped, interval: float = LONG) -> MetricsPush:
    service = Service(name="shop")
    made = MetricsPush(
        exporter, Source(registry, service=service, dropped=dropped), service, dropped, interval=interval
    )
    made.start()
    return made


def end(push: MetricsPush, seconds: float = 10.0) -> bool:
    push.ask_to_end()
    return push.end(time.monotonic() + seconds)


def lost(dropped: Dropped) -> dict[str, int]:
    return {reason: n for (signal, reason), n in dropped.counts().items() if signal == "metrics" and n}


def test_the_last_push_is_at_the_end(registry: Registry, full: Guard) -> None:
    exporter, dropped = Keeping(), Dropped()
    push = push_of(registry, exporter, dropped)
    full.operation("balance").call(int)
    assert end(push)
    assert len(exporter.pushed) == 1
    value, start, now = exporter.value(0, catalog.CALLS, "bank-api", "balance", "success")
    assert value == 1
    assert start < now <= time.time_ns()
    assert exporter.closed == 1
    assert lost(dropped) == {}


def test_pushes_come_at_intervals_and_hold_totals(registry: Registry, full: Guard) -> None:
    exporter = Keeping()
    push = push_of(registry, exporter, Dropped(), interval=0.01)
    for _ in range(2):
        assert exporter.arrived.acquire(timeout=10)
    full.operation("balance").call(int)
    assert end(push)
    of = (catalog.CALLS, "bank-api", "balance", "success")
    first, last = exporter.value(0, *of), exporter.value(-1, *of)
    assert (first[0], last[0]) == (0, 1)
    assert first[1] == last[1]
    assert first[2] < last[2]


@pytest.mark.parametrize("error", [None, RuntimeError("10.0.0.1 refused")])
def test_a_push_that_fails_is_counted_and_loses_no_totals(
    registry: Registry, full: Guard, error: Exception | None
) -> None:
    exporter, dropped = Keeping(0, error=error), Dropped()
    push = push_of(registry, exporter, dropped, interval=0.01)
    assert exporter.arrived.acquire(timeout=10)
    full.operation("balance").call(int)
    assert exporter.arrived.acquire(timeout=10)
    assert end(push)
    ((metrics,),) = ([s.metrics for s in each.scope_metrics] for each in exporter.pushed[0].resource_metrics)
    assert lost(dropped) == {"export_failed": sum(len(m.data.data_points) for m in metrics)}
    assert exporter.value(-1, catalog.CALLS, "bank-api", "balance", "success")[0] == 1
    assert exporter.value(-1, catalog.TELEMETRY_DROPPED, "metrics", "export_failed")[0] > 0


def test_what_can_not_be_read_is_a_loss_and_no_more(registry: Registry) -> None:
    class Broken(Source):
        def views(self) -> Any:
            raise RuntimeError

    dropped = Dropped()
    push = MetricsPush(Keeping(), Broken(registry), Service(name="shop"), dropped, interval=LONG)
    push.start()
    assert end(push)
    assert lost(dropped) == {"export_failed": 1}


def test_the_end_keeps_its_deadline_whatever_the_exporter_does(registry: Registry, full: Guard) -> None:
    exporter, dropped = Stuck(), Dropped()
    push = push_of(registry, exporter, dropped, interval=0.01)
    assert exporter.entered.wait(10)
    began = time.monotonic()
    assert not end(push, 0.2)
    assert time.monotonic() - began < 0.2 + 0.5
    assert lost(dropped)["shutdown"] > 100
    exporter.let_go.set()


def test_a_guard_in_the_place_of_another_counts_from_later_on(registry: Registry) -> None:
    source = Source(registry)
    registry.guard("bank")
    registry.guard("mail")
    starts = Starts(100)
    assert starts.of(source.views(), 200) == [100, 100]
    assert starts.of(source.views(), 300) == [100, 100]
    registry.remove("bank")
    registry.guard("bank")
    registry.guard("cache")
    # bank, cache, mail: what is new was built after the last push.
    assert starts.of(source.views(), 400) == [300, 300, 100]
    registry.remove("cache")
    assert starts.of(source.views(), 500) == [300, 100]
    registry.guard("cache")
    assert starts.of(source.views(), 600) == [300, 500, 100]


def in_child(work: Callable[[], bool]) -> bool:
    """What ``work`` says in a forked child."""
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = work()
        finally:
            os._exit(0 if good else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_pushes_its_own_numbers_as_another_instance(registry: Registry, full: Guard) -> None:
    exporter, dropped = Keeping(), Dropped()
    dropped.add("series", "guard_failed", 3)
    push = push_of(registry, exporter, dropped)
    full.operation("balance").call(int)
    forked_at = time.time_ns()
    of = (catalog.CALLS, "bank-api", "balance", "success")

    def work() -> bool:
        for _ in range(2):
            full.operation("balance").call(int)
        ended = end(push)
        value, start, _ = exporter.value(0, *of)
        return (
            ended
            and (len(exporter.pushed), value, start > forked_at) == (1, 2, True)
            and exporter.value(0, catalog.TELEMETRY_DROPPED, "series", "guard_failed")[0] == 0
        )

    assert in_child(work)
    assert end(push)
    assert (len(exporter.pushed), exporter.value(0, *of)[0]) == (1, 1)
    assert exporter.value(0, catalog.TELEMETRY_DROPPED, "series", "guard_failed")[0] == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_instance_id_is_made_up_for_each_process_unless_it_is_given() -> None:
    made_up, given = Service(name="shop"), Service(name="shop", instance_id="shop-1")
    before = made_up.instance_id
    assert len(before) == 32
    assert made_up.resource().attributes["service.instance.id"] == before
    assert in_child(
        lambda: (
            made_up.instance_id != before
            and made_up.resource().attributes["service.instance.id"] == made_up.instance_id
            and given.instance_id == "shop-1"
        )
    )
    assert made_up.instance_id == before
