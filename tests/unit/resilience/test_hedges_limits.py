"""What a hedge needs before it is started, what it may be put around, and what a copy knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from tests.unit.resilience.races import HEDGE, Dependency, Raced

from seawall.resilience import (
    Breaker,
    Bulkhead,
    ConfigurationError,
    Fallback,
    Guard,
    Hedge,
    RateLimit,
    Registry,
    Retry,
    RetryBudget,
    Timeout,
    remaining,
)
from seawall.resilience.hedging import Place


def test_no_copy_without_a_free_place() -> None:
    b = Raced(bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60), hedge=Hedge(delay=1, most=2))
    assert b.race((3, "first")) == "first"
    assert b.hedges() == {"refused": 2}
    assert b.count("bulkhead_in_flight") == 0


def test_a_copy_holds_a_place_until_it_has_ended() -> None:
    b = Raced(bulkhead=Bulkhead(limit=2))
    seen = []

    async def main() -> None:
        dependency = Dependency(b.clock, (3, "first"), (9, "copy"))
        task = asyncio.create_task(b.guard.acall(dependency))
        for _ in range(2):
            await asyncio.sleep(0.75)
            seen.append(b.count("bulkhead_in_flight"))
        await task

    b.clock.run(main())
    assert seen == [1, 2]
    assert b.count("bulkhead_in_flight") == 0


def test_no_copy_without_a_permit_and_a_copy_takes_one() -> None:
    b = Raced(rate_limit=RateLimit(rate=0.1, burst=2, max_wait=30), bulkhead=Bulkhead(limit=9))
    assert b.race((2, "first"), (9, "copy")) == "first"
    assert b.hedges() == {"lost": 1}
    assert b.count("rate_limiter_available") == pytest.approx(0.2)
    b.clock.advance(8)
    assert b.race((2, "first")) == "first"
    assert b.hedges() == {"lost": 1, "refused": 1}
    assert b.count("rate_limiter_available") == pytest.approx(0.2)


def test_no_copy_unless_the_breaker_is_closed() -> None:
    b = Raced(breaker=Breaker())
    b.guard.force("disabled")
    assert b.race((2, "first")) == "first"
    assert b.hedges() == {"refused": 1}


def test_in_metrics_only_copies_are_sent_as_if_the_breaker_were_on() -> None:
    b = Raced(breaker=Breaker(consecutive_failures=1))
    b.guard.force("metrics_only")
    assert b.race((2, "first"), (9, "copy")) == "first"
    assert b.hedges() == {"lost": 1}
    assert isinstance(b.race((0.5, ConnectionError())), ConnectionError)
    assert b.race((2, "first")) == "first"
    assert b.hedges() == {"lost": 1, "refused": 1}


def test_hedges_are_paid_from_the_retry_budget_as_retries_are() -> None:
    budget = RetryBudget(ratio=0.0, floor_per_second=0.1, ttl=10)
    b = Raced(
        retry=Retry(attempts=2, budget=budget), bulkhead=Bulkhead(limit=3), hedge=Hedge(delay=1, most=2)
    )
    assert b.race((3, "first"), (9, "copy")) == "first"
    assert b.hedges() == {"lost": 1, "refused": 1}
    assert b.count("retry_budget_remaining") == 0
    assert b.count("bulkhead_in_flight") == 0
    error = b.race((0.5, ConnectionError()))
    assert isinstance(error, ConnectionError)
    assert b.count("retry_calls", "default", "budget_exhausted") == 1
    alone = Raced(retry=Retry(attempts=2, budget=RetryBudget(ratio=0.0, floor_per_second=0.0)))
    assert alone.race((3, "first")) == "first"
    assert alone.hedges() == {"refused": 1}


def test_copies_know_the_deadline_and_the_context_of_the_call() -> None:
    who: ContextVar[str] = ContextVar("who")
    b = Raced(timeout=Timeout(attempt=5.0))
    seen: list[Any] = []

    async def answer() -> str:
        seen.append((who.get(), remaining()))
        who.set("somebody else")
        if len(seen) == 1:
            await asyncio.sleep(9)
        await asyncio.sleep(1)
        return "copy"

    async def main() -> None:
        who.set("caller")
        assert await b.guard.acall(answer) == "copy"
        # The first ran here, as it would without a hedge; the copy in a context of its own.
        seen.append(who.get())
        assert remaining() is None

    b.clock.run(main())
    assert seen == [("caller", 5.0), ("caller", 4.0), "somebody else"]


def test_only_declared_operations_are_hedged() -> None:
    b = Raced(hedge=Hedge(delay=1, operations=("read",)), operations=("read", "pay"))
    read, pay = (Dependency(b.clock, (3, "first"), (1, "copy")) for _ in "ab")

    async def main() -> tuple[Any, Any]:
        return await b.guard.operation("read").acall(read), await b.guard.operation("pay").acall(pay)

    assert b.clock.run(main()) == ("copy", "first")
    assert b.guard.operation("pay").call(lambda: "in a thread") == "in a thread"


def refusals(guard: Guard) -> list[Callable[[], Any]]:
    def function() -> None: ...

    def generator() -> Generator[int]:
        yield 1

    async def async_generator() -> Any:
        yield 1

    def block() -> None:
        with guard:
            raise AssertionError

    async def entering() -> None:
        async with guard:
            raise AssertionError

    return [
        lambda: guard(function),
        lambda: guard.call(function),
        lambda: guard(generator),
        lambda: guard(async_generator),
        lambda: guard(contextmanager(generator)),
        block,
        lambda: asyncio.run(entering()),
    ]


WHATS = [
    "refusals.<locals>.function (function): a thread can't be cancelled",
    "refusals.<locals>.function (function): a thread can't be cancelled",
    "refusals.<locals>.generator (generator): it can't run twice",
    "refusals.<locals>.async_generator (async generator): it can't run twice",
    "refusals.<locals>.generator (context manager): it can't run twice",
    "a block: it can't run twice",
    "a block: it can't run twice",
]


@pytest.mark.parametrize("which", range(len(WHATS)))
def test_what_can_not_be_hedged_is_refused(which: int) -> None:
    guard = Guard("bank", hedge=HEDGE, registry=Registry("t"))
    with pytest.raises(ConfigurationError) as caught:
        refusals(guard)[which]()
    allowed = "async def, or a guard without hedge"
    assert caught.value.problems == (f"bank: can't hedge {WHATS[which]}; allowed: {allowed}",)


def test_stale_answers_are_those_of_the_function_that_is_hedged() -> None:
    b = Raced(fallback=Fallback(stale_for=60, default="none"))
    down = False

    def ask(account: str) -> Awaitable[str]:
        async def answer() -> str:
            if down:
                raise ConnectionError
            return f"balance of {account}"

        return b.guard.acall(answer)

    assert b.clock.run(_await(ask("mine"))) == "balance of mine"
    down = True
    assert b.clock.run(_await(ask("yours"))) == "none"


async def _await(what: Awaitable[Any]) -> Any:
    return await what


def test_a_place_is_given_back_once() -> None:
    guard = Guard("bank", bulkhead=Bulkhead(limit=2), hedge=HEDGE, registry=Registry("t"))
    assert guard.bulkhead is not None
    assert guard.bulkhead.enter([])
    place = Place(guard)
    place.leave()
    place.leave()
    assert len(guard.bulkhead.permits) == 2
