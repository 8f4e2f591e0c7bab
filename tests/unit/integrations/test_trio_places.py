"""trio: who waits for a place or a permit, and blocks."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
import trio
from tests.unit.integrations.trio_bench import PLACES, Bench, flaky

from seawall.integrations.trio import _TrioWaiter, block, call, guarded
from seawall.resilience import (
    Breaker,
    Bulkhead,
    BulkheadFull,
    Guard,
    RateLimit,
    Registry,
    TimedOut,
    Timeout,
    remaining,
)


def test_places_are_waited_for_in_turn() -> None:
    b = Bench(bulkhead=PLACES)
    done: list[tuple[int, float]] = []

    async def ask(i: int) -> None:
        await trio.sleep(3.0)
        done.append((i, b.clock.current_time()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for i in range(3):
                nursery.start_soon(call, b.guard, ask, i)
                await trio.testing.wait_all_tasks_blocked()

    b.run(main)
    assert done == [(0, 3.0), (1, 6.0), (2, 9.0)]
    assert b.inside == 0
    assert b.calls() == {"success": 3}


def test_who_waits_too_long_or_finds_the_queue_full_is_turned_away() -> None:
    b = Bench(bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=2.0))
    reasons: list[tuple[str, float]] = []

    async def one() -> None:
        try:
            await call(b.guard, trio.sleep, 5.0)
        except BulkheadFull as error:
            reasons.append((error.reason, b.clock.current_time()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(one)
                await trio.testing.wait_all_tasks_blocked()

    b.run(main)
    assert reasons == [("queue_full", 0.0), ("wait_exceeded", 2.0)]
    assert b.inside == 0


def test_cancelled_in_the_queue_it_leaves_no_trace() -> None:
    b = Bench(bulkhead=PLACES)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, b.guard, trio.sleep, 5.0)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(1.0):
                await call(b.guard, trio.sleep, 5.0)
        assert await call(b.guard, flaky()) == "answer"

    b.run(main)
    assert b.inside == 0
    assert b.guard.bulkhead is not None
    assert not b.guard.bulkhead.waiters
    assert b.calls() == {"success": 2, "cancelled": 1}


def test_a_thread_wakes_a_waiting_task() -> None:
    b = Bench(bulkhead=PLACES)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        leave.wait(30)

    holder = threading.Thread(target=b.guard.call, args=(hold,))
    holder.start()
    entered.wait(30)

    async def main() -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(release)
            return await call(b.guard, flaky())

    async def release() -> None:
        await trio.testing.wait_all_tasks_blocked()
        assert b.guard.bulkhead is not None
        assert len(b.guard.bulkhead.waiters) == 1
        leave.set()
        await trio.to_thread.run_sync(holder.join)

    b.clock.autojump_threshold = float("inf")
    assert b.run(main) == "answer"
    assert b.inside == 0


def test_a_waiter_whose_run_is_over_passes_its_place_on() -> None:
    from seawall.integrations.trio import _TrioWaiter

    async def waiter() -> _TrioWaiter:
        return _TrioWaiter()

    assert trio.run(waiter).wake() is False


def test_a_permit_is_waited_for() -> None:
    b = Bench(rate_limit=RateLimit(rate=0.5, max_wait=5.0))

    async def main() -> None:
        for _ in range(2):
            await call(b.guard, flaky())

    b.run(main)
    assert b.clock.current_time() == pytest.approx(2.0)


def test_a_block_is_one_attempt() -> None:
    b = Bench(bulkhead=PLACES, breaker=Breaker(), rate_limit=RateLimit(rate=1.0, max_wait=3.0))

    async def main() -> None:
        async with block(b.guard):
            assert b.inside == 1
        with pytest.raises(OSError, match="gone"):
            async with block(b.guard):
                raise OSError("gone")

    b.run(main)
    assert b.clock.current_time() == pytest.approx(1.0)
    assert b.calls() == {"success": 1, "failure": 1}
    assert b.inside == 0


def test_a_block_is_cancelled_at_its_limit_and_from_outside() -> None:
    b = Bench(timeout=Timeout(attempt=2.0), bulkhead=PLACES)

    async def main() -> None:
        with pytest.raises(TimedOut) as caught:
            async with block(b.guard):
                await trio.sleep(50.0)
        assert (caught.value.scope, caught.value.limit) == ("attempt", 2.0)
        with trio.move_on_after(1.0) as scope:
            async with block(b.guard):
                await trio.sleep(50.0)
        assert scope.cancelled_caught
        assert remaining() is None

    b.run(main)
    assert b.clock.current_time() == 3.0
    assert b.calls() == {"timeout": 1, "cancelled": 1}
    assert b.inside == 0


def test_a_block_waits_in_the_queue_and_leaves_it_when_cancelled() -> None:
    b = Bench(bulkhead=PLACES)
    entered: list[float] = []

    async def hold() -> None:
        async with block(b.guard):
            entered.append(b.clock.current_time())
            await trio.sleep(4.0)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(hold)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(1.0):
                await hold()

    b.run(main)
    assert entered == [0.0, 4.0]
    assert b.inside == 0
    assert b.calls() == {"success": 2, "cancelled": 1}


def test_with_guard_itself_gives_all_back_where_it_needs_asyncio() -> None:
    b = Bench(timeout=Timeout(attempt=2.0), bulkhead=PLACES)

    async def main() -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            async with b.guard:
                pytest.fail("entered")

    b.run(main)
    assert b.inside == 0


def test_a_block_that_is_cancelled_while_it_waits_for_a_permit_is_not_entered() -> None:
    b = Bench(rate_limit=RateLimit(rate=0.1, max_wait=60.0), breaker=Breaker())

    async def main() -> None:
        async with block(b.guard):
            pass
        with trio.move_on_after(1.0) as scope:
            async with block(b.guard):
                pytest.fail("entered")
        assert scope.cancelled_caught
        # Its permit went back: the next is due when it was.
        async with block(b.guard):
            pass

    b.run(main)
    assert b.clock.current_time() == pytest.approx(10.0)
    assert b.calls() == {"success": 2, "cancelled": 1}


def test_a_function_of_a_member_that_has_gone_waits_where_its_calls_are_served() -> None:
    b = Bench()
    family = Registry("t").family("p", most=1, idle_for=60, clock=b.clock.current_time, bulkhead=PLACES)
    inside: list[int] = []

    async def ask() -> None:
        assert family.other is not None
        assert family.other.bulkhead is not None
        inside.append(family.other.bulkhead.in_flight)
        await trio.sleep(1.0)

    async def main() -> float:
        held = guarded(family["a"])(ask)
        await trio.sleep(61.0)
        assert family["b"].name == "p/b"
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(held)
        return b.clock.current_time()

    assert b.run(main) == 64.0
    assert inside == [1, 1, 1]


class Jumps:
    """A clock that goes on by itself, a step at each look."""

    def __init__(self, step: float) -> None:
        self.step, self.now = step, 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize("step", [0.15, 0.2, 0.25, 0.3, 0.35, 0.45, 0.6])
def test_a_total_that_ends_before_the_attempt_begins(step: float) -> None:
    clock = Jumps(0.0)
    guard = Guard(
        "bank", registry=Registry("t"), clock=clock, timeout=Timeout(total=1.0), bulkhead=Bulkhead(limit=1)
    )
    clock.step = step

    async def ask() -> None:
        async with block(guard):
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        for attempt in (ask, lambda: call(guard, trio.lowlevel.checkpoint)):
            with suppress(TimedOut):
                await attempt()

    trio.run(main)
    assert guard.bulkhead is not None
    assert guard.bulkhead.in_flight == 0


def test_a_wait_that_is_over_before_it_begins() -> None:
    async def main() -> None:
        await _TrioWaiter().wait(-1.0)

    Bench().run(main)


def test_a_block_has_no_arguments_to_ask_for_its_limit_by() -> None:
    b = Bench(timeout=Timeout(attempt=2.0, attempt_for=len))

    async def main() -> None:
        with pytest.raises(TimedOut):
            async with block(b.guard):
                await trio.sleep(3.0)

    b.run(main)
    assert b.guard.registry.listener_errors == {}
