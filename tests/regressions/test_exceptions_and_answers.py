"""Strange exceptions, predicates and keys change neither what the caller gets nor what is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from seawall.resilience import (
    Breaker,
    Fallback,
    Guard,
    RateLimit,
    Registry,
    Retry,
    RetryBudget,
    TimedOut,
    Timeout,
)
from seawall.resilience.events import RetryExhausted, Transition
from seawall.testing import ManualClock, Recording


def guard(registry: Registry | None = None, **settings: Any) -> Guard:
    return Guard("bank", registry=registry if registry is not None else Registry("t"), **settings)


def total(of: Guard, field: str) -> float:
    reading = of.read()
    return sum(reading[e.offset] for e in of.ledger.layout.entries if e.field.name == field)


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


def raising(error: BaseException) -> Any:
    def body(*_: object) -> None:
        raise error

    return body


def test_an_exception_that_takes_no_notes_is_handed_on_as_it_is() -> None:
    of = guard(retry=Retry(attempts=2, base_delay=0))
    with pytest.raises(Frozen):
        of.call(raising(Frozen(3)))
    assert (total(of, "calls"), total(of, "attempts")) == (1, 2)


def test_one_exception_raised_again_and_again_gathers_one_note() -> None:
    of = guard(retry=Retry(attempts=2, base_delay=0, budget=None))
    error = ConnectionError()
    for _ in range(5):
        with pytest.raises(ConnectionError):
            of.call(raising(error))
    assert len(error.__notes__) == 1


def test_a_key_that_raises_costs_neither_the_answer_nor_the_exception() -> None:
    registry = Registry("t")
    of = guard(registry, fallback=Fallback(stale_for=60, key=lambda d: d["id"]))
    assert of.call(lambda d: "fine", {}) == "fine"
    with pytest.raises(ConnectionError):
        of.call(raising(ConnectionError()), {})
    assert total(of, "calls") == 2
    assert registry.listener_errors["fallback.key"] >= 2


@dataclass
class Session:
    """Equal to others of the same user, who may change: so Python gives it no hash."""

    user: str
    down: bool = False


@pytest.mark.parametrize("keyed", [False, True])
def test_answers_to_the_method_of_an_object_without_a_hash(
    keyed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """They are kept by what their key says, or not at all; whose they are, and what to do, is said once."""
    key = (lambda session, currency: (session.user, currency)) if keyed else None
    of = guard(fallback=Fallback(stale_for=60, key=key, default="none"))

    class Account(Session):
        @of
        def balance(self, currency: str) -> str:
            if self.down:
                raise ConnectionError
            return f"{self.user} {currency}"

    one, other = Account("alice"), Account("bob")
    assert [a.balance("EUR") for a in (one, other)] == ["alice EUR", "bob EUR"]
    one.down = other.down = True
    assert [a.balance("EUR") for a in (one, other)] == (["alice EUR", "bob EUR"] if keyed else ["none"] * 2)
    one.user = "carol"
    assert one.balance("EUR") == "none"
    name = "test_answers_to_the_method_of_an_object_without_a_hash.<locals>.Account.balance"
    advice = f"no answer of {name} is kept for stale_for: type Account has no hash, so pass Fallback(key=...)"
    assert [record.getMessage() for record in caplog.records] == (
        [] if keyed else [f"{advice}, a function of its arguments"]
    )
    assert of.registry.listener_errors.get("fallback.key", 0) == (0 if keyed else 5)


def test_a_predicate_that_raises_is_counted_and_says_no() -> None:
    registry = Registry("t")
    of = guard(registry, breaker=Breaker(record_result=lambda answer: answer.missing))
    assert of.call(lambda: 7) == 7
    assert of.call(lambda: 7) == 7
    assert total(of, "attempts") == 2
    assert registry.listener_errors["predicate"] >= 2


def test_equal_code_in_two_modules_gives_two_answers() -> None:
    source = "def get(x):\n    return NAME + x\n"
    europe: dict[str, Any] = {"NAME": "eu:"}
    states: dict[str, Any] = {"NAME": "us:"}
    exec(compile(source, "europe.py", "exec"), europe)
    exec(compile(source, "states.py", "exec"), states)
    of = guard(fallback=Fallback(stale_for=60, default="none"))
    assert of.call(europe["get"], "alice") == "eu:alice"
    del states["NAME"]
    assert of.call(states["get"], "alice") == "none"


def test_equal_arguments_of_other_types_are_other_questions() -> None:
    class Bank:
        down = False

        def ask(self, x: object) -> str:
            if self.down:
                raise ConnectionError
            return repr(x)

    of, bank = guard(fallback=Fallback(stale_for=60, default="none")), Bank()
    assert of.call(bank.ask, 1) == "1"
    bank.down = True
    assert of.call(bank.ask, 1) == "1"
    assert of.call(bank.ask, True) == "none"
    assert of.call(bank.ask, 1.0) == "none"


def test_probes_just_sent_do_not_fail_a_quiet_half_open_round() -> None:
    clock = ManualClock()
    breaker = Breaker(
        window_calls=1, minimum_calls=1, open_for=30, half_open_permits=3, half_open_max_wait=60
    )
    of = guard(breaker=breaker, clock=clock)
    with pytest.raises(ConnectionError):
        of.call(raising(ConnectionError()))
    clock.advance(31)
    of.call(int)
    clock.advance(70)
    with of, of:
        with pytest.raises(Exception, match="half_open"):
            of.call(int)
        assert of.state == "half_open"
    assert of.state == "closed"


def test_a_reset_does_not_count_what_was_in_flight() -> None:
    of = guard(breaker=Breaker(window_calls=1, minimum_calls=1))
    with pytest.raises(ConnectionError), of:
        _reset_then_fail(of)
    assert of.state == "closed"


def _reset_then_fail(of: Guard) -> None:
    of.force("closed")
    raise ConnectionError


def test_metrics_only_keeps_no_more_than_its_window() -> None:
    of = guard(breaker=Breaker(window_calls=10, minimum_calls=10))
    of.force("metrics_only")
    for _ in range(500):
        with pytest.raises(ConnectionError):
            of.call(raising(ConnectionError()))
    assert of.breaker is not None
    assert len(of.breaker.window.failures) <= 10


@pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
def test_no_wait_begins_that_the_total_can_not_hold() -> None:
    clock = ManualClock()
    of = guard(
        rate_limit=RateLimit(rate=0.1, max_wait=60),
        timeout=Timeout(total=1.0),
        clock=clock,
        sleep=clock.sleep,
    )
    of.call(int)
    began = clock()
    with pytest.raises(TimedOut):
        of.call(int)
    assert clock() == began


def test_what_never_began_is_no_exhausted_retry_and_no_negative_limit() -> None:
    clock, registry, events = ManualClock(), Registry("t"), Recording()
    registry.subscribe(events)
    outer = guard(timeout=Timeout(attempt=1.0), clock=clock)
    inner = guard(registry, retry=Retry(), timeout=Timeout(attempt=1.0), clock=clock)

    def body() -> None:
        clock.advance(3)
        inner.call(int)

    with pytest.raises(TimedOut) as caught:
        outer.call(body)
    assert caught.value.limit >= 0
    assert events.of(RetryExhausted) == []


def test_late_is_no_reason_to_open_without_slow_after() -> None:
    clock = ManualClock()
    of = guard(breaker=Breaker(window_calls=2, minimum_calls=1), timeout=Timeout(total=1.0), clock=clock)
    for _ in range(5):
        of.call(clock.advance, 1.5)
    assert of.state == "closed"
    reading = of.read()
    assert reading[of.ledger.layout.at("attempts", "default", "slow")] == 5


def test_calls_sent_away_earn_no_retries() -> None:
    clock = ManualClock()
    retry = Retry(attempts=2, base_delay=0, budget=RetryBudget(ratio=0.2, floor_per_second=0, ttl=10))
    of = guard(retry=retry, breaker=Breaker(minimum_calls=10**6, window_calls=10**6), clock=clock)
    of.force("forced_open")
    for _ in range(1000):
        with pytest.raises(Exception, match="forced_open"):
            of.call(int)
    of.force("closed")
    for _ in range(200):
        with pytest.raises(ConnectionError):
            of.call(raising(ConnectionError()))
    assert total(of, "retries") <= 0.2 * 200


def test_transitions_decided_while_one_is_handed_out_keep_their_order() -> None:
    registry, seen = Registry("t"), []
    of = guard(registry, breaker=Breaker(window_calls=1, minimum_calls=1))

    def listener(event: Any) -> None:
        if isinstance(event, Transition):
            if event.to_state == "open":
                of.force("closed")
            seen.append((event.number, event.to_state))

    registry.subscribe(listener)
    with pytest.raises(ConnectionError):
        of.call(raising(ConnectionError()))
    assert [state for _, state in seen] == ["open", "closed"]
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)
