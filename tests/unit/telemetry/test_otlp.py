"""Settings of the way out. That spans arrive is shown in the integration tests."""

from __future__ import annotations

from typing import Any

import pytest

from seawall.resilience import ConfigurationError, Registry
from seawall.telemetry import exporters
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.otlp import OtlpSettings, Push
from seawall.telemetry.service import Service


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        OtlpSettings(
            endpoint="ftp://x",
            protocol="smoke",  # type: ignore[arg-type]
            signals=("traces", "traces"),
            sample_ratio=1.5,
            batch=0,
            queue=0,
            interval=0,
            metrics_interval=-1,
            timeout=float("nan"),
            shutdown_deadline=-1,
        )
    named = {problem.split(" ")[0].removeprefix("OtlpSettings.") for problem in raised.value.problems}
    assert named == {
        "endpoint", "protocol", "signals", "sample_ratio", "batch", "queue", "interval", "metrics_interval",
        "timeout", "shutdown_deadline",
    }  # fmt: skip


@pytest.mark.parametrize(
    "endpoint", ["", "collector:4317", "http://", "http://user:secret@host", "http://[", "grpc://x", 7]
)
def test_an_endpoint_that_is_no_url(endpoint: Any) -> None:
    with pytest.raises(ConfigurationError) as raised:
        OtlpSettings(endpoint=endpoint)
    assert "secret" not in str(raised.value)


def test_a_queue_holds_at_least_one_batch() -> None:
    with pytest.raises(ConfigurationError, match="queue"):
        OtlpSettings(endpoint="http://localhost:4317", queue=10, batch=20)


@pytest.mark.parametrize("signals", [(), "traces", ("traces", "smoke"), ["logs", "logs"]])
def test_signals_that_there_are_not(signals: Any) -> None:
    with pytest.raises(ConfigurationError, match="some of traces, metrics, logs"):
        OtlpSettings(endpoint="http://localhost:4317", signals=signals)


@pytest.mark.parametrize("signal", ["spans", "metrics", "logs"])
@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("http://localhost:4318", "http://localhost:4318"),
        ("http://localhost:4318/", "http://localhost:4318"),
        ("http://localhost:4318/v1/traces", "http://localhost:4318"),
        ("http://localhost:4318/v1/metrics", "http://localhost:4318"),
        ("http://localhost:4318/in", "http://localhost:4318/in"),
    ],
)
def test_http_adds_the_path_of_the_signal(signal: str, endpoint: str, base: str) -> None:
    made = getattr(exporters, signal)("http", endpoint, 1.0)
    path = "traces" if signal == "spans" else signal
    assert getattr(made, "_endpoint", None) == f"{base}/v1/{path}"
    made.shutdown()


def test_a_ratio_of_nothing_samples_nothing() -> None:
    settings = OtlpSettings(endpoint="http://localhost:4317", sample_ratio=0.0)
    push = Push(settings, Registry("shop"), Service(name="shop"), Dropped())
    assert push.provider is not None
    span = push.provider.get_tracer("test").start_span("one")
    assert not span.is_recording()
    assert push.provider.resource.attributes["service.name"] == "shop"
    push.stop()


def test_only_what_is_asked_for_is_pushed() -> None:
    settings = OtlpSettings(endpoint="http://localhost:4317", signals=("metrics",), timeout=0.1)
    push = Push(settings, Registry("shop"), Service(name="shop"), Dropped())
    assert (push.provider, push.logs) == (None, None)
    push.stop()
