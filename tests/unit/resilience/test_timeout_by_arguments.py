"""Limits that follow from the arguments of a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from math import inf
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    TimedOut,
    Timeout,
    remaining,
)
from seawall.resilience.timeout import Limits

BY_OPERATION = Timeout(
    attempt=1, total=3, by_operation={"export": Timeout(attempt=10, total=30), "health": None}
)
OPERATIONS = ("get", "export", "health")

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")


def rows(count: int) -> float:
    return count / 100


def run(b: Bench, count: Any, seconds: float, of: Any = None) -> Any:
    """A call that is asked for so many rows and takes so long."""
    of = of or b.guard

    async def work(count: Any) -> Any:
        await asyncio.sleep(seconds)
        return remaining()

    def sync_work(count: Any) -> Any:
        b.clock.advance(seconds)
        return remaining()

    try:
        return of.call(sync_work, count) if b.how == "sync" else b.clock.run(of.acall(work, count))
    except TimedOut as error:
        return error.scope, error.limit


def test_the_limit_follows_from_the_arguments(bench: Any) -> None:
    b = bench(timeout=Timeout(attempt=1, total=20, attempt_for=rows))
    assert run(b, 500, 4.0) == pytest.approx(1.0)
    assert b.count("attempts", "default", "success") == 1
    late = run(b, 200, 2.5)
    if b.how == "async":
        assert late == ("attempt", 2.0)
        assert b.count("timeouts", "default", "attempt") == 1
    else:
        assert late == 0
        assert b.count("attempts", "default", "slow") == 1
    # No attempt gets more than the total.
    assert run(b, 10_000, 5.0) == pytest.approx(15.0)
    assert b.registry.listener_errors == {"Recording": 0}


@pytest.mark.parametrize("said", [0, -1, float("nan"), float("inf"), True, "2", [1], 0.0])
def test_nonsense_is_counted_and_the_fixed_limit_holds(bench: Any, said: Any) -> None:
    b = bench(timeout=Timeout(attempt=1, total=20, attempt_for=lambda count: said))
    assert run(b, 500, 0.25) == pytest.approx(0.75)
    assert b.registry.listener_errors["timeout.attempt_for"] == 1
    assert b.count("attempts", "default", "success") == 1


def test_what_it_raises_is_counted_and_the_fixed_limit_holds(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(count: int) -> float:
        raise LookupError

    b = bench(timeout=Timeout(total=20, attempt_for=broken))
    assert b.guard.describe()["order"] == ["total_timeout", "attempt_timeout"]
    assert run(b, 500, 0.25) == pytest.approx(19.75)
    assert b.registry.listener_errors["timeout.attempt_for"] == 1
    assert "listener timeout.attempt_for raised LookupError" in caplog.text


def test_none_stands_for_the_fixed_limit(bench: Any) -> None:
    b = bench(timeout=Timeout(attempt=1, attempt_for=lambda count: None))
    assert run(b, 500, 0.25) == pytest.approx(0.75)
    assert "timeout.attempt_for" not in b.registry.listener_errors


def test_it_is_asked_before_each_attempt(bench: Any) -> None:
    said = iter([1.0, 2.0, 3.0])
    b = bench(timeout=Timeout(attempt=9, attempt_for=lambda: next(said)), retry=CALM)
    seen: list[float | None] = []

    def body() -> None:
        seen.append(remaining())
        raise ConnectionError

    assert isinstance(b(body), ConnectionError)
    assert seen == [1, 2, 3]


def test_what_is_late_is_judged_by_the_calls_own_limit_and_by_slow_after() -> None:
    b = Bench(
        "sync", timeout=Timeout(attempt=1, attempt_for=rows), breaker=Breaker(slow_after=3.0, slow_ratio=0.5)
    )
    for count, seconds in ((200, 1.5), (200, 2.5), (500, 2.5), (500, 3.5)):
        run(b, count, seconds)
    assert b.count("attempts", "default", "success") == 2
    assert b.count("attempts", "default", "slow") == 2


def test_an_open_breaker_refuses_such_calls_too(bench: Any) -> None:
    b = bench(
        timeout=Timeout(attempt=1, attempt_for=lambda: 1.0), breaker=Breaker(minimum_calls=1, window_calls=1)
    )

    def body() -> None:
        raise ConnectionError

    assert isinstance(b(body), ConnectionError)
    assert isinstance(b(body), BreakerOpen)
    assert b.count("calls", "default", "rejected") == 1


def test_blocks_know_no_arguments_but_what_makes_them_does() -> None:
    b = Bench("sync", timeout=Timeout(attempt=1, attempt_for=rows))
    with b.guard:
        assert remaining() == 1
    assert "timeout.attempt_for" not in b.registry.listener_errors

    @b.guard
    @contextmanager
    def session(count: int) -> Iterator[float | None]:
        yield remaining()

    with session(500) as left:
        assert left == 5

    @b.guard
    def items(count: int) -> Iterator[float | None]:
        yield remaining()

    assert list(items(count=700)) == [7]


def test_the_same_in_async_def() -> None:
    b = Bench("async", timeout=Timeout(attempt=1, attempt_for=rows))

    @b.guard
    @asynccontextmanager
    async def session(count: int) -> AsyncIterator[float | None]:
        yield remaining()

    @b.guard
    async def items(count: int) -> AsyncIterator[float | None]:
        yield remaining()

    async def main() -> list[float | None]:
        async with b.guard:
            seen = [remaining()]
        async with session(500) as left:
            seen.append(left)
        return seen + [left async for left in items(700)]

    assert b.clock.run(main()) == [1, 5, 7]
    assert "timeout.attempt_for" not in b.registry.listener_errors


def test_limits_by_themselves() -> None:
    assert not Limits().bounded
    assert Limits().of_attempt((), {}) is None
    assert Limits(total=2.0).bounded
    assert Limits(attempt=1.0).bounded
    assert Limits(attempt=1.0, total=2.0).first == (1.0, "attempt")
    assert Limits(total=2.0).first == (2.0, "total")
    assert Limits(attempt=1.0, ask=rows).fixed == Limits(attempt=1.0)
    given = Limits(attempt=1.0, ask=lambda a, *, b: a + b, failed=lambda *_: None).of_attempt((1,), {"b": 2})
    assert (given, type(given)) == (3.0, float)


def test_a_total_without_end_is_no_limit(bench: Any) -> None:
    b = bench()
    b.guard.fail_by(lambda operation: None)
    b.guard.operation("default").limits = Limits(total=inf)
    assert run(b, 500, 3600.0) is None
    assert b.count("attempts", "default", "success") == 1
    assert b.count("calls", "default", "success") == 1


def test_the_limit_of_a_context_follows_from_its_arguments_by_name() -> None:
    b = Bench("sync", timeout=Timeout(attempt=5.0, attempt_for=lambda *, limit: limit))

    @contextmanager
    def session(*, limit: float) -> Iterator[float | None]:
        yield remaining()

    with b.guard(session)(limit=0.5) as rest:
        assert rest == 0.5
