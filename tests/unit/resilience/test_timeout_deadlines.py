"""A call never outlives the deadline of the one that made it, wherever it runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM

from seawall.resilience import Bulkhead, Guard, RateLimit, Registry, TimedOut, Timeout, remaining
from seawall.resilience.drivers import _ThreadWaiter
from seawall.testing import ManualClock

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")


class Nested:
    """An outer guard with a total of two seconds, and an inner one that would take its time."""

    def __init__(self, **policies: Any) -> None:
        self.clock = clock = ManualClock()
        kept: dict[str, Any] = {"clock": clock, "sleep": clock.sleep, "asleep": clock.asleep}
        self.outer = Guard("outer", timeout=Timeout(total=2.0), registry=Registry("o"), **kept)
        self.inner = Guard("inner", registry=Registry("i"), **kept, **policies)
        self.began = clock()
        self.starts: list[float] = []

    def fail(self) -> None:
        """One attempt of 0.3 s that fails."""
        self.starts.append(self.clock() - self.began)
        self.clock.advance(0.3)
        raise ConnectionError

    async def afail(self) -> None:
        self.starts.append(self.clock() - self.began)
        await asyncio.sleep(0.3)
        raise ConnectionError


INNER: list[dict[str, Any]] = [
    {"retry": CALM},
    {"retry": CALM, "timeout": Timeout(total=50)},
    {"retry": CALM, "timeout": Timeout(attempt=1, total=50)},
    {"retry": CALM, "timeout": Timeout(attempt=1, attempt_for=lambda: 40.0)},
    {"retry": CALM, "timeout": Timeout(by_operation={"default": Timeout(attempt=30)})},
]


def in_def(nested: Nested) -> None:
    nested.outer.call(nested.inner.call, nested.fail)


def in_async_def(nested: Nested) -> None:
    nested.clock.run(nested.outer.acall(nested.inner.acall, nested.afail))


def in_a_copied_context(nested: Nested) -> None:
    nested.outer.call(lambda: copy_context().run(nested.inner.call, nested.fail))


def in_a_thread_with_the_callers_context(nested: Nested) -> None:
    def call() -> None:
        errors: list[BaseException] = []

        def work() -> None:
            try:
                nested.inner.call(nested.fail)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=copy_context().run, args=(work,))
        thread.start()
        thread.join(10)
        raise errors[0]

    nested.outer.call(call)


def in_to_thread(nested: Nested) -> None:
    async def call() -> None:
        await asyncio.to_thread(nested.inner.call, nested.fail)

    asyncio.run(nested.outer.acall(call))


def in_a_task_of_its_own(nested: Nested) -> None:
    async def call() -> None:
        await asyncio.create_task(nested.inner.acall(nested.afail))

    nested.clock.run(nested.outer.acall(call))


def in_an_event_loop_of_its_own(nested: Nested) -> None:
    nested.outer.call(lambda: nested.clock.run(nested.inner.acall(nested.afail)))


def in_a_guard_between(nested: Nested) -> None:
    between = Guard("between", registry=Registry("b"), clock=nested.clock, timeout=Timeout(total=30))
    nested.outer.call(between.call, nested.inner.call, nested.fail)


def in_a_block(nested: Nested) -> None:
    with nested.outer:
        nested.inner.call(nested.fail)


@pytest.mark.parametrize("policies", INNER)
@pytest.mark.parametrize(
    "where",
    [
        in_def,
        in_async_def,
        in_a_copied_context,
        in_a_thread_with_the_callers_context,
        in_to_thread,
        in_a_task_of_its_own,
        in_an_event_loop_of_its_own,
        in_a_guard_between,
        in_a_block,
    ],
)
def test_no_attempt_begins_that_the_callers_deadline_cannot_hold(
    where: Callable[[Nested], None], policies: dict[str, Any]
) -> None:
    nested = Nested(**policies)
    with pytest.raises(ConnectionError):
        where(nested)
    # 0.3 s, a wait of 1 s, 0.3 s; a wait of 2 s does not fit in what is left.
    assert nested.starts == pytest.approx([0.0, 1.3])
    assert nested.clock() - nested.began == pytest.approx(1.6)
    assert remaining() is None


@pytest.mark.parametrize("policies", [{}, *INNER])
def test_an_attempt_that_the_deadline_cuts_off(policies: dict[str, Any]) -> None:
    nested = Nested(**{k: v for k, v in policies.items() if k != "retry"})

    async def work() -> None:
        await asyncio.sleep(100)

    with pytest.raises(TimedOut):
        nested.clock.run(nested.outer.acall(nested.inner.acall, work))
    assert nested.clock() - nested.began <= 2.0 + 1e-9


@pytest.mark.parametrize("policies", INNER)
def test_none_begins_when_the_time_is_over(policies: dict[str, Any]) -> None:
    nested = Nested(**policies)
    later: list[Any] = []

    def late() -> None:
        nested.clock.advance(2.0)
        with pytest.raises(TimedOut) as caught:
            nested.inner.call(later.append, "ran")
        later.append((caught.value.dependency, caught.value.scope, caught.value.limit))

    nested.outer.call(late)
    assert later == [("inner", "total", 0)]


@pytest.mark.parametrize(
    "policies",
    [
        {"rate_limit": RateLimit(rate=0.1, burst=1, max_wait=60)},
        {"rate_limit": RateLimit(rate=0.1, burst=1, max_wait=60), "timeout": Timeout(total=50)},
    ],
)
def test_no_wait_for_a_permit_goes_beyond_it(policies: dict[str, Any]) -> None:
    nested = Nested(**policies)
    nested.inner.call(int)
    with pytest.raises(TimedOut):
        nested.outer.call(nested.inner.call, int)
    assert nested.clock() == nested.began


def test_no_wait_in_a_queue_goes_beyond_it() -> None:
    nested = Nested(bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=60))

    async def main() -> None:
        async with nested.inner:
            with pytest.raises(TimedOut):
                await nested.outer.acall(nested.inner.acall, asyncio.sleep, 0)

    nested.clock.run(main())
    assert nested.clock() - nested.began == pytest.approx(2.0)


def test_a_shorter_limit_of_its_own_holds_first() -> None:
    nested = Nested(timeout=Timeout(attempt=0.5))

    async def main() -> list[Any]:
        with pytest.raises(TimedOut) as caught:
            await nested.inner.acall(asyncio.sleep, 100)
        return [caught.value.scope, caught.value.limit, remaining()]

    assert nested.clock.run(nested.outer.acall(main)) == ["attempt", 0.5, 1.5]


def test_each_deadline_is_read_off_its_own_clock() -> None:
    nested = Nested()
    other = ManualClock(5.0)
    inner = Guard("other", timeout=Timeout(total=10), registry=Registry("x"), clock=other)
    seen: list[float | None] = []

    def work() -> None:
        seen.append(remaining())
        other.advance(1.5)
        seen.append(remaining())
        nested.clock.advance(1.75)
        seen.append(remaining())
        nested.clock.advance(1.0)
        seen.append(remaining())

    nested.outer.call(inner.call, work)
    assert seen == [2.0, 0.5, 0.25, 0.0]


def test_the_total_ends_the_wait_in_a_queue(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    b = bench(bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=10.0), timeout=Timeout(total=3.0))
    monkeypatch.setattr(_ThreadWaiter, "wait", lambda waiter, seconds: b.clock.advance(seconds))
    assert b.guard.bulkhead is not None
    assert b.guard.bulkhead.enter([])
    error = b(lambda: pytest.fail("it must not run"))
    assert isinstance(error, TimedOut)
    assert (error.dependency, error.scope, error.limit) == ("bank", "total", 3.0)
    assert b.clock() == 1003.0
    assert b.count("timeouts", "default", "total") == 1
    assert b.count("calls", "default", "timeout") == 1
    assert b.count("rejections", "bulkhead", "wait_exceeded") == 0
    assert (b.guard.bulkhead.in_flight, len(b.guard.bulkhead.waiters)) == (1, 0)
