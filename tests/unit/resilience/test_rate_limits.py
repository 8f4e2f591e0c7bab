"""Kinds of rate limit through a guard; floods and the breaker; a dependency that says it was too much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench, fails, flaky

from seawall.resilience import (
    Breaker,
    Bulkhead,
    BulkheadFull,
    ConfigurationError,
    RateLimit,
    RateLimited,
    Registry,
)
from seawall.resilience.rate_limit import limiter_of


class TooMany(Exception):
    """What a client library raises on a 429."""

    def __init__(self, retry_after: object = None) -> None:
        self.retry_after = retry_after


OPENS_AT_ONCE = Breaker(minimum_calls=1, window_calls=4, failure_ratio=0.25, open_for=30, half_open_permits=1)


# -- kinds


def test_a_sliding_window_never_holds_more_than_the_burst(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=1, burst=3, kind="sliding_window"), breaker=Breaker(), retry=CALM)
    b(lambda: 1, times=2)
    b.clock.advance(2)
    assert b(lambda: 1) == 1
    rejected = b(lambda: 1)
    assert isinstance(rejected, RateLimited)
    assert rejected.retry_after == pytest.approx(1.0)
    assert b.count("rate_limiter_available") == 0
    b.clock.advance(1)
    assert b(lambda: 1, times=2) == 1
    assert isinstance(b(lambda: 1), RateLimited)
    assert b.count("calls", "default", "success") == 5
    assert b.count("rejections", "rate_limit", "exceeded") == 2


def test_smooth_calls_leave_one_by_one() -> None:
    b = Bench("async", rate_limit=RateLimit(rate=2, max_wait=1.0, kind="smooth"))
    left: list[float] = []

    async def work() -> None:
        left.append(b.clock() - began)

    async def main() -> list[Any]:
        return await asyncio.gather(*(b.guard.acall(work) for _ in range(4)), return_exceptions=True)

    began = b.clock()
    b.guard.asleep = asyncio.sleep
    results = b.clock.run(main())
    assert left == pytest.approx([0.0, 0.5, 1.0])
    assert isinstance(results[3], RateLimited)


def test_a_permit_of_a_sliding_window_comes_back_when_the_bulkhead_is_full() -> None:
    limit = RateLimit(rate=1, burst=2, kind="sliding_window")
    b = Bench("sync", rate_limit=limit, bulkhead=Bulkhead(limit=1))
    with b.guard:
        assert isinstance(b(lambda: 1), BulkheadFull)
        assert b.count("rate_limiter_available") == 1


def test_a_host_that_has_been_up_for_years_gives_as_many_permits() -> None:
    """So late an addition rounds by a few nanoseconds, and a burst is many additions."""
    for start in (1e7 + 0.1234567, 1e8 + 0.7654321):
        for rate in (3.0, 7.0, 30.0, 700.0):
            limiter = limiter_of(RateLimit(rate=rate, burst=100))
            assert [limiter.take(start) for _ in range(101)] == [0.0] * 100 + [None]


# -- floods


@pytest.mark.parametrize("kind", ["token_bucket", "sliding_window"])
def test_a_flood_of_local_rejections_never_opens_the_breaker(bench: Callable[..., Bench], kind: str) -> None:
    b = bench(rate_limit=RateLimit(rate=1, burst=2, kind=kind), breaker=OPENS_AT_ONCE)
    b(lambda: 1, times=500)
    assert b.guard.state == "closed"
    assert b.count("rejections", "rate_limit", "exceeded") == 498
    assert b.guard.snapshot()["window_calls"] == 2


def test_a_flood_takes_no_probe_of_a_half_open_breaker(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=0.01, burst=1), breaker=OPENS_AT_ONCE)
    b(fails(ConnectionError()))
    b.clock.advance(30)
    b(lambda: 1, times=200)
    assert b.guard.state == "half_open"
    assert b.count("rejections", "rate_limit", "exceeded") == 200
    b.clock.advance(100)
    assert b(lambda: 1) == 1
    assert b.guard.state == "closed"


# -- a dependency that says it was too much


@pytest.mark.parametrize("kind", ["token_bucket", "sliding_window"])
def test_a_429_empties_the_bucket_until_its_retry_after(bench: Callable[..., Bench], kind: str) -> None:
    limit = RateLimit(rate=10, burst=5, kind=kind, throttled_on=(TooMany,))
    b = bench(rate_limit=limit, breaker=OPENS_AT_ONCE)
    assert isinstance(b(fails(TooMany(7))), TooMany)
    rejected = b(lambda: 1)
    assert isinstance(rejected, RateLimited)
    assert rejected.retry_after == pytest.approx(7)
    assert b.count("rate_limiter_available") < 1
    b.clock.advance(6.9)
    assert isinstance(b(lambda: 1), RateLimited)
    b.clock.advance(0.1)
    assert b(lambda: 1) == 1
    assert b.guard.state == "closed"
    assert b.count("attempts", "default", "ignored") == 1
    assert b.count("calls", "default", "failure") == 1


def test_a_429_counts_for_the_breaker_where_that_is_set(bench: Callable[..., Bench]) -> None:
    limit = RateLimit(rate=10, throttled_on=(TooMany,), throttled_counts=True)
    b = bench(rate_limit=limit, breaker=OPENS_AT_ONCE)
    b(fails(TooMany(7)))
    assert b.guard.state == "open"


def test_a_retry_comes_when_the_dependency_said(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=10, throttled_on=(TooMany,)), retry=CALM)
    began = b.clock()
    assert b(flaky(TooMany(7))) == "answer"
    assert b.clock() - began == pytest.approx(7)


def test_throttling_by_predicate_and_header() -> None:
    def too_many(error: BaseException) -> bool:
        return error.args == (429,)

    limit = RateLimit(
        rate=10, burst=5, throttled_on=too_many, retry_after=lambda error: "12", max_retry_after=10
    )
    b = Bench("sync", rate_limit=limit)
    b(fails(OSError(500)))
    assert b(lambda: 1) == 1
    b(fails(OSError(429)))
    rejected = b(lambda: 1)
    assert isinstance(rejected, RateLimited)
    assert rejected.retry_after == pytest.approx(10), "at most max_retry_after"


def test_a_429_without_a_time_pauses_for_as_long_as_is_set() -> None:
    b = Bench("sync", rate_limit=RateLimit(rate=10, throttled_on=(TooMany,), throttled_for=3))
    b(fails(TooMany()))
    assert b(lambda: 1).retry_after == pytest.approx(3)


def test_what_raises_while_a_429_is_read_is_told_and_says_nothing() -> None:
    told: list[tuple[str, str]] = []

    def failed(who: str, error: Exception) -> None:
        told.append((who, type(error).__name__))

    asking = RateLimit(
        rate=1, throttled_on=(OSError,), retry_after=lambda error: error.missing, throttled_for=3
    )
    assert asking.throttled(OSError(), failed) == 3
    judging = RateLimit(rate=1, throttled_on=lambda error: error.missing)  # type: ignore[attr-defined]
    assert judging.throttled(OSError(), failed) is None
    assert told == [("retry_after", "AttributeError"), ("predicate", "AttributeError")]


def test_a_cancellation_is_no_429() -> None:
    b = Bench("async", rate_limit=RateLimit(rate=10, burst=5, throttled_on=(BaseException,)))
    b(fails(asyncio.CancelledError()))
    assert b.count("attempts", "default", "cancelled") == 1
    assert b(lambda: 1) == 1


def test_a_predicate_that_raises_says_nothing_and_is_counted(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=10, burst=5, throttled_on=lambda error: error.missing))  # type: ignore[attr-defined]
    error = b(fails(ConnectionError()))
    assert isinstance(error, ConnectionError)
    assert b.registry.listener_errors["predicate"] == 1
    assert b(lambda: 1) == 1


def test_who_waits_for_a_permit_when_the_429_comes_does_not_ask() -> None:
    b = Bench("async", rate_limit=RateLimit(rate=1, max_wait=2, kind="smooth", throttled_on=(TooMany,)))
    b.guard.asleep = asyncio.sleep

    async def main() -> list[Any]:
        late = b.guard.acall(fails, KeyError())
        return await asyncio.gather(b.guard.acall(refuse), late, return_exceptions=True)

    async def refuse() -> None:
        await asyncio.sleep(0.5)
        raise TooMany(7)

    refused, waited = b.clock.run(main())
    assert isinstance(refused, TooMany)
    assert isinstance(waited, RateLimited)
    assert waited.retry_after == pytest.approx(6.5)


def test_who_can_wait_for_the_end_of_the_pause_does() -> None:
    b = Bench("sync", rate_limit=RateLimit(rate=0.3, burst=1, max_wait=9, throttled_on=(TooMany,)))
    began = b.clock()
    b(fails(TooMany(7.3)))
    assert b(lambda: 1) == 1
    assert b.clock() - began == pytest.approx(7.3)


# -- settings


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RateLimit(
            rate=0,
            burst=0,
            max_wait=-1,
            kind="leaky",
            throttled_on=(int,),  # type: ignore[arg-type]
            throttled_for=-1,
            retry_after=5,  # type: ignore[arg-type]
            max_retry_after=0,
            throttled_counts="yes",  # type: ignore[arg-type]
        )
    named = [problem.split(" is ")[0].removeprefix("RateLimit.") for problem in caught.value.problems]
    assert named == [
        "rate", "burst", "max_wait", "kind", "throttled_on", "throttled_for", "retry_after",
        "max_retry_after", "throttled_counts",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "sliding_window", "burst": 100_001},
        {"kind": "smooth", "max_wait": 0},
        {"kind": "smooth", "max_wait": 1, "burst": 2},
    ],
)
def test_what_a_kind_can_not_do(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RateLimit(rate=1, **settings)


def test_the_policy_document_shows_every_setting() -> None:
    shown = RateLimit(rate=1, throttled_on=(TooMany,)).describe()
    assert set(shown) == set(RateLimit.__dataclass_fields__)
    assert shown["throttled_on"] == ["TooMany"]
    assert RateLimit(rate=1, throttled_on=bool).describe()["throttled_on"] is True
    guard = Registry("t").guard("bank", rate_limit=RateLimit(rate=1))
    assert guard.describe()["policies"]["rate_limit"]["kind"] == "token_bucket"
