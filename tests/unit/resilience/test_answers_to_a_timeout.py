"""A function that is cancelled because its time is over may answer with something of its own: it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench

from seawall.resilience import Breaker, Fallback, Retry, TimedOut, Timeout
from seawall.resilience.async_timeout import cut_off
from seawall.resilience.events import TimeoutExceeded
from seawall.testing import ManualClock

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
LIMIT = 5.0
ONCE = Retry(attempts=1, budget=None)
TWICE = Retry(attempts=2, base_delay=0.0, jitter="none", budget=None)


class Dead(TimeoutError):
    """As clients have one."""


async def hang(answer: Callable[[BaseException], BaseException]) -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError as cancelled:
        raise answer(cancelled)  # noqa: B904 - that it comes from a cancellation is what is asked about


def caused(cancelled: BaseException) -> BaseException:
    error = Dead("mine")
    error.__cause__ = cancelled
    return error


ANSWERS: list[Callable[[BaseException], BaseException]] = [
    lambda _: Dead("mine"),
    lambda _: TimeoutError("mine"),
    caused,
    lambda _: ConnectionError("mine"),
    lambda _: ExceptionGroup("mine", [Dead()]),
]
answered = pytest.mark.parametrize(
    "answer", ANSWERS, ids=["its own timeout", "TimeoutError", "caused", "other", "group"]
)


def guarded(**policies: Any) -> Bench:
    breaker = Breaker(window_calls=2, minimum_calls=1)
    return Bench("async", **{"breaker": breaker, "timeout": Timeout(attempt=LIMIT)} | policies)


def in_a_call(b: Bench, body: Callable[[], Awaitable[None]]) -> Awaitable[None]:
    return b.guard.acall(body)


async def in_a_block(b: Bench, body: Callable[[], Awaitable[None]]) -> None:
    async with b.guard:
        await body()


async def in_a_generator(b: Bench, body: Callable[[], Awaitable[None]]) -> None:
    @b.guard
    async def rows() -> AsyncGenerator[int]:
        yield 1
        await body()

    async for _ in rows():
        pass


WAYS: dict[str, tuple[Any, dict[str, Any], int]] = {
    "fast lane": (in_a_call, {}, 1),
    "with a retry": (in_a_call, {"retry": ONCE}, 1),
    "retried": (in_a_call, {"retry": TWICE, "breaker": Breaker(window_calls=2, minimum_calls=2)}, 2),
    "off the lane": (in_a_call, {"timeout": Timeout(attempt=LIMIT, attempt_for=lambda: None)}, 1),
    "total": (in_a_call, {"timeout": Timeout(total=LIMIT), "retry": TWICE}, 1),
    "block": (in_a_block, {}, 1),
    "generator": (in_a_generator, {}, 1),
}


@answered
@pytest.mark.parametrize("way", WAYS)
def test_the_caller_gets_what_the_function_made_of_it(
    way: str, answer: Callable[[BaseException], BaseException]
) -> None:
    run, policies, attempts = WAYS[way]
    b = guarded(**policies)
    made: list[BaseException] = []

    async def body() -> None:
        try:
            await hang(answer)
        except Exception as error:
            made.append(error)
            raise

    with pytest.raises((Dead, TimeoutError, ConnectionError, ExceptionGroup)) as caught:
        b.clock.run(run(b, body))
    assert caught.value is made[-1]
    assert not isinstance(caught.value, TimedOut)
    assert (len(made), b.clock()) == (attempts, 1000.0 + attempts * LIMIT)
    # By the table of verdicts, like any other exception: a failure to the breaker.
    counted = "failure" if isinstance(made[0], ConnectionError) else "timeout"
    assert b.count("attempts", "default", counted) == attempts
    assert b.count("calls", "default", counted) == 1
    assert b.guard.state == "open"
    assert b.count("timeouts", "default", "attempt") == b.count("timeouts", "default", "total") == 0
    assert b.events.of(TimeoutExceeded) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_cancellation_that_is_passed_on_is_the_timeout(way: str) -> None:
    run, policies, attempts = WAYS[way]
    b = guarded(**policies)
    with pytest.raises(TimedOut) as caught:
        b.clock.run(run(b, lambda: asyncio.sleep(60)))
    scope = "total" if way == "total" else "attempt"
    assert (caught.value.dependency, caught.value.scope, caught.value.limit) == ("bank", scope, LIMIT)
    assert b.count("timeouts", "default", scope) == attempts
    assert b.guard.state == "open"


@answered
def test_a_fallback_is_asked_no_longer_than_it_may(answer: Callable[[BaseException], BaseException]) -> None:
    """What it answers to that makes no difference: the next one is asked."""

    async def alternative() -> None:
        await hang(answer)

    b = guarded(fallback=Fallback(alternative=alternative, timeout=1.0, default="default"))

    async def fail() -> None:
        raise ConnectionError

    assert b.clock.run(b.guard.acall(fail)) == "default"
    assert b.clock() == 1001.0


async def answer_late() -> str:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "late"
    raise AssertionError


@pytest.mark.parametrize("way", [way for way, (run, _, _) in WAYS.items() if run is in_a_call])
def test_a_result_is_heard_too(way: str) -> None:
    b = guarded(**WAYS[way][1])
    assert b.clock.run(b.guard.acall(answer_late)) == "late"
    assert b.clock() == 1000.0 + LIMIT
    assert b.count("calls", "default", "success") == 1
    assert b.count("timeouts", "default", "attempt") == b.count("timeouts", "default", "total") == 0


def test_work_that_is_cut_off_says_how_long_it_had_and_whose_it_was() -> None:
    clock = ManualClock()

    async def main() -> None:
        with pytest.raises(TimedOut) as caught:
            await cut_off(asyncio.sleep(60), 2.0, "bank", "total", 3.0)
        assert (caught.value.dependency, caught.value.scope, caught.value.limit) == ("bank", "total", 3.0)
        assert caught.value.__suppress_context__ is True
        assert await cut_off(asyncio.sleep(1, "answer"), 2.0, "bank", "total", 3.0) == "answer"

    clock.run(main())
    assert clock() == 1003.0
