"""Spans leave by OTLP, over gRPC and HTTP, to a receiver made of the official stubs."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from reference.otlp_receiver import Receiver, main
from seawall.resilience import Breaker, Registry, Retry
from seawall.startup import OtlpSettings, ResilienceManager
from seawall.telemetry import catalog, correlation

Protocol = Literal["grpc", "http"]
PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http")
PATIENCE = 20.0
#: Seconds that who waits for a collector that does not answer would wait, and that a busy machine may add.
WAITED, BUSY = 60.0, 5.0


def settings(receiver: Receiver, protocol: Protocol) -> OtlpSettings:
    port = receiver.grpc_port if protocol == "grpc" else receiver.http_port
    return OtlpSettings(
        endpoint=f"http://127.0.0.1:{port}", protocol=protocol, interval=0.05, shutdown_deadline=PATIENCE
    )


def received(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


class Flaky:
    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self) -> str:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("password=hunter2")
        return "fine"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_retried_call_arrives_as_it_happened(tmp_path: Path, protocol: Protocol) -> None:
    file, registry = tmp_path / "spans.jsonl", Registry("shop")
    guard = registry.guard("bank", breaker=Breaker(), retry=Retry(attempts=2, base_delay=0.001))
    with Receiver(file) as receiver:
        manager = ResilienceManager(
            registry, "shop", service_version="3", otlp=settings(receiver, protocol), logs=None
        )
        with manager, correlation.using("request-1"):
            assert guard.call(Flaky(1)) == "fine"
        # call, attempt, wait, attempt
        assert receiver.wait_for(4, within=PATIENCE)
        assert sum(receiver.count.values()) == receiver.count[protocol]
    spans = received(file)
    assert {span["protocol"] for span in spans} == {protocol}
    assert {span["service"] for span in spans} == {"shop"}
    assert spans[0]["resource"]["service.version"] == "3"
    (call,) = [span for span in spans if span["name"] == catalog.SPAN_CALL]
    assert call["kind"] == "INTERNAL"
    assert call["attributes"][catalog.ATTR_CORRELATION_ID] == "request-1"
    assert call["end"] >= call["start"]
    attempts = [span for span in spans if span["name"] == catalog.SPAN_ATTEMPT]
    assert {span["parent_span_id"] for span in attempts} == {call["span_id"]}
    assert {span["trace_id"] for span in spans} == {call["trace_id"]}
    assert attempts[0]["attributes"][catalog.ATTR_ERROR_TYPE] == "ConnectionError"
    assert "hunter2" not in file.read_text(encoding="utf-8")
    assert sum(manager.dropped.counts().values()) == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_opened_the_breaker_arrives(tmp_path: Path, protocol: Protocol) -> None:
    file, registry = tmp_path / "spans.jsonl", Registry("shop")
    guard = registry.guard("bank", breaker=Breaker(minimum_calls=2))
    with Receiver(file) as receiver:
        otlp = settings(receiver, protocol)
        with ResilienceManager(registry, "shop", otlp=otlp, logs=None):
            for _ in range(2):
                with pytest.raises(ConnectionError):
                    guard.call(Flaky(1))
    spans = received(file)
    (transition,) = [span for span in spans if span["name"] == catalog.SPAN_TRANSITION]
    failed = [span["span_id"] for span in spans if span["name"] == catalog.SPAN_ATTEMPT]
    assert sorted(link["span_id"] for link in transition["links"]) == sorted(failed)
    assert len(failed) == 2
    (event,) = [event for span in spans for event in span["events"]]
    assert event["name"] == catalog.SPAN_TRANSITION
    assert event["attributes"].items() <= transition["attributes"].items()
    assert event["attributes"]["seawall.breaker.failure_ratio"] == 1.0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_spans_all_arrive(tmp_path: Path, protocol: Protocol) -> None:
    file, registry = tmp_path / "spans.jsonl", Registry("shop")
    guard = registry.guard("bank")
    with Receiver(file) as receiver:
        manager = ResilienceManager(registry, "shop", otlp=settings(receiver, protocol), logs=None)
        with manager:
            for _ in range(500):
                guard.call(Flaky(0))
    assert len(received(file)) == 1000
    assert sum(manager.dropped.counts().values()) == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("listening", [True, False])
def test_a_collector_that_does_not_answer_holds_nobody_up(protocol: Protocol, listening: bool) -> None:
    registry = Registry("shop")
    guard = registry.guard("bank")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listening:  # connections are accepted, by the system, and nothing is ever said
            silent.listen()
        otlp = OtlpSettings(
            endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}",
            protocol=protocol,
            queue=100,
            batch=10,
            timeout=WAITED,
            shutdown_deadline=0.5,
        )
        manager = ResilienceManager(registry, "shop", otlp=otlp, logs=None)
        manager.start()
        slowest = 0.0
        for _ in range(200):
            began = time.perf_counter()
            guard.call(Flaky(0))
            slowest = max(slowest, time.perf_counter() - began)
        began = time.perf_counter()
        manager.stop()
        assert time.perf_counter() - began < 0.5 + BUSY
    assert slowest < BUSY
    lost = sum(n for (signal, _), n in manager.dropped.counts().items() if signal == "spans")
    assert 400 - otlp.batch <= lost <= 400  # what is being sent when the deadline is over may still arrive


def test_the_receiver_refuses_what_is_no_trace(tmp_path: Path) -> None:
    with Receiver(tmp_path / "spans.jsonl") as receiver:
        url = f"http://127.0.0.1:{receiver.http_port}/v1/traces"
        assert httpx.post(url, content=b"\xff\xff\xff").status_code == 400
        zipped = {"Content-Encoding": "gzip"}
        assert httpx.post(url, content=b"no gzip", headers=zipped).status_code == 400
        assert httpx.post(url, content=gzip.compress(b""), headers=zipped).status_code == 200
        assert httpx.post(url.replace("traces", "profiles"), content=b"").status_code == 404
        assert receiver.count == {"grpc": 0, "http": 0}


@pytest.mark.parametrize("which", ["--grpc-port", "--http-port"])
def test_the_receiver_names_a_taken_port(
    tmp_path: Path, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = {"--grpc-port": "0", "--http-port": "0", which: port}
        arguments = [word for pair in ports.items() for word in pair]
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--file", str(tmp_path / "spans.jsonl")])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"otlp_receiver: port {port} is in use\n"


def test_the_receiver_runs_by_itself(tmp_path: Path, root: Path) -> None:
    command = [sys.executable, "-m", "reference.otlp_receiver", "--grpc-port", "0", "--http-port", "0"]
    file = tmp_path / "spans.jsonl"
    with subprocess.Popen(
        [*command, "--file", str(file)], cwd=root / "deploy", stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        port = int(said.rsplit(":", 1)[1])
        registry = Registry("shop")
        otlp = OtlpSettings(endpoint=f"http://127.0.0.1:{port}", protocol="http", shutdown_deadline=PATIENCE)
        with ResilienceManager(registry, "shop", otlp=otlp, logs=None):
            registry.guard("bank").call(Flaky(0))
        process.terminate()
    assert [span["name"] for span in received(file)] == [catalog.SPAN_ATTEMPT, catalog.SPAN_CALL]
