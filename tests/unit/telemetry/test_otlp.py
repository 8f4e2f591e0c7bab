"""Settings of the way out. That spans arrive is shown in the integration tests."""

from __future__ import annotations

from typing import Any

import pytest

from seawall.resilience import ConfigurationError
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.otlp import OtlpSettings, exporter, provider
from seawall.telemetry.service import Service


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        OtlpSettings(
            endpoint="ftp://x",
            protocol="smoke",  # type: ignore[arg-type]
            sample_ratio=1.5,
            batch=0,
            queue=0,
            interval=0,
            timeout=float("nan"),
            shutdown_deadline=-1,
        )
    named = {problem.split(" ")[0].removeprefix("OtlpSettings.") for problem in raised.value.problems}
    assert named == {
        "endpoint", "protocol", "sample_ratio", "batch", "queue", "interval", "timeout", "shutdown_deadline",
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


@pytest.mark.parametrize(
    ("endpoint", "reached"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/v1/traces", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/in", "http://localhost:4318/in/v1/traces"),
    ],
)
def test_http_adds_the_path_of_the_signal(endpoint: str, reached: str) -> None:
    made = exporter(OtlpSettings(endpoint=endpoint, protocol="http"))
    assert getattr(made, "_endpoint", None) == reached
    made.shutdown()


def test_a_ratio_of_nothing_samples_nothing() -> None:
    made = provider(
        OtlpSettings(endpoint="http://localhost:4317", sample_ratio=0.0), Service(name="shop"), Dropped()
    )
    span = made.get_tracer("test").start_span("one")
    assert not span.is_recording()
    assert made.resource.attributes["service.name"] == "shop"
    made.shutdown()
