"""A function on a worker thread: its exceptions, its context, its deadline; and what runs on none."""

from __future__ import annotations

import asyncio
import gc
import threading
import traceback
import weakref
from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench
from tests.unit.resilience.hanging import LONG, MOMENT, Hanging, bench, wait_for

from seawall.resilience import (
    ConfigurationError,
    Fallback,
    Guard,
    Registry,
    TimedOut,
    Timeout,
    remaining,
)
from seawall.resilience.worker_threads import Job, WorkerThreads

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")


class Refused(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [Refused("no"), StopIteration(3), SystemExit(2), KeyboardInterrupt(), GeneratorExit(), TimeoutError()],
)
def test_exceptions_keep_their_type_their_text_and_their_traceback(error: BaseException) -> None:
    b = bench(attempt=LONG)

    def deep() -> None:
        raise error

    def work() -> None:
        deep()

    with pytest.raises(type(error)) as caught:
        b.guard.call(work)
    assert caught.value is error
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames[-2:] == ["work", "deep"]
    assert frames[0] == "test_exceptions_keep_their_type_their_text_and_their_traceback"
    assert b.guard.call(int) == 0


def test_nothing_of_a_failed_call_is_held_on_to() -> None:
    b = bench(attempt=LONG)
    kept: list[weakref.ref[Any]] = []

    class Noted(Exception):
        def __init__(self) -> None:
            kept.append(weakref.ref(self))

    class Thing:
        def fail(self) -> None:
            kept.append(weakref.ref(self))
            raise Noted

    gc.collect()
    gc.disable()
    try:
        try:
            b.guard.call(Thing().fail)
        except Noted:
            assert len(kept) == 2
        wait_for(lambda: [ref() for ref in kept] == [None, None])
    finally:
        gc.enable()


def test_context_goes_in_and_what_is_set_there_stays_there() -> None:
    b = bench(attempt=LONG)
    variable = ContextVar("variable", default="unset")
    variable.set("mine")

    def work() -> str:
        seen = variable.get()
        variable.set("the worker's")
        return seen

    assert [b.guard.call(work), b.guard.call(work), variable.get()] == ["mine", "mine", "mine"]


def test_the_function_knows_its_deadline_and_once_abandoned_that_it_is_over(hanging: Hanging) -> None:
    b = bench(attempt=2.0)
    assert b.guard.call(remaining) == 2.0
    b = Bench("sync", timeout=Timeout(attempt=MOMENT, threads=1))
    inner = Guard("inner", registry=Registry("i"), clock=b.clock)
    seen: list[Any] = []

    def work() -> None:
        hanging()
        seen.append(remaining())
        try:
            inner.call(seen.append, "the inner guard ran it")
        except TimedOut as error:
            seen.append(error.scope)

    with pytest.raises(TimedOut):
        b.guard.call(work)
    b.clock.advance(1.0)
    hanging.gate.set()
    wait_for(lambda: len(seen) == 2)
    assert seen == [0.0, "total"]
    assert remaining() is None


def test_an_inherited_deadline_bounds_the_wait(hanging: Hanging) -> None:
    b = bench(attempt=LONG)
    outer = Guard("outer", timeout=Timeout(total=MOMENT), registry=Registry("o"), clock=b.clock)
    with pytest.raises(TimedOut) as caught:
        outer.call(b.guard.call, hanging)
    assert (caught.value.dependency, caught.value.scope) == ("bank", "total")
    assert caught.value.limit == pytest.approx(MOMENT)
    assert b.count("timeouts", "default", "total") == 1


def test_a_limit_that_is_over_when_the_thread_is_asked(
    monkeypatch: pytest.MonkeyPatch, hanging: Hanging
) -> None:
    b = Bench("sync", timeout=Timeout(total=1, threads=1))
    staff = WorkerThreads.staff

    def slowly(self: WorkerThreads) -> bool:
        b.clock.advance(5)
        return staff(self)

    monkeypatch.setattr(WorkerThreads, "staff", slowly)
    with pytest.raises(TimedOut) as caught:
        b.guard.call(hanging)
    assert caught.value.limit == -4


def test_longer_than_a_lock_can_wait() -> None:
    b = bench(attempt=threading.TIMEOUT_MAX * 2)
    assert b.guard.call(int) == 0


def test_operations_without_a_limit_run_where_they_are_called() -> None:
    b = Bench(
        "sync", timeout=Timeout(by_operation={"a": Timeout(total=LONG)}, threads=1), operations=("a", "b")
    )
    here = threading.current_thread()
    assert b.guard.operation("b").call(threading.current_thread) is here
    assert b.guard.operation("a").call(threading.current_thread) is not here
    assert b.guard.workers is not None
    assert len(b.guard.workers.places) == 1


def test_async_def_and_blocks_and_generators_run_where_they_ever_did() -> None:
    b = bench(attempt=LONG)
    here = threading.current_thread()

    async def work() -> threading.Thread:
        return threading.current_thread()

    @b.guard
    def items() -> Iterator[threading.Thread]:
        yield threading.current_thread()

    assert b.clock.run(b.guard.acall(work)) is here
    assert list(items()) == [here]
    with b.guard:
        pass
    assert b.guard.workers is not None
    assert len(b.guard.workers.places) == 1
    assert threading.active_count() == len(threading.enumerate())


def test_in_async_def_the_limit_cancels_as_ever() -> None:
    b = Bench("async", timeout=Timeout(attempt=1.0, threads=1))
    with pytest.raises(TimedOut):
        b.clock.run(b.guard.acall(asyncio.sleep, 5))
    assert b.count("timeout_abandoned") == 0


def test_work_that_was_not_begun_is_refused_by_the_functions_name() -> None:
    b = bench(attempt=LONG)

    def pay() -> Any:
        return (x for x in ()) if False else _generator()

    with pytest.raises(ConfigurationError, match="pay handed back a generator"):
        b.guard.call(pay)


def _generator() -> Iterator[int]:
    yield 1


def test_it_is_sampled_like_any_other() -> None:
    b = bench(attempt=LONG)
    for _ in range(3):
        b.clock.advance(2.0)
        b.guard.call(int)
    entry = b.guard.ledger.layout.entry("overhead")
    assert b.guard.read()[entry.offset + len(entry.bounds)] > 0

    def pay() -> Any:
        return _generator()

    b.clock.advance(2.0)
    b.guard.call(int)
    with pytest.raises(ConfigurationError, match="pay handed back a generator"):
        b.guard.call(pay)


class _LastMoment:
    """A lock whose patience ends in the very moment in which the worker is done."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def acquire(self, timeout: float) -> bool:
        self.waited = timeout
        self.job.run()
        return False

    def release(self) -> None: ...


MOST = threading.TIMEOUT_MAX


@pytest.mark.parametrize(
    ("rest", "waited"), [(-1.0, 0.0), (0.0, 0.0), (0.5, 0.5), (MOST, MOST), (2 * MOST, MOST)]
)
def test_an_answer_in_the_last_moment_is_taken(rest: float, waited: float) -> None:
    workers = WorkerThreads(1, "seawall bank")
    workers.places.pop()
    job = Job(workers, copy_context(), lambda: 7)
    job._done = moment = _LastMoment(job)  # type: ignore[assignment]
    assert job.wait(rest) == (True, 7)
    assert moment.waited == waited
    assert (len(workers.places), workers.abandoned) == (1, set())


class _Outrun(list[None]):
    """What caller and worker contend for: the worker comes just after the caller."""

    job: Job

    def pop(self, *_: Any) -> None:
        super().pop()
        self.job.run()


def test_an_answer_that_comes_just_after_the_last_moment_is_dropped() -> None:
    workers = WorkerThreads(1, "seawall bank")
    workers.places.pop()
    job = Job(workers, copy_context(), lambda: 7)
    job._open = outrun = _Outrun([None])
    outrun.job = job
    assert job.wait(0.0) is None
    assert (len(workers.places), workers.abandoned) == (1, set())


def test_former_answers_are_kept_by_the_arguments_of_a_call_on_a_thread() -> None:
    b = Bench("sync", timeout=Timeout(attempt=LONG, threads=1), fallback=Fallback(stale_for=60.0))
    down = threading.Event()

    @b.guard
    def work(number: int, *, unit: str) -> str:
        if down.is_set():
            raise ConnectionError
        return f"{number} {unit}"

    asked = [(1, "m"), (2, "m"), (1, "km")]
    for _ in range(2):
        assert [work(number, unit=unit) for number, unit in asked] == ["1 m", "2 m", "1 km"]
        down.set()
    assert b.count("degradations", "default", "stale", "served") == 3
