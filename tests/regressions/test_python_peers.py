"""What was measured of breakers and retries in Python, one by one, and of what they log and keep."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import traceback
import weakref
from typing import Any

import pytest

from seawall.resilience import Breaker, BreakerOpen, Guard, Registry, Retry
from seawall.resilience.events import Event
from seawall.testing import ManualClock, Recording

SECRET = "postgres://user:hunter2@db.internal/bank"


def guard(clock: ManualClock | None = None, registry: Registry | None = None, **settings: Any) -> Guard:
    registry = Registry("t") if registry is None else registry
    return Guard("bank", registry=registry, clock=clock or ManualClock(), **settings)


def opened(clock: ManualClock, **settings: Any) -> Guard:
    of = guard(clock, breaker=Breaker(window_calls=1, minimum_calls=1, open_for=10), **settings)
    with pytest.raises(ConnectionError):
        of.call(_refused)
    assert of.state == "open"
    return of


def _refused() -> None:
    raise ConnectionError(SECRET)


# -- pybreaker


async def test_pybreaker_7_failures_of_async_def_open_it() -> None:
    of = guard(breaker=Breaker(window_calls=2, minimum_calls=2))

    @of
    async def ask() -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    for _ in range(2):
        with pytest.raises(ConnectionError):
            await ask()
    with pytest.raises(BreakerOpen):
        await ask()
    assert of.state == "open"


def test_pybreaker_24_who_finds_it_open_does_not_begin_its_time_anew() -> None:
    """A worker that saw the others' breaker open set its time to now, again and again."""
    clock = ManualClock()
    of = opened(clock)
    for _ in range(9):
        clock.advance(1)
        of.read()
        of.snapshot()
        with pytest.raises(BreakerOpen):
            of.call(int)
    clock.advance(1)
    assert of.call(int) == 0


def test_pybreaker_28_a_worker_begins_with_the_state_that_it_was_forked_from() -> None:
    """And what becomes of it there is none of the parent's business."""
    clock = ManualClock()
    of = opened(clock)
    clock.advance(9)
    child = os.fork()
    if child == 0:
        before = of.state
        clock.advance(1)
        of.call(int)
        os._exit(0 if (before, of.state) == ("open", "half_open") else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert of.state == "open"


# -- circuitbreaker


def test_circuitbreaker_keeps_the_locals_of_the_failed_frame_alive_here_nothing_does() -> None:
    class Big:
        """What a failed call was working on."""

    registry, events = Registry("t"), Recording()
    registry.subscribe(events)
    of = guard(
        registry=registry,
        breaker=Breaker(window_calls=1, minimum_calls=1),
        retry=Retry(attempts=2, base_delay=0),
    )
    seen: list[weakref.ref[Big]] = []

    def ask() -> None:
        big = Big()
        seen.append(weakref.ref(big))
        raise ConnectionError

    gc.disable()
    try:
        with pytest.raises(ConnectionError):
            of.call(ask)
        assert [ref() for ref in seen] == [None] * len(seen) != []
    finally:
        gc.enable()


def test_circuitbreaker_shows_the_inner_exception_here_a_rejection_does_not() -> None:
    clock = ManualClock()
    of = opened(clock)
    with pytest.raises(BreakerOpen) as caught:
        of.call(int)
    shown = (
        "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value.problem())
    )
    assert "hunter2" not in shown
    assert "db.internal" not in shown
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "hunter2" not in str(of.snapshot())


# -- purgatory, stamina, tenacity


async def test_purgatory_opens_on_one_cancelled_call_here_none_counts() -> None:
    of = guard(breaker=Breaker(window_calls=1, minimum_calls=1, consecutive_failures=1))
    for _ in range(20):
        task = asyncio.create_task(of.acall(asyncio.Event().wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert of.state == "closed"
    assert of.snapshot()["window_calls"] == 0


def test_stamina_logs_arguments_here_nobody_hears_of_them(caplog: pytest.LogCaptureFixture) -> None:
    registry, events = Registry("t"), Recording()
    registry.subscribe(events)

    def broken_listener(event: Event) -> None:
        raise ValueError(SECRET)

    registry.subscribe(broken_listener)
    of = guard(
        registry=registry,
        breaker=Breaker(window_calls=2, minimum_calls=2),
        retry=Retry(attempts=2, base_delay=0),
    )

    def ask(dsn: str, *, password: str) -> None:
        raise ConnectionError(dsn, password)

    with caplog.at_level(logging.DEBUG), pytest.raises(ConnectionError):
        of.call(ask, SECRET, password="hunter2")
    assert len(events.events) >= 3
    assert len(caplog.records) >= 1
    assert "hunter2" not in repr(events.events) + caplog.text


NEGATED: dict[str, dict[str, Any]] = {
    "on everything": {"retry": Retry(attempts=3, base_delay=0, on=(BaseException,))},
    "by a predicate": {
        "retry": Retry(attempts=3, base_delay=0, on_result=lambda result: result is None),
        "breaker": Breaker(
            window_calls=1, minimum_calls=1, record_if=lambda error: not isinstance(error, ValueError)
        ),
    },
    "on all but one": {
        "retry": Retry(attempts=3, base_delay=0),
        "breaker": Breaker(
            window_calls=1,
            minimum_calls=1,
            record=(BaseException,),
            ignore_if=lambda error: isinstance(error, ValueError),
        ),
    },
}


@pytest.mark.parametrize("name", NEGATED)
async def test_tenacity_529_no_predicate_makes_a_cancellation_worth_another_attempt(name: str) -> None:
    of = guard(**NEGATED[name])
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(10)
        return "never"

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(of.acall(ask), 0.01)
    assert asked == 1
    assert of.state in ("", "closed")


def test_tenacity_186_a_cancelled_task_ends_and_does_not_go_on_in_the_background() -> None:
    clock = ManualClock()
    of = guard(clock, retry=Retry(attempts=5, base_delay=1, jitter="none", budget=None))
    steps: list[str] = []

    async def work() -> None:
        steps.append("begun")
        await asyncio.sleep(1)
        await asyncio.sleep(1)
        steps.append("done")
        raise ConnectionError

    async def main() -> None:
        task = asyncio.create_task(of.acall(work))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(100)

    clock.run(main())
    assert steps == ["begun"]
