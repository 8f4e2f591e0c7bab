"""What a call takes along when it leaves the lane, and who it finds waiting there."""

from __future__ import annotations

import asyncio
import threading
import types
from collections.abc import Callable, Generator
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench, flaky

from seawall.resilience import Bulkhead, Fallback, Guard, RateLimit, Registry, Retry, Timeout, remaining
from seawall.testing import ManualClock

Make = Callable[..., Bench]
FULL: dict[str, Any] = {"bulkhead": Bulkhead(limit=5), "rate_limit": RateLimit(rate=1000, burst=1000)}
OFF_THE_LANE = RateLimit(rate=1000, burst=1000, kind="sliding_window")

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")


def lane_sum(b: Bench) -> list[float]:
    """Calls on the lane, and their seconds."""
    lane = b.guard.ledger.layout.lanes["default"]
    slots = b.guard.ledger.slots[lane.offset : lane.offset + lane.size]
    return [sum(slots[:-1]), slots[-1]]


@pytest.mark.parametrize("more", [{}, FULL], ids=["lean", "full"])
def test_seconds_on_the_lane_add_up(bench: Make, more: dict[str, Any]) -> None:
    b = bench(**more)
    b(lambda: 1, times=3)
    calls, seconds = lane_sum(b)
    b(lambda: b.clock.advance(0.25), times=3)
    assert lane_sum(b) == [calls + 3, seconds + 0.75]


@pytest.mark.parametrize("more", [{}, FULL], ids=["lean", "full"])
def test_what_a_retry_waits_is_not_what_the_guard_costs(bench: Make, more: dict[str, Any]) -> None:
    b = bench(retry=CALM, **more)
    b(lambda: 1)
    assert b.guard.operation("default").sampling
    assert b(flaky(KeyError())) == "answer"
    assert not b.guard.operation("default").sampling
    entry = b.guard.ledger.layout.entry("overhead")
    assert sum(b.guard.ledger.slots[entry.offset : entry.offset + entry.size]) == 0


class Waiter:
    placed = woken = False

    def wake(self) -> bool:
        self.woken = True
        return True


def test_nobody_overtakes_who_waits_though_there_is_room(bench: Make) -> None:
    b = bench(bulkhead=Bulkhead(limit=2, max_queue=2, max_wait=1.0))
    b(lambda: 1, times=3)
    bulkhead, waiter = b.guard.bulkhead, Waiter()
    assert bulkhead is not None
    bulkhead.permits.clear()
    bulkhead.join(waiter, 1)
    bulkhead.permits += [None, None]
    before, seen = lane_sum(b), []
    assert b(lambda: seen.append((waiter.placed, waiter.woken))) is None
    assert (seen, lane_sum(b)) == ([(True, True)], before)


def test_an_interrupt_instead_of_a_place_took_no_time() -> None:
    class Taken(list[None]):
        def pop(self, index: Any = -1) -> None:
            raise interrupt

    b = Bench("async", bulkhead=Bulkhead(limit=1), rate_limit=RateLimit(rate=1, burst=5))
    b(lambda: 0)
    interrupt = KeyboardInterrupt()
    assert b.guard.bulkhead is not None
    b.guard.bulkhead.permits = b.guard.operation("default").permits = Taken([None])
    layout = b.guard.ledger.layout
    entry = layout.entry("call_duration", "default")
    durations = slice(entry.offset, entry.offset + entry.size)
    before = b.guard.ledger.slots[durations]
    assert b(lambda: 1) is interrupt
    assert b.guard.ledger.slots[layout.at("calls", "default", "cancelled")] == 1
    grown = [new - old for new, old in zip(b.guard.ledger.slots[durations], before, strict=True)]
    assert grown == [1.0] + [0.0] * (len(grown) - 1)
    assert b.count("rate_limiter_available") == pytest.approx(4)


@types.coroutine
def pause() -> Generator[None, None, None]:
    yield


def test_a_call_that_is_closed_from_outside_needs_no_loop() -> None:
    b = Bench("async")
    b(lambda: 1, times=3)
    coroutine = b.guard(pause)()
    assert coroutine.send(None) is None
    coroutine.close()
    assert b.count("calls", "default", "cancelled") == 1
    assert b.count("attempts", "default", "cancelled") == 1


async def cancelled_before() -> None:
    """From here on the task has been cancelled once, and goes on."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert task.cancelling() == 1


@pytest.mark.parametrize("limiter", [None, OFF_THE_LANE], ids=["lane", "off the lane"])
@pytest.mark.parametrize(
    ("more", "outcome", "calls"),
    [({"retry": CALM}, "success", 4), ({"fallback": Fallback(alternative=pause)}, "degraded", 1)],
    ids=["retry", "fallback"],
)
def test_a_cancellation_of_before_the_call_keeps_it_from_nothing(
    limiter: RateLimit | None, more: dict[str, Any], outcome: str, calls: int
) -> None:
    b = Bench("async", rate_limit=limiter, **more)
    b(lambda: 1, times=3)
    left: list[Exception] = []

    async def body() -> None:
        if left:
            raise left.pop()

    async def main() -> None:
        await cancelled_before()
        left.append(KeyError())
        await b.guard.acall(body)

    b.clock.run(main())
    assert left == []
    assert b.count("calls", "default", outcome) == calls


@pytest.mark.parametrize("limiter", [None, OFF_THE_LANE], ids=["lane", "off the lane"])
def test_what_cleans_up_in_a_cancelled_task_is_asked(limiter: RateLimit | None) -> None:
    b = Bench("async", rate_limit=limiter)

    async def main() -> list[str]:
        await cancelled_before()
        return [await b.guard.acall(asyncio.sleep, 0, "done") for _ in range(4)]

    assert b.clock.run(main()) == ["done"] * 4
    assert b.count("calls", "default", "success") == 4


@pytest.mark.parametrize("limiter", [None, OFF_THE_LANE], ids=["lane", "off the lane"])
def test_a_coroutine_that_is_no_task_is_guarded_too(limiter: RateLimit | None) -> None:
    b = Bench("async", retry=CALM, rate_limit=limiter)
    found: list[str] = []

    async def body() -> str:
        return "answer"

    def by_hand() -> None:
        with pytest.raises(StopIteration) as caught:
            b.guard.acall(body).send(None)
        found.append(caught.value.value)

    async def main() -> None:
        asyncio.get_running_loop().call_soon(by_hand)
        await asyncio.sleep(0)

    for _ in range(4):
        b.clock.run(main())
    assert found == ["answer"] * 4


def test_a_deadline_around_the_call_is_known_inside_it(bench: Make) -> None:
    b = bench(timeout=Timeout(attempt=1.0))
    b(lambda: 1, times=3)
    outer = Guard("outer", timeout=Timeout(total=2.0), registry=Registry("o"), clock=ManualClock())
    assert isinstance(outer.clock, ManualClock)
    seen: list[float | None] = []

    def body() -> None:
        outer.clock.advance(1.75)  # type: ignore[attr-defined]
        seen.append(remaining())

    before = lane_sum(b)[0]
    outer.call(lambda: b(body))
    assert (seen, lane_sum(b)[0]) == ([0.25], before + 1)


def test_a_call_is_not_cancelled_at_the_end_of_one_that_began_before_it() -> None:
    b = Bench("async", timeout=Timeout(attempt=1.0))
    b(lambda: 1, times=3)

    async def main() -> tuple[Any, ...]:
        first = asyncio.create_task(b.guard.acall(asyncio.sleep, 0.875, "first"))
        await asyncio.sleep(0.5)
        second = asyncio.create_task(b.guard.acall(asyncio.sleep, 0.75, "second"))
        return await first, await second, b.clock()

    assert b.clock.run(main()) == ("first", "second", 1001.25)
    assert lane_sum(b)[1] == 0.875 + 0.75


def test_functions_of_one_operation_do_not_answer_for_each_other_off_the_lane(bench: Make) -> None:
    b = bench(fallback=Fallback(stale_for=60), rate_limit=OFF_THE_LANE)
    down = threading.Event()

    def made(answer: str) -> Callable[[], Any]:
        def body() -> str:
            if down.is_set():
                raise KeyError(answer)
            return answer

        async def abody() -> str:
            return body()

        guarded: Any = b.guard(body if b.how == "sync" else abody)
        return guarded if b.how == "sync" else lambda: b.clock.run(guarded())

    one, other = made("one"), made("other")
    assert one() == "one"
    down.set()
    assert one() == "one"
    with pytest.raises(KeyError):
        other()


def test_where_nobody_asks_any_more_a_call_takes_the_lane() -> None:
    operation = Bench("sync").guard.operation("default")
    assert (operation.open_lane, operation.unwatched_lane()) == (1, 1)


@pytest.mark.parametrize(("operation", "end"), [("read", "exhausted"), ("pay", "first_try")])
def test_results_of_what_is_asked_once_are_wanted_as_they_are(operation: str, end: str) -> None:
    retry = Retry(
        attempts=2, base_delay=0.5, jitter="none", budget=None, idempotent=("read",),
        on_result=lambda result: result == "busy",
    )  # fmt: skip
    b = Bench("sync", operations=("read", "pay"), retry=retry)
    assert b.guard.operation(operation).call(lambda: "busy") == "busy"
    assert b.count("retry_calls", operation, end) == 1
    assert b.count("attempts", operation, "success") == (2 if end == "exhausted" else 1)
