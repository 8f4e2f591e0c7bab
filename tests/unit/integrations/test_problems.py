"""Problem details."""

from __future__ import annotations

import json
import math

import pytest

from seawall.integrations import problems
from seawall.resilience import BreakerOpen
from seawall.telemetry import correlation


@pytest.mark.parametrize(
    ("retry_after", "header"), [(None, None), (0.0, "1"), (1.0, "1"), (1.01, "2"), (math.inf, None)]
)
def test_retry_after_is_whole_seconds(retry_after: float | None, header: str | None) -> None:
    problem = problems.from_error(BreakerOpen("bank", "breaker", "open", retry_after))
    assert problem.headers.get("Retry-After") == header
    assert problem.status == 503


def test_the_id_is_there_inside_of_a_request() -> None:
    assert "correlation_id" not in json.loads(problems.internal().body)
    with correlation.using("abc"):
        assert json.loads(problems.internal().body)["correlation_id"] == "abc"


def test_nobody_learns_the_dependencys_name() -> None:
    problem = problems.from_error(BreakerOpen("bank.internal", "breaker", "open", 1.0))
    assert b"bank.internal" not in problem.body
