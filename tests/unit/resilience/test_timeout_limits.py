"""Limits of each operation, and limits that follow from the arguments of a call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench

from seawall.resilience import (
    ConfigurationError,
    Guard,
    RateLimit,
    Registry,
    TimedOut,
    Timeout,
    remaining,
)
from seawall.telemetry.rows import policy_rows

BY_OPERATION = Timeout(
    attempt=1, total=3, by_operation={"export": Timeout(attempt=10, total=30), "health": None}
)
OPERATIONS = ("get", "export", "health")

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")


def after(bench: Bench, operation: str, seconds: float) -> Any:
    """What a call comes to whose function takes so long."""
    of = bench.guard.operation(operation)

    async def work() -> str:
        await asyncio.sleep(seconds)
        return "answer"

    def sync_work() -> str:
        bench.clock.advance(seconds)
        return "answer"

    try:
        return of.call(sync_work) if bench.how == "sync" else bench.clock.run(of.acall(work))
    except TimedOut as error:
        return error.scope, error.limit


@pytest.mark.parametrize(
    ("operation", "fast", "slow", "limit"),
    [("get", 0.9, 1.1, 1), ("export", 9.0, 11.0, 10)],
)
def test_each_operation_has_its_own_attempt_limit(
    operation: str, fast: float, slow: float, limit: float
) -> None:
    b = Bench("async", timeout=BY_OPERATION, operations=OPERATIONS)
    assert after(b, operation, fast) == "answer"
    assert after(b, operation, slow) == ("attempt", limit)
    assert b.count("timeouts", operation, "attempt") == 1
    assert sum(b.count("timeouts", o, "attempt") for o in OPERATIONS) == 1


@pytest.mark.parametrize(
    ("operation", "slow", "late"), [("get", 1.1, 1), ("export", 9.0, 0), ("export", 11, 1)]
)
def test_in_def_what_is_late_depends_on_the_operation(operation: str, slow: float, late: int) -> None:
    b = Bench("sync", timeout=BY_OPERATION, operations=OPERATIONS)
    assert after(b, operation, slow) == "answer"
    assert b.count("attempts", operation, "slow") == late
    assert b.count("attempts", operation, "success") == 1 - late


def test_an_operation_may_have_no_limit_at_all(bench: Any) -> None:
    b = bench(timeout=BY_OPERATION, operations=OPERATIONS)
    assert after(b, "health", 1000.0) == "answer"
    assert b.count("attempts", "health", "success") == 1
    assert b.guard.operation("health").call(remaining) is None
    assert b.guard.operation("get").call(remaining) == 1
    assert b.guard.operation("export").call(remaining) == 10


def test_retries_are_held_to_the_total_of_their_operation(bench: Any) -> None:
    policy = Timeout(attempt=1, total=1.5, by_operation={"export": Timeout(total=30)})
    b = bench(timeout=policy, retry=CALM, operations=("default", "export"))
    seen: list[float | None] = []

    def body() -> None:
        b.clock.advance(0.2)
        seen.append(remaining())
        raise ConnectionError

    async def task() -> None:
        body()

    for operation in ("default", "export"):
        of = b.guard.operation(operation)
        with pytest.raises(ConnectionError):
            of.call(body) if b.how == "sync" else b.clock.run(of.acall(task))
    # 0.2 s, 1 s of waiting, 0.2 s; then no wait of 2 s fits in the total. In the other all three do.
    assert seen == pytest.approx([0.8, 0.1, 29.8, 28.6, 26.4])
    assert [b.count("retries", o) for o in ("default", "export")] == [1, 2]


@pytest.mark.parametrize(("operation", "limit"), [("get", 5), ("export", 2)])
def test_a_total_that_was_used_up_is_that_of_the_operation(operation: str, limit: float) -> None:
    b = Bench(
        "sync",
        timeout=Timeout(total=5, by_operation={"export": Timeout(total=2)}),
        rate_limit=RateLimit(rate=0.1, burst=1, max_wait=100),
        operations=("get", "export"),
    )
    assert b.guard.operation(operation).call(int) == 0
    # The next permit comes in 10 s.
    with pytest.raises(TimedOut) as caught:
        b.guard.operation(operation).call(int)
    assert (caught.value.scope, caught.value.limit) == ("total", limit)
    assert b.count("timeouts", operation, "total") == 1


def test_only_operations_may_have_limits() -> None:
    b = Bench(
        "async", timeout=Timeout(by_operation={"export": Timeout(total=2)}), operations=("get", "export")
    )
    assert after(b, "get", 100) == "answer"
    assert after(b, "export", 100) == ("total", 2)
    assert b.guard.describe()["order"] == ["total_timeout"]
    assert b.guard.operation("get").first_limit is None
    assert b.guard.operation("export").first_limit == 2


def test_the_fast_lane_stays_where_the_limits_are_fixed() -> None:
    b = Bench("sync", timeout=BY_OPERATION, operations=OPERATIONS)
    assert [b.guard.operation(o).lane for o in OPERATIONS] == [1, 1, 1]
    asked = Timeout(attempt=1, by_operation={"export": Timeout(attempt=1, attempt_for=lambda: 2.0)})
    b = Bench("sync", timeout=asked, operations=OPERATIONS)
    lanes = [(b.guard.operation(o).lane, b.guard.operation(o).open_lane) for o in OPERATIONS]
    assert lanes == [(1, 1), (0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "Timeout.attempt is None; allowed: a number in attempt, in total, or in both"),
        (
            {"by_operation": {"a": None}},
            "Timeout.attempt is None; allowed: a number in attempt, in total, or in both",
        ),
        (
            {"attempt": 1, "by_operation": 5},
            "Timeout.by_operation is 5; allowed: operations and their Timeouts",
        ),
        (
            {"attempt": 1, "by_operation": {"a": 5}},
            "Timeout.by_operation['a'] is 5; allowed: a Timeout, or None",
        ),
        (
            {"attempt": 1, "by_operation": {"a": Timeout(attempt=1, threads=1)}},
            "allowed: a Timeout without by_operation and threads",
        ),
        (
            {"attempt": 1, "by_operation": {"a": Timeout(by_operation={"b": Timeout(total=1)})}},
            "allowed: a Timeout without by_operation and threads",
        ),
        ({"attempt": 1, "attempt_for": 5}, "Timeout.attempt_for is 5; allowed: a function, or None"),
        (
            # Who is not in by_operation has no limit here, so that nothing would ever be asked.
            {"attempt_for": len, "by_operation": {"a": Timeout(attempt=1)}},
            "Timeout.attempt is None; allowed: a number in attempt, in total, or in both, beside attempt_for",
        ),
        (
            {"attempt": 1, "threads": 0},
            "Timeout.threads is 0; allowed: a whole number >= 1 and <= 1000, or None",
        ),
        (
            {"attempt": 1, "threads": 1001},
            "Timeout.threads is 1001; allowed: a whole number >= 1 and <= 1000",
        ),
        ({"attempt": 1, "threads": 2.0}, "Timeout.threads is 2.0; allowed: a whole number"),
        ({"attempt": 2, "total": 1}, "Timeout.attempt is 2; allowed: at most the total, 1"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Timeout(**settings)
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


def test_all_that_is_wrong_is_said_at_once() -> None:
    own: dict[str, Any] = {"a": 1, "b": Timeout(attempt=1, threads=2)}
    with pytest.raises(ConfigurationError) as caught:
        Timeout(attempt=-1, total=0, attempt_for="x", by_operation=own, threads=0)  # type: ignore[arg-type]
    assert caught.value.problems == (
        "Timeout.by_operation['a'] is 1; allowed: a Timeout, or None",
        f"Timeout.by_operation['b'] is {own['b']!r}; allowed: a Timeout without by_operation and threads",
        "Timeout.attempt is -1; allowed: a number > 0, or None",
        "Timeout.total is 0; allowed: a number > 0, or None",
        "Timeout.attempt_for is 'x'; allowed: a function, or None",
        "Timeout.threads is 0; allowed: a whole number >= 1 and <= 1000, or None",
    )
    with pytest.raises(ConfigurationError) as caught:
        Timeout(by_operation=5)  # type: ignore[arg-type]
    assert caught.value.problems == (
        "Timeout.by_operation is 5; allowed: operations and their Timeouts",
        "Timeout.attempt is None; allowed: a number in attempt, in total, or in both",
    )
    with pytest.raises(ConfigurationError) as caught:
        Timeout(attempt=0, total=-1, by_operation=[])  # type: ignore[arg-type]
    assert caught.value.problems == (
        "Timeout.by_operation is []; allowed: operations and their Timeouts",
        "Timeout.attempt is 0; allowed: a number > 0, or None",
        "Timeout.total is -1; allowed: a number > 0, or None",
    )


def test_the_largest_and_the_smallest_that_can_be() -> None:
    assert Timeout(attempt=1, total=1, threads=1000).threads == 1000
    assert Timeout(attempt=1, threads=1).threads == 1
    assert hash(Timeout(attempt=1)) == hash(Timeout(attempt=1))


def test_limits_of_an_operation_that_the_guard_has_not() -> None:
    registry = Registry("t")
    with pytest.raises(ConfigurationError) as caught:
        Guard("bank", timeout=BY_OPERATION, operations=("get", "export"), registry=registry)
    assert caught.value.problems == ("Guard 'bank'.timeout.by_operation is 'health'; allowed: get, export",)
    with pytest.raises(ConfigurationError) as caught:
        Guard("bank", timeout=Timeout(by_operation={"x": Timeout(total=1)}), registry=registry)
    assert caught.value.problems == ("Guard 'bank'.timeout.by_operation is 'x'; allowed: default",)
    assert len(registry) == 0


def test_what_a_timeout_says_of_itself() -> None:
    plain = {"attempt": 1, "total": None, "attempt_for": False}
    assert Timeout(attempt=1).describe() == {**plain, "by_operation": {}, "threads": None}
    full = Timeout(
        attempt=1,
        attempt_for=lambda: 1.0,
        by_operation={"export": Timeout(total=30), "health": None},
        threads=4,
    )
    assert full.describe() == {
        "attempt": 1,
        "total": None,
        "attempt_for": True,
        "by_operation": {"export": {"attempt": None, "total": 30, "attempt_for": False}, "health": None},
        "threads": 4,
    }


def test_its_numbers_are_settings_of_the_default_and_of_each_operation() -> None:
    guard = Guard("bank", timeout=BY_OPERATION, operations=OPERATIONS, registry=Registry("t"))
    numbers = {row.labels[1:]: row.value for row in policy_rows(guard.describe())[:-1]}
    assert numbers == {
        ("timeout", "attempt"): 1,
        ("timeout", "total"): 3,
        ("timeout_by_operation_export", "attempt"): 10,
        ("timeout_by_operation_export", "total"): 30,
    }


def test_limits_of_operations_may_be_changed_while_it_runs(bench: Any) -> None:
    b = bench(timeout=BY_OPERATION, operations=OPERATIONS)
    limits = {"export": Timeout(attempt=5), "get": Timeout(attempt=1, attempt_for=lambda: 4.0)}
    b.guard.reconfigure(timeout=Timeout(attempt=2, by_operation=limits))
    assert [b.guard.operation(o).call(remaining) for o in OPERATIONS] == [4, 5, 2]
    assert [b.guard.operation(o).lane for o in OPERATIONS] == [0, 1, 1]
