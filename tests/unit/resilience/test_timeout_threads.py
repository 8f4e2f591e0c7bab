"""Worker threads for ``def``: the caller is let go at the limit, and what goes on touches nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench
from tests.unit.resilience.hanging import LONG, MOMENT, Hanging, bench, wait_for

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    Fallback,
    RateLimit,
    Rejected,
    ThreadsBusy,
    TimedOut,
    Timeout,
)
from seawall.resilience.events import CallRejected, TimeoutExceeded

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")


def test_a_call_runs_on_a_thread_of_the_guard_with_its_arguments() -> None:
    b = bench(attempt=LONG)
    found: dict[str, Any] = {}

    def work(*args: int, **kwargs: int) -> str:
        found["thread"], found["given"] = threading.current_thread(), (args, kwargs)
        return "answer"

    assert b.guard.call(work, 1, two=2) == "answer"
    assert found["given"] == ((1,), {"two": 2})
    assert found["thread"] is not threading.current_thread()
    assert (found["thread"].name, found["thread"].daemon) == ("seawall bank", True)
    assert b.count("calls", "default", "success") == 1
    assert b.count("attempts", "default", "success") == 1
    # The same thread serves the next call, and the answer is there before its place is needed again.
    first = found["thread"]
    for _ in range(200):
        b.guard.call(work)
        assert found["thread"] is first
    assert b.count("calls", "default", "success") == 201


def test_at_the_limit_the_caller_goes_and_the_thread_stays(hanging: Hanging) -> None:
    b = bench(breaker=Breaker(minimum_calls=1, window_calls=1))
    with pytest.raises(TimedOut) as caught:
        b.guard.call(hanging)
    assert (caught.value.dependency, caught.value.scope, caught.value.limit) == ("bank", "attempt", MOMENT)
    assert b.count("timeouts", "default", "attempt") == 1
    assert b.count("calls", "default", "timeout") == 1
    assert b.count("attempts", "default", "timeout") == 1
    assert b.guard.state == "open"
    assert b.count("timeout_abandoned") == 1
    assert [(e.scope, e.limit) for e in b.events.of(TimeoutExceeded)] == [("attempt", MOMENT)]
    numbers = b.guard.read()
    hanging.gate.set()
    wait_for(lambda: b.count("timeout_abandoned") == 0)
    # The late answer changed nothing else.
    at = b.guard.ledger.layout.at
    changed = {i for i, (a, z) in enumerate(zip(numbers, b.guard.read(), strict=True)) if a != z}
    assert changed == {at("timeout_abandoned")}


def test_who_finds_no_thread_is_turned_away_at_once(hanging: Hanging) -> None:
    b = bench(threads=2)
    for _ in range(2):
        with pytest.raises(TimedOut):
            b.guard.call(hanging)
    with pytest.raises(ThreadsBusy) as caught:
        b.guard.call(hanging)
    assert isinstance(caught.value, Rejected)
    assert (caught.value.dependency, caught.value.policy, caught.value.reason) == (
        "bank",
        "timeout",
        "threads_busy",
    )
    assert caught.value.retry_after is None
    assert caught.value.problem() == {
        "type": "urn:seawall:resilience.threads_busy",
        "title": "Busy",
        "status": 503,
        "detail": "The service is busy. Please try again shortly.",
    }
    assert b.count("rejections", "timeout", "threads_busy") == 1
    assert b.count("calls", "default", "rejected") == 1
    assert b.count("timeout_abandoned") == 2
    assert [(e.policy, e.reason) for e in b.events.of(CallRejected)] == [("timeout", "threads_busy")]
    hanging.gate.set()
    wait_for(lambda: b.count("timeout_abandoned") == 0)
    assert b.guard.call(int) == 0


def test_busy_is_as_good_as_abandoned(hanging: Hanging) -> None:
    b = bench(attempt=LONG)
    caller = threading.Thread(target=b.guard.call, args=(hanging,))
    caller.start()
    assert b.guard.workers is not None
    wait_for(lambda: not b.guard.workers.places)
    with pytest.raises(ThreadsBusy):
        b.guard.call(int)
    assert b.count("timeout_abandoned") == 0
    hanging.gate.set()
    caller.join(10)
    assert b.count("calls", "default", "success") == 1


def test_what_others_granted_goes_back_when_there_is_no_thread(hanging: Hanging) -> None:
    policies: dict[str, Any] = {
        "breaker": Breaker(minimum_calls=5, window_calls=5),
        "bulkhead": Bulkhead(limit=3),
        "rate_limit": RateLimit(rate=1, burst=10),
    }
    b = bench(**policies)
    with pytest.raises(TimedOut):
        b.guard.call(hanging)
    available = b.count("rate_limiter_available")
    for _ in range(5):
        with pytest.raises(ThreadsBusy):
            b.guard.call(int)
    assert b.count("bulkhead_in_flight") == 0
    assert b.count("rate_limiter_available") == available
    assert b.guard.state == "closed"
    assert b.count("breaker_window_calls") == 1


def test_who_waits_in_the_bulkhead_has_the_place_that_a_busy_call_leaves(hanging: Hanging) -> None:
    b = bench(threads=1, attempt=LONG, bulkhead=Bulkhead(limit=2, max_queue=5, max_wait=LONG))
    first = threading.Thread(target=b.guard.call, args=(hanging,))
    first.start()
    assert b.guard.workers is not None
    wait_for(lambda: not b.guard.workers.places)
    with b.guard:
        errors: list[BaseException] = []

        def call() -> None:
            try:
                b.guard.call(int)
            except ThreadsBusy as error:
                errors.append(error)

        queued = [threading.Thread(target=call) for _ in range(2)]
        for thread in queued:
            thread.start()
        wait_for(lambda: b.count("bulkhead_queued") == 2)
    # One place: each of the two gets it, finds no thread, and hands it on.
    for thread in queued:
        thread.join(10)
    assert len(errors) == 2
    hanging.gate.set()
    first.join(10)
    assert b.count("bulkhead_in_flight") == 0


def test_a_retry_is_no_way_around_and_a_fallback_answers(hanging: Hanging) -> None:
    b = bench(threads=2, retry=CALM, fallback=Fallback(default="none"))
    assert b.guard.call(hanging) == "none"
    # Two attempts were abandoned, the third found no thread: the time-out says more than that.
    assert b.count("attempts", "default", "timeout") == 2
    assert b.count("timeout_abandoned") == 2
    assert b.count("retry_calls", "default", "exhausted") == 1
    assert b.guard.call(hanging) == "none"
    assert b.count("rejections", "timeout", "threads_busy") == 2
    assert b.count("retries", "default") == 1
    assert b.count("calls", "default", "degraded") == 2


def test_who_is_refused_takes_no_thread() -> None:
    b = bench(attempt=LONG, breaker=Breaker())
    b.guard.force("forced_open")
    with pytest.raises(BreakerOpen):
        b.guard.call(int)
    assert b.count("calls", "default", "rejected") == 1
    assert b.guard.workers is not None
    assert len(b.guard.workers.places) == 1
    b.guard.force("disabled")
    assert b.guard.call(int) == 0


def test_without_a_limit_the_arguments_are_the_same() -> None:
    timeout = Timeout(by_operation={"a": Timeout(total=LONG)}, threads=1)
    b = Bench("sync", timeout=timeout, operations=("a", "b"))

    def work(*args: int, **kwargs: int) -> Any:
        return args, kwargs

    for operation in ("a", "b"):
        assert b.guard.operation(operation).call(work, 1, two=2) == ((1,), {"two": 2})


@pytest.mark.parametrize("threads", [None, 1])
def test_answers_are_kept_by_function_and_arguments(threads: int | None) -> None:
    timeout = Timeout(attempt=LONG, threads=threads)
    b = Bench("sync", timeout=timeout, fallback=Fallback(stale_for=60, default="none"))
    began = b.clock()

    def one(key: int, *, then: str) -> str:
        if b.clock() > began:
            raise KeyError
        return f"one {key}{then}"

    def other(key: int, *, then: str) -> str:
        return one(key, then=then).replace("one", "other")

    # Off the lane.
    for function in (one, other):
        b.guard.fail_by(lambda operation: None)
        assert b.guard.call(function, 1, then="!") == f"{function.__name__} 1!"
    b.clock.advance(1.0)
    for function in (one, other):
        assert b.guard.call(function, 1, then="!") == f"{function.__name__} 1!"
        assert b.guard.call(function, 2, then="!") == "none"
        assert b.guard.call(function, 1, then="?") == "none"
