"""A guard in `def` and in `async def`: what callers get, what is counted, what is told."""

from __future__ import annotations

import asyncio
import gc
import pickle
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    BulkheadFull,
    ConfigurationError,
    Fallback,
    Guard,
    RateLimit,
    RateLimited,
    Registry,
    Retry,
    TimedOut,
    Timeout,
    remaining,
)
from seawall.resilience.events import CallDegraded, CallRejected, RetryExhausted, RetryScheduled, Transition
from seawall.testing import ManualClock, Recording

CALM = Retry(attempts=3, base_delay=1.0, jitter="none", budget=None)


class Bench:
    """A guard on a manual clock, and the two ways to call it."""

    def __init__(self, how: str, **policies: Any) -> None:
        self.how = how
        self.clock = ManualClock()
        self.events = Recording()
        registry = Registry("t")
        registry.subscribe(self.events)
        self.guard = Guard(
            "bank",
            registry=registry,
            clock=self.clock,
            sleep=self.clock.sleep,
            asleep=self.clock.asleep,
            **policies,
        )

    def __call__(self, body: Callable[[], Any], times: int = 1) -> Any:
        """Run ``body`` under the guard; exceptions are returned, so that outcomes can be compared."""
        result: Any = None
        for _ in range(times):
            try:
                result = self.once(body)
            except BaseException as error:
                result = error
        return result

    def once(self, body: Callable[[], Any]) -> Any:
        if self.how == "sync":
            return self.guard(body)()

        @self.guard
        async def task() -> Any:
            await asyncio.sleep(0)
            return body()

        return self.clock.run(task())

    def count(self, field: str, *labels: str) -> float:
        return self.guard.read()[self.guard.ledger.layout.at(field, *labels)]


@pytest.fixture(params=["sync", "async"])
def bench(request: pytest.FixtureRequest) -> Callable[..., Bench]:
    return partial(Bench, request.param)


def fails(error: BaseException) -> Callable[[], Any]:
    def body() -> Any:
        raise error

    return body


def flaky(*errors: BaseException) -> Callable[[], str]:
    left = list(errors)

    def body() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return body


def test_a_success_is_one_call_one_attempt_one_first_try(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(), retry=CALM)
    assert b(lambda: 7, times=5) == 7
    assert b.count("calls", "default", "success") == 5
    assert b.count("attempts", "default", "success") == 5
    assert b.count("retry_calls", "default", "first_try") == 5
    assert b.events.events == []


def test_breaker_opens_rejects_half_opens_and_closes(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=4, window_calls=4, open_for=30, half_open_permits=2))
    b(fails(ConnectionError()), times=4)
    assert b.guard.state == "open"
    rejected = b(lambda: 1)
    assert isinstance(rejected, BreakerOpen)
    assert rejected.retry_after == pytest.approx(30)
    assert rejected.problem()["status"] == 503
    b.clock.advance(30)
    assert b(lambda: 1) == 1
    assert b.guard.state == "half_open"
    assert b(lambda: 1) == 1
    assert b.guard.state == "closed"
    assert [(t.from_state, t.to_state) for t in b.events.of(Transition)] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]
    opened = b.events.of(Transition)[0]
    assert (opened.failures, opened.window_calls, opened.failure_ratio) == (4, 4, 1.0)
    assert opened.errors == (("ConnectionError", 4),)
    assert b.count("breaker_false_opens") == 1
    assert b.count("breaker_transitions", "half_open", "closed") == 1
    assert b.count("calls", "default", "rejected") == 1
    assert b.count("rejections", "breaker", "open") == 1


def test_a_success_that_completes_minimum_calls_can_open(bench: Callable[..., Bench]) -> None:
    """The warm-up edge: the ratio is reached by failures, the minimum by a success."""
    b = bench(breaker=Breaker(minimum_calls=4, window_calls=10, failure_ratio=0.5))
    b(fails(ConnectionError()), times=2)
    b(lambda: 1)
    assert b.guard.state == "closed"
    b(lambda: 1)
    assert b.guard.state == "open"


def test_window_forgets_what_is_older_than_its_calls(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=4, window_calls=4, failure_ratio=0.75))
    b(lambda: 1, times=4)
    b(fails(ConnectionError()), times=2)
    b(lambda: 1, times=3)
    b(fails(ConnectionError()), times=2)
    assert b.guard.state == "closed"
    assert b.guard.snapshot()["failure_ratio"] == 0.5
    b(fails(ConnectionError()))
    assert b.guard.state == "open"


def test_retry_recovers_and_says_so(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM)
    began = b.clock()
    assert b(flaky(ConnectionError(), TimeoutError())) == "answer"
    assert b.clock() - began == pytest.approx(1.0 + 2.0)
    assert b.count("retries", "default") == 2
    assert b.count("retry_calls", "default", "recovered") == 1
    assert b.count("retry_delay_seconds", "default") == pytest.approx(3.0)
    assert b.count("attempts", "default", "failure") == 1
    assert b.count("attempts", "default", "timeout") == 1
    assert b.count("calls", "default", "success") == 1
    assert [e.attempt for e in b.events.of(RetryScheduled)] == [2, 3]


def test_used_up_retries_hand_on_the_dependencys_own_exception(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM)
    error = ConnectionError("dsn=secret")
    got = b(fails(error))
    assert got is error
    assert any("after 3 attempts" in note for note in got.__notes__)
    assert b.count("retry_calls", "default", "exhausted") == 1
    assert b.count("calls", "default", "failure") == 1
    assert b.events.of(RetryExhausted)[0].error == "ConnectionError"


def test_no_retry_is_waited_for_once_the_own_breaker_is_open(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM, breaker=Breaker(minimum_calls=2, window_calls=2))
    error = ConnectionError()
    assert b(fails(error)) is error
    assert b.count("attempts", "default", "failure") == 2
    assert b.count("rejections", "breaker", "open") == 0
    assert len(b.events.of(RetryScheduled)) == 1


def test_retry_waits_as_long_as_the_error_asks(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM)
    began = b.clock()
    asked = BreakerOpen("inner", "breaker", "open", 7.5)
    assert b(flaky(asked)) == "answer"
    assert b.clock() - began == pytest.approx(7.5)


def test_retry_budget_is_spent_and_refilled_by_calls(bench: Callable[..., Bench]) -> None:
    from seawall.resilience import RetryBudget

    budget = RetryBudget(ratio=0.5, floor_per_second=0.1, ttl=10)
    b = bench(retry=Retry(attempts=2, base_delay=0, budget=budget))
    b(fails(ConnectionError()), times=20)
    # One by the floor (0.1/s x 10 s), and half a retry for each of the calls that had ended before.
    assert 8 <= b.count("retries", "default") <= 11
    assert b.count("retry_calls", "default", "budget_exhausted") >= 9
    assert b.count("retry_budget_remaining") < 0.2
    b.clock.advance(60)
    assert b.count("retry_budget_remaining") == 1


def test_fallbacks_are_tried_in_order_and_counted_as_degraded(bench: Callable[..., Bench]) -> None:
    b = bench(fallback=Fallback(alternative=lambda: fails(KeyError())(), stale_for=60, default="default"))
    b(lambda: "fresh")
    assert b.count("calls", "default", "success") == 1
    assert b(fails(ConnectionError())) == "default"
    assert b.count("degradations", "default", "alternative", "failed") == 1
    assert b.count("degradations", "default", "stale", "failed") == 1
    assert b.count("degradations", "default", "default", "served") == 1
    assert b.count("calls", "default", "degraded") == 1


def test_stale_answers_age_and_end(bench: Callable[..., Bench]) -> None:
    b = bench(fallback=Fallback(stale_for=60, default="none"))
    answers = iter(["answer"])
    body = lambda: next(answers, None) or fails(ConnectionError())()  # noqa: E731 - one function, two moods
    b(body)
    b.clock.advance(59)
    assert b(body) == "answer"
    assert b.events.of(CallDegraded)[0].stale_age == pytest.approx(59)
    b.clock.advance(2)
    assert b(body) == "none"
    assert b.count("degradations", "default", "stale", "served") == 1
    assert b.count("degradations", "default", "stale", "failed") == 1
    assert b.count("degradations", "default", "default", "served") == 1


def test_stale_answers_are_those_of_the_same_function_and_arguments() -> None:
    class Account:
        def __init__(self, name: str) -> None:
            self.name = name
            self.well = True

        def balance(self, currency: str) -> str:
            if not self.well:
                raise ConnectionError
            return f"{self.name} {currency}"

    guard = Guard("bank", fallback=Fallback(stale_for=60, default="none"), registry=Registry("t"))
    mine, yours = Account("mine"), Account("yours")
    for account in (mine, yours):
        assert guard.call(account.balance, "EUR") == f"{account.name} EUR"
        account.well = False
    assert guard.call(mine.balance, "EUR") == "mine EUR"
    assert guard.call(yours.balance, "EUR") == "yours EUR"
    assert guard.call(mine.balance, "USD") == "none"
    assert guard.call(str.removeprefix, "EUR") == "none"


def test_a_stale_answer_for_one_account_is_never_served_for_another(bench: Callable[..., Bench]) -> None:
    """The arguments may hide in what a lambda captured, or in its defaults."""
    b = bench(fallback=Fallback(stale_for=60, default="none"))
    down = set[str]()

    def balance(account: str) -> str:
        if account in down:
            raise ConnectionError
        return f"balance of {account}"

    def ask(account: str) -> Any:
        return b(lambda: balance(account))

    assert ask("mine") == "balance of mine"
    down |= {"mine", "yours"}
    assert ask("yours") == "none"
    assert ask("mine") == ("balance of mine" if b.how == "sync" else "none")
    assert b(lambda account="yours": balance(account)) == "none"


def test_rate_limit_rejects_then_refills(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=2, burst=3))
    assert b(lambda: 1, times=3) == 1
    rejected = b(lambda: 1)
    assert isinstance(rejected, RateLimited)
    assert rejected.retry_after == pytest.approx(0.5)
    assert rejected.problem()["status"] == 429
    b.clock.advance(0.5)
    assert b(lambda: 1) == 1
    assert b.count("rejections", "rate_limit", "exceeded") == 1
    assert b.events.of(CallRejected)[0].policy == "rate_limit"


def test_rate_limit_waits_when_it_may(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=2, burst=1, max_wait=1.0))
    began = b.clock()
    b(lambda: 1, times=3)
    assert b.clock() - began == pytest.approx(1.0)
    wait = b.guard.ledger.layout.entry("rate_limiter_wait")
    assert b.guard.read()[wait.offset + len(wait.bounds)] == 2


def test_ignored_exceptions_are_the_callers_business(bench: Callable[..., Bench]) -> None:
    b = bench(
        breaker=Breaker(minimum_calls=1, window_calls=1, ignore=(KeyError,)),
        retry=CALM,
        fallback=Fallback(default=0),
    )
    assert isinstance(b(fails(KeyError())), KeyError)
    assert b.guard.state == "closed"
    assert b.count("attempts", "default", "ignored") == 1
    assert b.count("calls", "default", "success") == 1
    assert b.count("retries", "default") == 0


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1), GeneratorExit()]
)
def test_cancellation_is_neutral(bench: Callable[..., Bench], error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        b = Bench(
            "sync", breaker=Breaker(minimum_calls=1, window_calls=1), retry=CALM, fallback=Fallback(default=0)
        )
    else:
        b = bench(breaker=Breaker(minimum_calls=1, window_calls=1), retry=CALM, fallback=Fallback(default=0))
    assert type(b(fails(error))) is type(error)
    assert b.guard.state == "closed"
    assert b.count("attempts", "default", "cancelled") == 1
    assert b.count("calls", "default", "cancelled") == 1
    assert b.count("retries", "default") == 0


def test_group_with_one_counted_error_counts(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=2, window_calls=2, ignore=(KeyError,)))
    b(fails(ExceptionGroup("", [KeyError(), KeyError()])), times=2)
    assert b.guard.state == "closed"
    b(fails(ExceptionGroup("", [KeyError(), ConnectionError()])), times=2)
    assert b.guard.state == "open"


def test_attempt_timeout_cancels_and_counts() -> None:
    b = Bench(
        "async", timeout=Timeout(attempt=1.0, total=10.0), breaker=Breaker(minimum_calls=1, window_calls=1)
    )

    @b.guard
    async def slow() -> None:
        await asyncio.sleep(5)

    began = b.clock()
    with pytest.raises(TimedOut) as caught:
        b.clock.run(slow())
    assert b.clock() - began == pytest.approx(1.0)
    assert (caught.value.scope, caught.value.limit) == ("attempt", 1.0)
    assert isinstance(caught.value, TimeoutError)
    assert b.count("timeouts", "default", "attempt") == 1
    assert b.count("calls", "default", "timeout") == 1
    assert b.guard.state == "open"


def test_total_timeout_bounds_retries_and_waits() -> None:
    b = Bench(
        "async", timeout=Timeout(attempt=1.0, total=2.5), retry=Retry(attempts=9, base_delay=1, jitter="none")
    )

    @b.guard
    async def slow() -> None:
        await asyncio.sleep(5)

    began = b.clock()
    with pytest.raises(TimedOut):
        b.clock.run(slow())
    assert b.clock() - began <= 2.5
    assert b.count("attempts", "default", "timeout") == 2


def test_a_cancellation_from_outside_is_not_taken_for_the_timeout() -> None:
    b = Bench("async", timeout=Timeout(attempt=5.0))

    async def main() -> None:
        task = asyncio.create_task(b.guard.acall(asyncio.sleep, 100))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    b.clock.run(main())
    assert b.count("timeouts", "default", "attempt") == 0
    assert b.count("calls", "default", "cancelled") == 1


def test_nested_guards_inherit_the_deadline() -> None:
    b = Bench("async", timeout=Timeout(total=2.0))
    inner = Guard(
        "inner", timeout=Timeout(total=50), registry=Registry("i"), clock=b.clock, asleep=b.clock.asleep
    )
    seen: list[float | None] = []

    @inner
    async def lookup() -> None:
        seen.append(remaining())
        await asyncio.sleep(100)

    @b.guard
    async def handler() -> None:
        await asyncio.sleep(0.5)
        await lookup()

    began = b.clock()
    with pytest.raises(TimedOut):
        b.clock.run(handler())
    assert b.clock() - began == pytest.approx(2.0)
    assert seen == [pytest.approx(1.5)]
    assert remaining() is None


def test_bulkhead_rejects_and_gives_back_what_the_rate_limit_granted() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1), rate_limit=RateLimit(rate=1, burst=2))

    async def main() -> list[Any]:
        gate = asyncio.Event()
        first = asyncio.create_task(b.guard.acall(gate.wait))
        await asyncio.sleep(0)
        second = await asyncio.gather(b.guard.acall(gate.wait), return_exceptions=True)
        available = b.count("rate_limiter_available")
        gate.set()
        return [await first, second[0], available]

    first, second, available = b.clock.run(main())
    assert first is True
    assert isinstance(second, BulkheadFull)
    assert available == pytest.approx(1.0)
    assert b.count("bulkhead_in_flight") == 0
    assert b.count("rejections", "bulkhead", "full") == 1


def test_bulkhead_queue_is_first_in_first_out_and_bounded() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=2, max_wait=10))
    order: list[int] = []

    async def work(i: int) -> None:
        order.append(i)
        await asyncio.sleep(1)

    async def main() -> list[Any]:
        return await asyncio.gather(*(b.guard.acall(work, i) for i in range(4)), return_exceptions=True)

    results = b.clock.run(main())
    assert order == [0, 1, 2]
    assert isinstance(results[3], BulkheadFull)
    assert results[3].reason == "queue_full"
    assert b.count("bulkhead_queued") == 0


def test_a_cancelled_waiter_gives_its_place_back() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=10))

    async def main() -> None:
        gate = asyncio.Event()
        tasks = [asyncio.create_task(b.guard.acall(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0.1)
        tasks[1].cancel()
        gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[0] is True
        assert isinstance(results[1], asyncio.CancelledError)
        assert results[2] is True

    b.clock.run(main())
    assert b.count("bulkhead_in_flight") == 0
    assert b.guard.bulkhead is not None
    assert not b.guard.bulkhead.waiters


def test_block_is_one_guarded_attempt() -> None:
    b = Bench("sync", breaker=Breaker(minimum_calls=1, window_calls=1), bulkhead=Bulkhead(limit=1))
    with b.guard:
        assert b.count("bulkhead_in_flight") == 1
    with pytest.raises(ConnectionError), b.guard:
        raise ConnectionError
    with pytest.raises(BreakerOpen), b.guard:
        raise AssertionError("the block must not run")
    assert b.count("attempts", "default", "success") == 1
    assert b.count("attempts", "default", "failure") == 1
    assert b.count("bulkhead_in_flight") == 0


def test_async_block_is_cancelled_when_its_time_is_over() -> None:
    b = Bench("async", timeout=Timeout(attempt=1.0))

    async def main() -> None:
        async with b.guard:
            await asyncio.sleep(10)

    with pytest.raises(TimedOut):
        b.clock.run(main())
    assert b.count("timeouts", "default", "attempt") == 1
    assert remaining() is None


def test_a_failed_calls_frame_dies_with_the_exception(bench: Callable[..., Bench]) -> None:
    class Big: ...

    b = bench(breaker=Breaker(), retry=Retry(attempts=2, base_delay=0))
    dead: list[weakref.ref[Big]] = []

    def body() -> None:
        big = Big()
        dead.append(weakref.ref(big))
        raise ConnectionError

    gc.disable()
    try:
        if b.how == "sync":
            with pytest.raises(ConnectionError):
                b.once(body)
            assert [ref() for ref in dead] == [None, None]
    finally:
        gc.enable()


def test_generators_are_refused_when_decorated() -> None:
    guard = Guard("bank", registry=Registry("t"))
    with pytest.raises(ConfigurationError, match="can't guard the generator"):

        @guard
        def rows() -> Any:
            yield 1


def test_declared_operations_are_counted_apart_and_others_refused() -> None:
    guard = Guard("files", operations=("get", "put"), registry=Registry("t"))
    assert guard.operation("put").call(lambda: 1) == 1
    assert guard.read()[guard.ledger.layout.at("calls", "put", "success")] == 1
    assert guard.read()[guard.ledger.layout.at("calls", "get", "success")] == 0
    with pytest.raises(ConfigurationError, match="get, put"):
        guard.operation("delete")
    with pytest.raises(ConfigurationError, match="get, put"):
        guard.call(lambda: 1)


def test_a_listener_that_raises_is_counted_and_the_call_goes_on() -> None:
    registry = Registry("t")
    registry.subscribe(lambda event: 1 / 0, name="broken")
    guard = Guard("bank", retry=Retry(attempts=2, base_delay=0), registry=registry)
    assert guard.call(flaky(ConnectionError())) == "answer"
    assert registry.listener_errors == {"broken": 1}


def test_all_violations_in_one_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Breaker(failure_ratio=1.5, window_calls=0, open_for=-1, record=ValueError)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 4
    assert "Breaker.failure_ratio is 1.5; allowed: a number > 0 and <= 1" in caught.value.problems


def test_a_name_is_taken_once() -> None:
    registry = Registry("t")
    Guard("bank", registry=registry)
    with pytest.raises(ConfigurationError, match="'bank'"):
        Guard("bank", registry=registry)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "a\x00", "\ud800", "\u2028"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        Guard(name, registry=Registry("t"))


def test_rejections_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(BreakerOpen("bank", "breaker", "open", 3.0)))
    assert (error.dependency, error.policy, error.reason, error.retry_after) == (
        "bank",
        "breaker",
        "open",
        3.0,
    )
    late = pickle.loads(pickle.dumps(TimedOut("bank", "total", 2.0)))
    assert (late.dependency, late.scope, late.limit) == ("bank", "total", 2.0)


def test_hash_of_the_document_follows_the_settings() -> None:
    def document(ratio: float) -> dict[str, Any]:
        registry = Registry("t")
        Guard("bank", breaker=Breaker(failure_ratio=ratio), registry=registry)
        return registry.describe()

    assert document(0.5) == document(0.5)
    assert document(0.5)["hash"] != document(0.4)["hash"]
    assert document(0.5)["guards"][0]["policies"]["breaker"]["failure_ratio"] == 0.5
