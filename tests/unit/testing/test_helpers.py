"""Asserting transitions, counting calls, retries without waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.resilience.bench import CALM, Bench, fails

from seawall.resilience import Breaker, Fallback, Guard, RateLimit, Registry, Retry
from seawall.resilience.events import RetryScheduled, Transition
from seawall.testing import ManualClock, assert_transitions, calls, fail_next, instant_retries

SMALL = Breaker(window_calls=2, minimum_calls=2, open_for=30, half_open_permits=1)


# -- transitions


def test_the_way_that_was_gone_is_asserted(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    with assert_transitions(b.guard, "closed", "open", "half_open", "closed") as seen:
        b(fails(ConnectionError()), times=2)
        assert [t.to_state for t in seen.of(Transition)] == ["open"]
        b.clock.advance(30)
        b(lambda: "answer")
    with assert_transitions(b.guard, "closed"):
        b(lambda: "answer")


def test_at_the_end_it_is_looked_at(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    with assert_transitions(b.guard, "closed", "open", "half_open"):
        b(fails(ConnectionError()), times=2)
        b.clock.advance(30)
    b(fails(ConnectionError()))
    b.clock.advance(30)
    with assert_transitions(b.guard, "half_open"):
        pass


def test_the_message_says_what_happened_instead(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    asserted = assert_transitions(b.guard, "closed", "forced_open")
    asserted.__enter__()
    b(fails(ConnectionError()))
    b(fails(TimeoutError()))
    b.guard.force("closed", "it was only a test")
    with pytest.raises(AssertionError) as caught:
        asserted.__exit__(None, None, None)
    assert str(caught.value) == (
        "bank: expected closed -> forced_open\n"
        "      it was   closed -> open -> closed\n"
        "- closed -> open: failure_ratio reached, 2 of 2 calls failed (ConnectionError 1, TimeoutError 1)\n"
        "- open -> closed: it was only a test"
    )


def test_the_message_where_nothing_happened_or_should_have(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    with pytest.raises(AssertionError) as caught, assert_transitions(b.guard, "closed", "open"):
        pass
    assert str(caught.value) == "bank: expected closed -> open\n      it was   closed all the time"
    slow = bench(breaker=Breaker(window_calls=2, minimum_calls=2, slow_after=1.0))
    with pytest.raises(AssertionError) as caught, assert_transitions(slow.guard, "closed"):
        slow(lambda: slow.clock.advance(2), times=2)
    assert str(caught.value) == (
        "bank: expected closed all the time\n"
        "      it was   closed -> open\n"
        "- closed -> open: slow_ratio reached, 0 of 2 calls failed"
    )


def test_a_wrong_beginning_is_a_difference(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    with pytest.raises(AssertionError, match="it was   closed -> open"), assert_transitions(b.guard, "open"):
        b(fails(ConnectionError()), times=2)


def test_an_exception_of_the_block_is_the_blocks_own(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    with pytest.raises(KeyError), assert_transitions(b.guard, "closed", "open"):
        raise KeyError
    assert b.registry.listener_errors == {"Recording": 0}


def test_only_this_guard_and_only_inside(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=SMALL)
    other = Guard("other", breaker=SMALL, registry=b.registry)
    with assert_transitions(b.guard, "closed") as seen, assert_transitions(other, "closed", "disabled"):
        other.force("disabled")
    b.guard.force("disabled")
    assert seen.events == []
    assert b.registry.listener_errors == {"Recording": 0}


@pytest.mark.parametrize(("states", "said"), [((), "''"), (("closed", "opened"), "'opened'")])
def test_states_that_there_are_none_of(states: tuple[str, ...], said: str) -> None:
    guard = Guard("bank", breaker=SMALL, registry=Registry("t"))
    with pytest.raises(ValueError, match="allowed: closed, open, half_open, forced_open") as caught:
        assert_transitions(guard, *states).__enter__()
    assert str(caught.value).startswith(f"state is {said}; ")


def test_a_guard_without_a_breaker_is_refused() -> None:
    guard = Guard("bank", registry=Registry("t"))
    with pytest.raises(ValueError, match=r"^bank has no breaker; allowed: a guard with one$"):
        assert_transitions(guard, "closed").__enter__()


# -- calls


def test_calls_by_outcome(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(ignore=(KeyError,)), fallback=Fallback(default=None, on=(OSError,)))
    assert calls(b.guard) == {}
    b(lambda: "answer", times=3)
    b(fails(ConnectionError()))
    b(fails(ValueError()), times=2)
    b(fails(TimeoutError()))
    b(fails(asyncio.CancelledError()))
    counted = calls(b.guard)
    assert counted == {"success": 3, "degraded": 2, "failure": 2, "cancelled": 1}
    assert list(counted) == ["success", "degraded", "failure", "cancelled"]
    assert (counted["rejected"], type(counted["success"])) == (0, int)


# -- retries without waiting


def test_back_off_takes_no_time_and_is_told_as_ever(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM)
    sleep, asleep, began = b.guard.sleep, b.guard.asleep, b.clock()
    with instant_retries(b.guard), fail_next(b.guard, 2):
        assert b(lambda: "answer") == "answer"
    assert b.clock() == began
    assert [e.delay for e in b.events.of(RetryScheduled)] == [1.0, 2.0]
    assert b.count("retry_delay_seconds", "default") == 3.0
    assert (b.guard.sleep, b.guard.asleep) == (sleep, asleep)
    with fail_next(b.guard, 1):
        b(lambda: "answer")
    assert b.clock() == began + 1


def test_all_guards_of_a_registry_and_after_an_exception_as_before() -> None:
    registry = Registry("t")
    slow = Retry(attempts=2, base_delay=1000.0, max_delay=1000.0, jitter="none", budget=None)
    guards = [Guard(name, retry=slow, registry=registry) for name in ("bank", "mail")]
    before = [(guard.sleep, guard.asleep) for guard in guards]
    with instant_retries(registry):
        for guard in guards:
            with fail_next(guard, 1):
                assert guard.call(int) == 0
    with pytest.raises(KeyError), instant_retries(registry):
        raise KeyError
    assert [(guard.sleep, guard.asleep) for guard in guards] == before


def test_others_have_their_turn_while_a_task_would_wait() -> None:
    retry = Retry(attempts=2, base_delay=1000.0, max_delay=1000.0, jitter="none", budget=None)
    guard = Guard("bank", retry=retry, registry=Registry("t"))
    order: list[str] = []

    @guard
    async def first() -> None:
        order.append("first")

    async def second() -> None:
        order.append("second")

    async def both() -> None:
        with instant_retries(guard), fail_next(guard, 1):
            await asyncio.gather(first(), second())

    asyncio.run(both())
    assert order == ["second", "first"]


def test_a_rate_limit_waits_for_nothing_either() -> None:
    guard = Guard("bank", rate_limit=RateLimit(rate=0.01, burst=1, max_wait=1000), registry=Registry("t"))
    with instant_retries(guard):
        assert [guard.call(int) for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_a_clock_does_not_go_back_and_stays_a_number(seconds: float) -> None:
    clock = ManualClock(5.0)
    with pytest.raises(
        ValueError, match=r"^seconds is (-1.0|nan); allowed: 0 or more, time does not go back$"
    ):
        clock.advance(seconds)
    assert clock() == 5.0
