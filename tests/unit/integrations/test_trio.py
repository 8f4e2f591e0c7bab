"""trio: calls under real trio, on its mock clock; nobody waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
import trio
from tests.unit.integrations.trio_bench import CALM, PLACES, Bench, flaky
from trio.testing import MockClock

from seawall.integrations.trio import block, call, guarded
from seawall.resilience import (
    Breaker,
    BreakerOpen,
    ConfigurationError,
    Fallback,
    Pipeline,
    Registry,
    Retry,
    TimedOut,
    Timeout,
    remaining,
)


def test_a_call_is_retried_after_its_back_off() -> None:
    b = Bench(breaker=Breaker(), retry=CALM)
    assert b.run(guarded(b.guard)(flaky(OSError(), OSError()))) == "answer"
    assert b.clock.current_time() == 3.0
    assert b.calls() == {"success": 1}
    assert b.count("attempts", "default", "failure") == 2
    assert b.count("retry_delay_seconds", "default") == 3.0


def test_call_passes_arguments_on() -> None:
    b = Bench()

    async def add(a: int, *, b: int) -> int:
        return a + b

    async def main() -> int:
        return await call(b.guard, add, 1, b=2)

    assert b.run(main) == 3


def test_a_guarded_function_keeps_its_name() -> None:
    b = Bench()

    async def balance(account: str) -> int:
        """How much."""
        return len(account)

    wrapped = guarded(b.guard.operation("default"))(balance)
    assert (wrapped.__name__, wrapped.__doc__) == ("balance", "How much.")
    assert b.run(lambda: wrapped("mine")) == 4


def test_a_timeout_cancels_the_attempt() -> None:
    b = Bench(timeout=Timeout(attempt=2.0, total=60.0))

    async def main() -> None:
        with pytest.raises(TimedOut) as caught:
            await call(b.guard, trio.sleep, 50.0)
        assert (caught.value.dependency, caught.value.scope, caught.value.limit) == ("bank", "attempt", 2.0)
        assert remaining() is None

    b.run(main)
    assert b.clock.current_time() == 2.0
    assert b.calls() == {"timeout": 1}
    assert b.count("timeouts", "default", "attempt") == 1


@pytest.mark.parametrize("error", [TimeoutError("mine"), ConnectionError("mine")], ids=repr)
@pytest.mark.parametrize("way", ["call", "retry", "block"])
def test_who_answers_a_timeout_with_an_exception_of_his_own_is_heard(way: str, error: Exception) -> None:
    retry = replace(CALM, attempts=1) if way == "retry" else None
    b = Bench(timeout=Timeout(attempt=2.0), breaker=Breaker(window_calls=1, minimum_calls=1), retry=retry)

    async def hang() -> None:
        try:
            await trio.sleep(50.0)
        finally:
            raise error

    async def in_a_block() -> None:
        async with block(b.guard):
            await hang()

    async def main() -> None:
        with pytest.raises(type(error)) as caught:
            await (in_a_block() if way == "block" else call(b.guard, hang))
        assert caught.value is error

    b.run(main)
    assert b.clock.current_time() == 2.0
    assert b.calls() == {"timeout" if isinstance(error, TimeoutError) else "failure": 1}
    assert b.count("timeouts", "default", "attempt") == 0
    assert b.guard.state == "open"


def test_the_total_bounds_all_attempts() -> None:
    b = Bench(timeout=Timeout(attempt=2.0, total=4.0), retry=replace(CALM, attempts=2))

    async def main() -> None:
        with pytest.raises(TimedOut) as caught:
            await call(b.guard, trio.sleep, 50.0)
        assert caught.value.scope == "total"

    b.run(main)
    assert b.clock.current_time() == 4.0


def test_a_function_is_not_cut_off_when_it_answers_in_time_or_raises_a_timeout_of_its_own() -> None:
    b = Bench(timeout=Timeout(attempt=2.0))

    async def main() -> None:
        await call(b.guard, trio.sleep, 1.0)
        with pytest.raises(trio.TooSlowError):
            await call(b.guard, inner)

    async def inner() -> None:
        with trio.fail_after(1.0):
            await trio.sleep_forever()

    b.run(main)
    assert b.calls() == {"success": 1, "failure": 1}


def test_cancelled_it_is_neutral_and_not_retried() -> None:
    b = Bench(breaker=Breaker(minimum_calls=1), retry=CALM, bulkhead=PLACES, timeout=Timeout(attempt=60.0))
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        await trio.sleep_forever()

    async def main() -> None:
        with trio.move_on_after(1.0) as scope:
            await call(b.guard, ask)
            pytest.fail("swallowed")
        assert scope.cancelled_caught
        assert remaining() is None

    b.run(main)
    assert asked == 1
    assert b.calls() == {"cancelled": 1}
    assert (b.inside, b.guard.state) == (0, "closed")
    assert b.count("breaker_window_calls") == 0


def test_who_is_being_cancelled_begins_nothing_new() -> None:
    """Although the function hides the cancellation in an error of its own."""
    b = Bench(retry=Retry(base_delay=0.0), fallback=Fallback(alternative=lambda: pytest.fail("began")))
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            raise OSError from None

    async def main() -> None:
        with trio.move_on_after(1.0) as scope:
            await call(b.guard, ask)
        assert scope.cancelled_caught

    b.run(main)
    assert asked == 1
    assert b.calls() == {"cancelled": 1}


def test_a_group_that_holds_a_cancellation_is_neutral() -> None:
    b = Bench(breaker=Breaker(), retry=CALM)

    async def ask() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.sleep_forever)

    async def main() -> None:
        with trio.move_on_after(1.0):
            await call(b.guard, ask)

    b.run(main)
    assert b.calls() == {"cancelled": 1}


def test_a_fallback_answers_and_is_bounded() -> None:
    async def slow() -> str:
        await trio.sleep(50.0)
        return "late"

    b = Bench(fallback=Fallback(alternative=slow, default="none", timeout=2.0))
    assert b.run(guarded(b.guard)(flaky(OSError()))) == "none"
    assert b.clock.current_time() == 2.0
    assert b.calls() == {"degraded": 1}
    b = Bench(fallback=Fallback(alternative=lambda: "other"))
    assert b.run(guarded(b.guard)(flaky(OSError()))) == "other"
    b = Bench(fallback=Fallback(alternative=slow))
    assert b.run(guarded(b.guard)(flaky(OSError()))) == "late"


def test_an_open_breaker_rejects() -> None:
    b = Bench(breaker=Breaker(minimum_calls=1, consecutive_failures=1))

    async def main() -> None:
        with pytest.raises(OSError, match="gone"):
            await call(b.guard, flaky(OSError("gone")))
        with pytest.raises(BreakerOpen):
            await call(b.guard, flaky())

    b.run(main)
    assert b.calls() == {"failure": 1, "rejected": 1}


def test_a_pipeline_guards_in_all_its_layers() -> None:
    clock = MockClock(autojump_threshold=0)
    made = Pipeline("bank", [Breaker(), CALM], registry=Registry("t"), clock=clock.current_time)

    async def main() -> str:
        async with block(made):
            pass
        return await call(made.operation("default"), flaky(OSError()))

    assert trio.run(main, clock=clock) == "answer"
    for layer in made.layers:
        assert layer.read()[layer.ledger.layout.at("calls", "default", "success")] == 2
    assert made.layers[1].read()[made.layers[1].ledger.layout.at("retries", "default")] == 1


def test_a_guard_may_be_given_other_settings() -> None:
    b = Bench(retry=CALM)
    ask = guarded(b.guard)(flaky(OSError(), OSError()))
    b.guard.reconfigure(retry=replace(CALM, attempts=2))

    async def main() -> None:
        with pytest.raises(OSError):  # noqa: PT011
            await ask()

    b.run(main)
    assert b.count("attempts", "default", "failure") == 2


async def _pages() -> AsyncIterator[int]:
    yield 1


def _numbers() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "kind"),
    [(_pages, "async generator"), (_numbers, "generator"), (lambda: None, "function")],
)
def test_what_is_no_coroutine_function_is_refused(function: Any, kind: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        guarded(Bench().guard)(function)
    name = function.__qualname__
    assert caught.value.problems == (f"bank: can't guard {name} under trio, a {kind}; allowed: async def",)


def test_a_policy_that_trio_does_not_know_is_refused() -> None:
    b = Bench()
    b.guard.policies |= {"hedge": None, "coalesce": None}
    with pytest.raises(ConfigurationError) as caught:
        guarded(b.guard)
    assert caught.value.problems == (
        "bank: can't have coalesce and hedge under trio; allowed: "
        "breaker, bulkhead, fallback, rate_limit, retry, timeout",
    )
