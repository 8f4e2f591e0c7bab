"""Metrics and logs leave by OTLP as spans do: to a receiver made of the official stubs, and to nobody."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry import trace

from reference.otlp_receiver import Receiver
from seawall.resilience import Breaker, Guard, Registry, Retry
from seawall.startup import OtlpSettings, ResilienceManager
from seawall.telemetry import catalog, correlation
from seawall.telemetry.collector import Collector
from seawall.telemetry.exporters import Transport
from seawall.telemetry.otlp import SIGNALS, Signal

PROTOCOLS: tuple[Transport, ...] = ("grpc", "http")
PATIENCE = 20.0
#: Seconds that who waits for a collector that does not answer would wait, and that a busy machine may add.
WAITED, BUSY = 60.0, 5.0


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def settings(receiver: Receiver, protocol: Transport, *signals: Signal, **others: Any) -> OtlpSettings:
    port = receiver.grpc_port if protocol == "grpc" else receiver.http_port
    values = {"interval": 0.05, "shutdown_deadline": PATIENCE, **others}
    return OtlpSettings(
        endpoint=f"http://127.0.0.1:{port}", protocol=protocol, signals=signals or SIGNALS, **values
    )


def received(file: Path, signal: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["signal"] == signal]


def fail() -> None:
    raise ConnectionError("password=hunter2")


def used(registry: Registry) -> Guard:
    """A guard that has had a success, and a failure in spite of a retry."""
    guard = registry.guard("bank", breaker=Breaker(), retry=Retry(attempts=2, base_delay=0.001))
    guard.call(int)
    with pytest.raises(ConnectionError):
        guard.call(fail)
    return guard


def of(points: list[dict[str, Any]], series: catalog.Series, **labels: str) -> dict[str, Any]:
    """The last point of a series with these labels."""
    found = [p for p in points if p["name"] == series.name and labels.items() <= p["attributes"].items()]
    return max(found, key=lambda point: point["time"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_numbers_of_a_scrape_arrive(tmp_path: Path, protocol: Transport) -> None:
    file, registry = tmp_path / "received.jsonl", Registry("shop")
    before = time.time()
    with Receiver(file) as receiver:
        otlp = settings(receiver, protocol, "metrics")
        manager = ResilienceManager(registry, "shop", service_version="3", otlp=otlp, logs=None)
        with manager:
            used(registry)
        assert {key for key, n in receiver.received.items() if n} == {("metrics", protocol)}
    points = received(file, "metrics")
    calls = of(points, catalog.CALLS, outcome="success")
    assert (calls["type"], calls["monotonic"], calls["temporality"]) == ("sum", True, "CUMULATIVE")
    assert (calls["value"], calls["attributes"]["dependency"]) == (1, "bank")
    assert calls["start"] < before < calls["time"]
    assert of(points, catalog.CALLS, outcome="failure")["value"] == 1
    assert of(points, catalog.ERRORS, error="ConnectionError")["value"] == 2
    duration = of(points, catalog.CALL_DURATION)
    assert (duration["type"], duration["unit"], duration["count"]) == ("histogram", "s", 2)
    assert sum(duration["buckets"]) == 2
    assert of(points, catalog.BREAKER_STATE, state="closed")["value"] == 1.0
    resource = points[0]["resource"]
    assert (resource["service.name"], resource["service.version"]) == ("shop", "3")
    collected = Collector(registry, service=manager.service, dropped=manager.dropped).collect()
    scraped = {s.name for family in collected for s in family.samples if family.type != "histogram"}
    pushed = {point["name"] for point in points if point["type"] != "histogram"}
    assert pushed == scraped - {catalog.TARGET_INFO.name}
    assert "hunter2" not in file.read_text(encoding="utf-8")
    assert sum(manager.dropped.counts().values()) == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_totals_go_on_from_push_to_push(tmp_path: Path, protocol: Transport) -> None:
    file, registry = tmp_path / "received.jsonl", Registry("shop")
    guard = used(registry)
    with Receiver(file) as receiver:
        otlp = settings(receiver, protocol, "metrics", metrics_interval=0.05)
        with ResilienceManager(registry, "shop", otlp=otlp, logs=None):
            assert receiver.wait_for(1, within=PATIENCE, signal="metrics")
            guard.call(int)
    of_calls = [
        p
        for p in received(file, "metrics")
        if p["name"] == catalog.CALLS.name and p["attributes"]["outcome"] == "success"
    ]
    assert (of_calls[0]["value"], of_calls[-1]["value"]) == (1, 2)
    assert len({p["start"] for p in of_calls}) == 1
    assert len({p["resource"]["service.instance.id"] for p in of_calls}) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_thousands_of_points_arrive(tmp_path: Path, protocol: Transport) -> None:
    file, registry = tmp_path / "received.jsonl", Registry("shop")
    for number in range(150):
        registry.guard(f"partner-{number}", breaker=Breaker())
    with Receiver(file) as receiver:
        otlp = settings(receiver, protocol, "metrics")
        with ResilienceManager(registry, "shop", otlp=otlp, logs=None) as manager:
            pass
    points = received(file, "metrics")
    assert len(points) > 10_000
    keys = [(p["name"], *sorted(p["attributes"].items())) for p in points]
    assert len(keys) == len(set(keys))
    assert sum(manager.dropped.counts().values()) == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("style", ["json", None])
def test_log_lines_arrive_beside_their_spans(tmp_path: Path, protocol: Transport, style: Any) -> None:
    file, registry, stream = tmp_path / "received.jsonl", Registry("shop"), io.StringIO()
    with Receiver(file) as receiver:
        otlp = settings(receiver, protocol, "traces", "logs")
        manager = ResilienceManager(registry, "shop", otlp=otlp, logs=style, log_stream=stream)
        with manager, correlation.using("request-1"):
            assert manager.logger is not None
            tracer = trace.get_tracer("test", tracer_provider=manager.provider)
            with tracer.start_as_current_span("request"):
                used(registry)
    records = received(file, "logs")
    events = ["retry.scheduled", "retry.exhausted", "call.failed"]
    assert [record["event_name"] for record in records] == events
    assert {record["protocol"] for record in records} == {protocol}
    spans = {span["span_id"]: span for span in received(file, "traces")}
    for record in records:
        assert spans[record["span_id"]]["trace_id"] == record["trace_id"]
        assert record["attributes"]["correlation_id"] == "request-1"
        assert record["attributes"]["dependency"] == "bank"
    assert "hunter2" not in file.read_text(encoding="utf-8") + stream.getvalue()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == (events if style else [])
    assert sum(manager.dropped.counts().values()) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_forked_process_sends_its_own_and_nothing_twice(
    tmp_path: Path, root: Path, protocol: Transport
) -> None:
    """In a process of its own: gRPC's receiver is not one to fork."""
    script = """
import os, sys
from seawall.resilience import Registry
from seawall.startup import OtlpSettings, ResilienceManager
registry = Registry("shop")
guard = registry.guard("bank")
def fail(): raise ConnectionError
def call():
    try: guard.call(fail)
    except ConnectionError: pass
otlp = OtlpSettings(endpoint=sys.argv[1], protocol=sys.argv[2], signals=("traces", "metrics", "logs"),
                    interval=3600, shutdown_deadline=20)
manager = ResilienceManager(registry, "shop", otlp=otlp)
manager.start()
for _ in range(3): call()
if sys.argv[3] == "connected":
    manager.provider.force_flush()
child = os.fork()
for _ in range(2 if child == 0 else 1): call()
manager.stop()
if child == 0:
    os._exit(int(sum(manager.dropped.counts().values()) > 0))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or sum(manager.dropped.counts().values()))
"""
    for connected in ("connected", "not"):
        file = tmp_path / connected
        with Receiver(file) as receiver:
            endpoint = settings(receiver, protocol).endpoint
            command = [sys.executable, "-c", script, endpoint, protocol, connected]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
        spans, records = received(file, "traces"), received(file, "logs")
        assert len({span["span_id"] for span in spans}) == len(spans) == 2 * 6
        lines = {(r["resource"]["service.instance.id"], r["attributes"]["number"]) for r in records}
        assert len(lines) == len(records) == 6
        assert len(done.stderr.splitlines()) == 6
        failures: dict[str, float] = {}
        for point in received(file, "metrics"):
            if point["name"] == catalog.CALLS.name and point["attributes"]["outcome"] == "failure":
                failures[point["resource"]["service.instance.id"]] = point["value"]
        assert sorted(failures.values()) == [2, 4]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("listening", [True, False])
def test_a_collector_that_does_not_answer_holds_up_no_end(
    protocol: Transport, signal: Signal, listening: bool
) -> None:
    registry = Registry("shop")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listening:  # connections are accepted, by the system, and nothing is ever said
            silent.listen()
        otlp = OtlpSettings(
            endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}",
            protocol=protocol,
            signals=(signal,),
            interval=0.01,
            metrics_interval=0.01,
            timeout=WAITED,
            shutdown_deadline=0.5,
        )
        manager = ResilienceManager(registry, "shop", otlp=otlp, log_stream=io.StringIO())
        manager.start()
        used(registry)
        time.sleep(0.1)  # the first export is under way
        with pytest.raises(ConnectionError):
            registry.get("bank").call(fail)  # type: ignore[union-attr]
        began = time.perf_counter()
        manager.stop()
        assert time.perf_counter() - began < 0.5 + BUSY
    lost = {key for key, n in manager.dropped.counts().items() if n}
    name = "spans" if signal == "traces" else signal
    assert lost & {(name, "shutdown"), (name, "export_failed")} != set()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_process_ends_by_its_deadline_without_a_collector(protocol: Transport) -> None:
    """At the interpreter's end too, with nobody to stop the manager."""
    script = """
import sys, time
from seawall.resilience import Registry
from seawall.startup import OtlpSettings, ResilienceManager
registry = Registry("shop")
guard = registry.guard("bank")
otlp = OtlpSettings(endpoint=sys.argv[1], protocol=sys.argv[2], signals=("traces", "metrics", "logs"),
                    timeout=float(sys.argv[3]), shutdown_deadline=0.5)
ResilienceManager(registry, "shop", otlp=otlp).start()
guard.call(int)
print(time.monotonic(), flush=True)
"""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", script, endpoint, protocol, str(WAITED)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        ended = time.monotonic()
    assert (done.returncode, done.stderr) == (0, "")
    assert ended - float(done.stdout) < 0.5 + 2 * BUSY  # the interpreter's own end is in it
