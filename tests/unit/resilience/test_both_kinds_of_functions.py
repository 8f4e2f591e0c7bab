"""One guard around `def` and `async def` is one guard: they share its breaker, its places and its permits."""

from __future__ import annotations

import pytest

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    BulkheadFull,
    Guard,
    RateLimit,
    RateLimited,
    Registry,
)
from seawall.testing import ManualClock


async def aone() -> int:
    return 1


def one() -> int:
    return 1


def fail() -> int:
    raise ConnectionError


def test_what_fails_in_def_opens_it_for_async_def() -> None:
    guard = Guard("bank", registry=Registry("t"), breaker=Breaker(minimum_calls=1, window_calls=1))
    with pytest.raises(ConnectionError):
        guard.call(fail)
    with pytest.raises(BreakerOpen):
        ManualClock().run(guard.acall(aone))


def test_a_place_held_by_def_is_missing_for_async_def() -> None:
    guard = Guard("bank", registry=Registry("t"), bulkhead=Bulkhead(limit=1))
    with guard, pytest.raises(BulkheadFull):
        ManualClock().run(guard.acall(aone))
    assert ManualClock().run(guard.acall(aone)) == 1


def test_a_permit_taken_by_async_def_is_missing_for_def() -> None:
    clock = ManualClock()
    guard = Guard("bank", registry=Registry("t"), rate_limit=RateLimit(rate=1, burst=1), clock=clock)
    assert clock.run(guard.acall(aone)) == 1
    with pytest.raises(RateLimited):
        guard.call(one)
    clock.advance(1)
    assert guard.call(one) == 1
