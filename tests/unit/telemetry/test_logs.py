"""Log lines: what is on them, what never is, and what happens when they can't be written."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from seawall.telemetry import correlation, logs
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.logs import Style
from seawall.telemetry.stdlib_logs import StructuredHandler, give_back, take_over

HOSTILE = "a\r\nb\x1b[31m\x00\x85\u2028\u2029\u202e\ud800 \\u2028 {x} %s"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def _structlog_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_ids_join_a_line_to_its_request_and_span(stream: io.StringIO, provider: TracerProvider) -> None:
    log = logs.logger("json", stream=stream)
    with correlation.using("abc"), provider.get_tracer("test").start_as_current_span("s") as span:
        log.info("happened", amount=3)
    (line,) = written(stream)
    context = span.get_span_context()
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["event"] == "happened"
    assert line["amount"] == 3
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")
    assert line["correlation_id"] == "abc"
    assert line["trace_id"] == format(context.trace_id, "032x")
    assert line["span_id"] == format(context.span_id, "016x")


def test_without_a_request_there_are_no_ids(stream: io.StringIO) -> None:
    logs.logger("json", stream=stream).info("happened")
    assert set(written(stream)[0]) == {"event", "level", "timestamp"}


@pytest.mark.parametrize("style", logs.STYLES)
def test_one_line_whatever_is_logged(stream: io.StringIO, style: Style) -> None:
    log = logs.logger(style, stream=stream)
    log.info(HOSTILE, text=HOSTILE, nested={HOSTILE: [HOSTILE, (HOSTILE,)]}, **{HOSTILE: HOSTILE})
    out = stream.getvalue()
    assert out.endswith("\n")
    assert len(out.splitlines()) == 1  # str.splitlines knows every separator that anybody splits at
    assert "\x1b" not in out
    out.encode("utf-8")


def test_long_texts_are_cut(stream: io.StringIO) -> None:
    logs.logger("json", stream=stream).info("happened", text="x" * 1_000_000)
    assert len(stream.getvalue()) < 2000


class Secret:
    def __repr__(self) -> str:
        return "password=hunter2"

    __str__ = __repr__


@pytest.mark.parametrize("style", logs.STYLES)
def test_of_objects_and_exceptions_only_the_type(stream: io.StringIO, style: Style) -> None:
    log = logs.logger(style, stream=stream)
    error = ValueError("password=hunter2")
    log.info("object", value=Secret(), values=[Secret()])
    log.info("raised", exc_info=error)
    try:
        raise error
    except ValueError:
        log.exception("caught", stack_info=True)
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("ValueError") == 2
    assert len(stream.getvalue().splitlines()) == 3


def test_a_stream_that_fails_loses_the_line_and_counts_it(stream: io.StringIO) -> None:
    dropped = Dropped()
    log = logs.logger("json", stream=stream, dropped=dropped)
    stream.close()
    log.info("happened")
    assert dropped.counts()["logs", "write_failed"] == 1


def test_a_style_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="json, console"):
        logs.logger("xml")  # type: ignore[arg-type]


@pytest.mark.usefixtures("_structlog_as_it_was")
def test_the_services_own_lines_carry_the_ids_too(stream: io.StringIO) -> None:
    logs.configure("json", stream=stream)
    with correlation.using("abc"):
        structlog.get_logger().info("mine")
    assert written(stream)[0]["correlation_id"] == "abc"


def test_so_do_lines_of_the_standard_library(stream: io.StringIO) -> None:
    log = logging.getLogger("test.library")
    log.propagate = False
    handler = StructuredHandler(logs.logger("json", stream=stream))
    log.addHandler(handler)
    try:
        with correlation.using("abc"):
            log.warning("%s of %s", 1, "two")
            log.warning("%d", "no number")  # the record can't be formatted
    finally:
        log.removeHandler(handler)
    (line,) = written(stream)
    assert (line["event"], line["logger"], line["level"]) == ("1 of two", "test.library", "warning")
    assert line["correlation_id"] == "abc"


def test_a_root_logger_with_handlers_is_left_alone(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [logging.NullHandler()])
    log = logs.logger("json", stream=stream)
    assert take_over(log) is None
    monkeypatch.setattr(root, "handlers", [])
    handler = take_over(log)
    assert root.handlers == [handler]
    give_back(handler)
    assert root.handlers == []
