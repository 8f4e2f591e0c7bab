"""What an observer and a listener are told of a call, to the last fact and in this order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Breaker, Fallback, Guard, Retry, RetryBudget, Timeout
from seawall.resilience.journey import Journey

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")

Make = Callable[..., Bench]
OURS = {"dependency", "operation", "number", "at"}
RETRY: dict[str, Any] = {"base_delay": 0.5, "jitter": "none", "budget": None}


class Told:
    """An observer, its watch and a listener in one."""

    def __init__(self, b: Bench) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.slots: list[int] = []
        b.registry.observe(self)
        b.registry.subscribe(self)

    def watching(self) -> bool:
        return True

    def call_started(self, guard: Guard, operation: str) -> Told:
        self.log.append(("call", guard.name, operation))
        return self

    def attempt_started(self, number: int) -> None:
        self.log.append(("attempt", number))

    def attempt_ended(self, outcome: str, error: str, slot: int, seconds: float) -> None:
        self.log.append(("attempt ended", outcome, error, seconds))
        self.slots.append(slot)

    def wait_started(self, reason: str) -> None:
        self.log.append(("wait", reason))

    def wait_ended(self) -> None:
        self.log.append(("wait ended",))

    def call_ended(
        self, outcome: str, attempts: int, state: str, error: str, slot: int, seconds: float
    ) -> None:
        self.log.append(("ended", outcome, attempts, state, error, seconds))
        self.slots.append(slot)

    def __call__(self, event: Any) -> None:
        facts = {name: value for name, value in asdict(event).items() if name not in OURS}
        self.log.append((type(event).__name__, event.dependency, event.operation, facts))


def built(bench: Make, **policies: Any) -> tuple[Bench, Told]:
    b = bench(operations=("default", "pay"), **policies)
    return b, Told(b)


def pay(b: Bench, body: Callable[[], Any]) -> Any:
    """A call of the operation that is not the first; exceptions are returned."""

    async def task() -> Any:
        return body()

    operation = b.guard.operation("pay")
    try:
        return operation.call(body) if b.how == "sync" else b.clock.run(operation.acall(task))
    except BaseException as error:
        return error


def slow(b: Bench, seconds: float, error: BaseException | None = None) -> Callable[[], Any]:
    def body() -> str:
        b.clock.advance(seconds)
        if error is not None:
            raise error
        return "answer"

    return body


CALL = ("call", "bank", "pay")


def test_a_success(bench: Make) -> None:
    b, told = built(bench)
    assert pay(b, slow(b, 0.25)) == "answer"
    assert told.log == [
        CALL,
        ("attempt", 1),
        ("attempt ended", "success", "", 0.25),
        ("ended", "success", 1, "", "", 0.25),
    ]
    # Both are slots of histograms that counted this call.
    assert [b.guard.ledger.slots[slot] for slot in told.slots] == [1, 1]
    attempts, calls = (
        b.guard.ledger.layout.entry(field, "pay") for field in ("attempt_duration", "call_duration")
    )
    assert [slot - entry.offset for slot, entry in zip(told.slots, (attempts, calls), strict=True)] == [
        sum(bound < 0.25 for bound in entry.bounds) for entry in (attempts, calls)
    ]


def test_a_failure(bench: Make) -> None:
    b, told = built(bench, breaker=Breaker(minimum_calls=9))
    error = pay(b, slow(b, 0.5, KeyError("no")))
    assert told.log[1:] == [
        ("attempt", 1),
        ("attempt ended", "failure", "KeyError", 0.5),
        ("CallFailed", "bank", "pay", {"error": "KeyError", "outcome": "failure", "attempts": 1}),
        ("ended", "failure", 1, "closed", "KeyError", 0.5),
    ]
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize("attempts", [2, 3])
def test_retries_that_are_exhausted(bench: Make, attempts: int) -> None:
    b, told = built(bench, retry=Retry(attempts=attempts, **RETRY))
    errors = [KeyError(), OSError(), ValueError()]
    error = pay(b, lambda: fails(errors.pop())())
    names = ["ValueError", "OSError", "KeyError"]
    expected: list[tuple[Any, ...]] = [CALL, ("attempt", 1), ("attempt ended", "failure", names[0], 0.0)]
    for n in range(2, attempts + 1):
        delay = 0.5 * 2 ** (n - 2)
        scheduled = {"attempt": n, "delay": delay, "error": names[n - 2]}
        expected += [
            ("RetryScheduled", "bank", "pay", scheduled),
            ("wait", "retry"),
            ("wait ended",),
            ("attempt", n),
            ("attempt ended", "failure", names[n - 1], 0.0),
        ]
    last, took = names[attempts - 1], 0.5 * (2 ** (attempts - 1) - 1)
    assert told.log == [
        *expected,
        ("RetryExhausted", "bank", "pay", {"attempts": attempts, "error": last}),
        ("CallFailed", "bank", "pay", {"error": last, "outcome": "failure", "attempts": attempts}),
        ("ended", "failure", attempts, "", last, took),
    ]
    assert error.__notes__ == [f"bank: gave up after {attempts} attempts"]
    assert b.count("retry_delay_seconds", "pay") == took
    assert b.count("retry_calls", "pay", "exhausted") == 1


def test_a_result_that_is_not_wanted(bench: Make) -> None:
    b, told = built(bench, retry=Retry(attempts=2, on_result=lambda result: result == "busy", **RETRY))
    assert pay(b, lambda: "busy") == "busy"
    events = [entry for entry in told.log if entry[0].startswith("Retry")]
    assert events == [
        ("RetryScheduled", "bank", "pay", {"attempt": 2, "delay": 0.5, "error": "result"}),
        ("RetryExhausted", "bank", "pay", {"attempts": 2, "error": "result"}),
    ]
    assert told.log[-1] == ("ended", "success", 2, "", "", 0.5)


def test_a_budget_that_is_spent(bench: Make) -> None:
    budget = RetryBudget(ratio=0.0, floor_per_second=0.0)
    b, told = built(bench, retry=Retry(attempts=3, budget=budget))
    pay(b, fails(KeyError()))
    assert told.log[3] == ("BudgetExhausted", "bank", "pay", {"attempt": 2, "error": "KeyError"})
    assert b.count("retry_calls", "pay", "budget_exhausted") == 1


def test_a_wait_that_no_deadline_leaves_room_for(bench: Make) -> None:
    b, told = built(bench, retry=Retry(attempts=3, **RETRY), timeout=Timeout(total=0.5))
    pay(b, fails(KeyError()))
    assert told.log[3] == ("RetryExhausted", "bank", "pay", {"attempts": 1, "error": "KeyError"})


@pytest.mark.parametrize(("wait", "attempts"), [(4.0, 2), (4.5, 1)])
def test_a_dependency_asks_for_patience(bench: Make, wait: float, attempts: int) -> None:
    retry = Retry(attempts=2, retry_after=lambda error: error.args[0], max_retry_after=4.0, **RETRY)
    b, told = built(bench, retry=retry)
    pay(b, fails(KeyError(wait)))
    exhausted = ("RetryExhausted", "bank", "pay", {"attempts": attempts, "error": "KeyError"})
    assert [entry for entry in told.log if entry[0] == "RetryExhausted"] == [exhausted]
    assert b.count("retry_delay_seconds", "pay") == (4.0 if attempts == 2 else 0.0)


def test_a_call_that_is_turned_away(bench: Make) -> None:
    b, told = built(bench, breaker=Breaker(), retry=Retry(attempts=2, **RETRY))
    b.guard.force("forced_open")
    told.log.clear()
    pay(b, lambda: 1)
    rejected = {"policy": "breaker", "reason": "forced_open", "retry_after": None}
    assert told.log == [
        CALL,
        ("CallRejected", "bank", "pay", rejected),
        ("CallFailed", "bank", "pay", {"error": "BreakerOpen", "outcome": "rejected", "attempts": 0}),
        ("ended", "rejected", 0, "forced_open", "BreakerOpen", 0.0),
    ]
    assert sum(b.count("retry_calls", "pay", x) for x in ("first_try", "not_retryable", "exhausted")) == 0


def test_an_exception_that_is_an_answer(bench: Make) -> None:
    b, told = built(bench, breaker=Breaker(ignore=(KeyError,)), fallback=Fallback(default="none"))
    assert type(pay(b, fails(KeyError()))) is KeyError
    assert told.log[-2:] == [
        ("attempt ended", "ignored", "KeyError", 0.0),
        ("ended", "success", 1, "closed", "KeyError", 0.0),
    ]


def test_an_interrupt(bench: Make) -> None:
    b, told = built(bench, retry=Retry(attempts=2, **RETRY), fallback=Fallback(default="none"))

    class Alarm(BaseException): ...

    assert type(pay(b, fails(Alarm()))) is Alarm
    assert told.log[-2:] == [
        ("attempt ended", "cancelled", "Alarm", 0.0),
        ("ended", "cancelled", 1, "", "Alarm", 0.0),
    ]


def test_a_call_that_is_given_up() -> None:
    b, told = built(lambda **policies: Bench("sync", **policies))
    travel = Journey(b.guard.operation("pay"), int, (), {}).run()
    next(travel)
    b.clock.advance(0.5)
    travel.close()
    assert told.log[-1] == ("ended", "cancelled", 1, "", "GeneratorExit", 0.5)
    assert b.count("calls", "pay", "cancelled") == 1


def test_a_block(bench: Make) -> None:
    b, told = built(bench)

    async def ablock() -> None:
        async with b.guard:
            b.clock.advance(0.5)

    if b.how == "sync":
        with b.guard:
            b.clock.advance(0.5)
    else:
        b.clock.run(ablock())
    assert told.log[0] == ("call", "bank", "default")
    assert told.log[-1] == ("ended", "success", 1, "", "", 0.5)


def degraded(mode: str, outcome: str, age: float | None = None) -> tuple[Any, ...]:
    facts = {"mode": mode, "outcome": outcome, "cause": "KeyError", "stale_age": age}
    return ("CallDegraded", "bank", "pay", facts)


def test_fallbacks_one_after_the_other(bench: Make) -> None:
    def alternative() -> None:
        raise OSError

    b, told = built(bench, fallback=Fallback(alternative=alternative, stale_for=60, default="none"))
    assert pay(b, fails(KeyError())) == "none"
    assert told.log[3:] == [
        degraded("alternative", "failed"),
        degraded("stale", "failed"),
        degraded("default", "served"),
        ("ended", "degraded", 1, "", "KeyError", 0.0),
    ]
    assert [b.count("degradations", "pay", mode, "failed") for mode in ("alternative", "stale")] == [1, 1]
    assert b.count("degradations", "pay", "default", "served") == 1


def test_a_fallback_that_is_interrupted(bench: Make) -> None:
    class Alarm(BaseException): ...

    b, told = built(bench, fallback=Fallback(alternative=fails(Alarm()), default="none"))
    assert type(pay(b, fails(KeyError()))) is Alarm
    assert told.log[3:] == [("ended", "cancelled", 1, "", "KeyError", 0.0)]


def test_an_answer_that_was_kept(bench: Make) -> None:
    b, told = built(bench, fallback=Fallback(stale_for=60))
    began = b.clock()

    def body() -> str:
        if b.clock() > began:
            raise KeyError
        return "answer"

    async def abody() -> str:
        return body()

    call: Any = b.guard.operation("pay")(body if b.how == "sync" else abody)
    for _ in range(2):
        answer = call() if b.how == "sync" else b.clock.run(call())
        assert answer == "answer"
        b.clock.advance(5)
    assert degraded("stale", "served", 5.0) in told.log
    entry = b.guard.ledger.layout.entry("stale_age")
    assert b.guard.ledger.slots[entry.offset + entry.size - 1] == 5.0
