"""Fallback, stale answers and rate limit through a guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import (
    Bulkhead,
    BulkheadFull,
    Fallback,
    Guard,
    RateLimit,
    RateLimited,
    Registry,
)
from seawall.resilience.events import CallDegraded, CallRejected


def test_fallbacks_are_tried_in_order_and_counted_as_degraded(bench: Callable[..., Bench]) -> None:
    b = bench(fallback=Fallback(alternative=lambda: fails(KeyError())(), stale_for=60, default="default"))
    b(lambda: "fresh")
    assert b.count("calls", "default", "success") == 1
    assert b(fails(ConnectionError())) == "default"
    assert b.count("degradations", "default", "alternative", "failed") == 1
    assert b.count("degradations", "default", "stale", "failed") == 1
    assert b.count("degradations", "default", "default", "served") == 1
    assert b.count("calls", "default", "degraded") == 1


def test_stale_answers_age_and_end(bench: Callable[..., Bench]) -> None:
    b = bench(fallback=Fallback(stale_for=60, default="none"))
    answers = iter(["answer"])
    body = lambda: next(answers, None) or fails(ConnectionError())()  # noqa: E731 - one function, two moods
    b(body)
    b.clock.advance(59)
    assert b(body) == "answer"
    assert b.events.of(CallDegraded)[0].stale_age == pytest.approx(59)
    b.clock.advance(2)
    assert b(body) == "none"
    assert b.count("degradations", "default", "stale", "served") == 1
    assert b.count("degradations", "default", "stale", "failed") == 1
    assert b.count("degradations", "default", "default", "served") == 1


def test_stale_answers_are_those_of_the_same_function_and_arguments() -> None:
    class Account:
        def __init__(self, name: str) -> None:
            self.name = name
            self.well = True

        def balance(self, currency: str) -> str:
            if not self.well:
                raise ConnectionError
            return f"{self.name} {currency}"

    guard = Guard("bank", fallback=Fallback(stale_for=60, default="none"), registry=Registry("t"))
    mine, yours = Account("mine"), Account("yours")
    for account in (mine, yours):
        assert guard.call(account.balance, "EUR") == f"{account.name} EUR"
        account.well = False
    assert guard.call(mine.balance, "EUR") == "mine EUR"
    assert guard.call(yours.balance, "EUR") == "yours EUR"
    assert guard.call(mine.balance, "USD") == "none"
    assert guard.call(str.removeprefix, "EUR") == "none"


def test_a_stale_answer_for_one_account_is_never_served_for_another(bench: Callable[..., Bench]) -> None:
    """The arguments may hide in what a lambda captured, or in its defaults."""
    b = bench(fallback=Fallback(stale_for=60, default="none"))
    down = set[str]()

    def balance(account: str) -> str:
        if account in down:
            raise ConnectionError
        return f"balance of {account}"

    def ask(account: str) -> Any:
        return b(lambda: balance(account))

    assert ask("mine") == "balance of mine"
    down |= {"mine", "yours"}
    assert ask("yours") == "none"
    assert ask("mine") == ("balance of mine" if b.how == "sync" else "none")
    assert b(lambda account="yours": balance(account)) == "none"


def test_rate_limit_rejects_then_refills(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=2, burst=3))
    assert b(lambda: 1, times=3) == 1
    rejected = b(lambda: 1)
    assert isinstance(rejected, RateLimited)
    assert rejected.retry_after == pytest.approx(0.5)
    assert rejected.problem()["status"] == 429
    b.clock.advance(0.5)
    assert b(lambda: 1) == 1
    assert b.count("rejections", "rate_limit", "exceeded") == 1
    assert b.events.of(CallRejected)[0].policy == "rate_limit"


def test_rate_limit_waits_when_it_may(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=2, burst=1, max_wait=1.0))
    began = b.clock()
    b(lambda: 1, times=3)
    assert b.clock() - began == pytest.approx(1.0)
    wait = b.guard.ledger.layout.entry("rate_limiter_wait")
    assert b.guard.read()[wait.offset + len(wait.bounds)] == 2


def test_bulkhead_rejects_and_gives_back_what_the_rate_limit_granted() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1), rate_limit=RateLimit(rate=1, burst=2))

    async def main() -> list[Any]:
        gate = asyncio.Event()
        first = asyncio.create_task(b.guard.acall(gate.wait))
        await asyncio.sleep(0)
        second = await asyncio.gather(b.guard.acall(gate.wait), return_exceptions=True)
        available = b.count("rate_limiter_available")
        gate.set()
        return [await first, second[0], available]

    first, second, available = b.clock.run(main())
    assert first is True
    assert isinstance(second, BulkheadFull)
    assert available == pytest.approx(1.0)
    assert b.count("bulkhead_in_flight") == 0
    assert b.count("rejections", "bulkhead", "full") == 1
