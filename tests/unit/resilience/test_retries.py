"""Back-off, rules by error, results worth another attempt, Retry-After, idempotency."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.resilience.bench import Bench, fails, flaky

from seawall.resilience import (
    Breaker,
    ConfigurationError,
    Fallback,
    Guard,
    Registry,
    Retry,
    RetryRule,
)
from seawall.resilience.backoff import BACKOFFS, JITTERS, Pace
from seawall.resilience.events import RetryExhausted, RetryScheduled


class Busy(Exception):
    def __init__(self, retry_after: object = None) -> None:
        self.retry_after = retry_after


def delays(b: Bench) -> list[float]:
    return [event.delay for event in b.events.of(RetryScheduled)]


def steady(**settings: Any) -> Retry:
    return Retry(**({"jitter": "none", "budget": None, "base_delay": 1.0, "max_delay": 60.0} | settings))


# -- back-off


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1, 1]),
        ("exponential", [1, 2, 4, 8, 16, 20]),
        ("fibonacci", [1, 1, 2, 3, 5, 8]),
    ],
)
def test_delays_grow_as_set(bench: Callable[..., Bench], backoff: str, expected: list[float]) -> None:
    b = bench(retry=steady(attempts=7, backoff=backoff, max_delay=20.0))
    b(fails(ConnectionError()))
    assert delays(b) == expected


def test_decorrelated_delays_are_drawn_from_the_one_before() -> None:
    pace = Pace(9, "decorrelated", 1.0, 10.0, 2.0, "full")
    assert pace.delay(1, 0.0, lambda: 0.0) == 1.0
    assert pace.delay(1, 0.0, lambda: 0.5) == 2.0
    assert pace.delay(2, 2.0, lambda: 0.5) == 3.5
    assert pace.delay(3, 9.0, lambda: 0.99) == 10.0
    b = Bench("sync", retry=steady(attempts=50, backoff="decorrelated", jitter="full", max_delay=10.0))
    b(fails(ConnectionError()))
    before = 1.0
    for delay in delays(b):
        assert 1.0 <= delay <= min(10.0, 3 * before)
        before = delay
    assert max(delays(b)) > 3.0


@given(
    st.sampled_from(BACKOFFS),
    st.sampled_from(JITTERS),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.floats(1, 1e6),
    st.integers(1, 100),
    st.integers(),
)
def test_no_delay_is_ever_negative_or_beyond_the_most(
    backoff: str, jitter: str, base: float, more: float, multiplier: float, retry: int, seed: int
) -> None:
    pace = Pace(100, backoff, base, base + more, multiplier, jitter)
    assert 0 <= pace.delay(retry, base, random.Random(seed).random) <= base + more


@pytest.mark.parametrize(("jitter", "least", "most"), [("full", 0.0, 4.0), ("equal", 2.0, 4.0)])
def test_jitter_spreads(jitter: str, least: float, most: float) -> None:
    pace = Pace(9, "exponential", 1.0, 60.0, 2.0, jitter)
    assert pace.delay(3, 0.0, lambda: 0.0) == least
    assert pace.delay(3, 0.0, lambda: 1.0) == most


# -- rules by error


def test_the_first_rule_that_fits_decides(bench: Callable[..., Bench]) -> None:
    rules = (
        (TimeoutError, RetryRule(attempts=4, backoff="constant", base_delay=5.0)),
        (OSError, RetryRule(attempts=1)),
        (ZeroDivisionError, RetryRule(base_delay=7.0)),
    )
    b = bench(retry=steady(attempts=2, on=(KeyError, OSError), per_error=rules))
    assert isinstance(b(fails(TimeoutError())), TimeoutError)
    assert delays(b) == [5.0, 5.0, 5.0]
    b.events.clear()
    b(fails(ConnectionError()))
    assert delays(b) == []
    b(fails(ZeroDivisionError()))
    assert delays(b) == [7.0], "a rule makes its type worth a retry"
    b.events.clear()
    b(fails(KeyError()))
    assert delays(b) == [1.0]
    b(fails(ValueError()))
    assert b.count("retry_calls", "default", "not_retryable") == 1
    assert b.count("retry_calls", "default", "exhausted") == 4


# -- results


def pending(times: int) -> Callable[[], str]:
    left = ["pending"] * times

    def body() -> str:
        return left.pop() if left else "ready"

    return body


def not_ready(result: object) -> bool:
    return result == "pending"


def test_a_result_may_be_worth_another_attempt(bench: Callable[..., Bench]) -> None:
    b = bench(retry=steady(on_result=not_ready), breaker=Breaker(minimum_calls=1, window_calls=1))
    assert b(pending(2)) == "ready"
    assert b.count("retry_calls", "default", "recovered") == 1
    assert b.count("attempts", "default", "success") == 3
    assert b.count("calls", "default", "success") == 1
    assert [e.error for e in b.events.of(RetryScheduled)] == ["result", "result"]
    assert b.guard.state == "closed"
    assert b(lambda: "ready") == "ready"
    assert b.count("retry_calls", "default", "first_try") == 1


@pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
def test_the_last_result_is_handed_on_and_not_kept_for_stale_answers(bench: Callable[..., Bench]) -> None:
    b = bench(retry=steady(on_result=not_ready), fallback=Fallback(stale_for=60, default="none"))
    answers = iter(["good", "pending", "pending", "pending"])

    def body() -> Any:
        return next(answers, None) or fails(ConnectionError())()

    assert b(body) == "good"
    assert b(body) == "pending"
    assert b.count("retry_calls", "default", "exhausted") == 1
    assert b.events.of(RetryExhausted)[0].error == "result"
    assert b.count("calls", "default", "success") == 2
    if b.how == "sync":
        assert b(body) == "good"


def test_an_exception_after_a_result_is_the_callers(bench: Callable[..., Bench]) -> None:
    b = bench(retry=steady(attempts=2, on_result=not_ready))
    answers: list[Any] = ["pending"]
    body = lambda: answers.pop() if answers else fails(KeyError())()  # noqa: E731 - one function, two moods
    assert isinstance(b(body), KeyError)


def test_results_judged_by_breaker_and_retry(bench: Callable[..., Bench]) -> None:
    breaker = Breaker(minimum_calls=3, window_calls=3, record_result=lambda result: result == "broken")
    b = bench(breaker=breaker, retry=steady(attempts=2, on_result=not_ready))
    assert b(lambda: "broken", times=2) == "broken"
    assert b.count("retries", "default") == 0
    assert b(lambda: "pending") == "pending"
    assert b.count("retries", "default") == 0, "the breaker opened with the third result"
    assert b.guard.state == "open"


def test_a_predicate_that_raises_wants_every_result_and_is_counted(bench: Callable[..., Bench]) -> None:
    b = bench(retry=steady(on_result=lambda result: result.missing))
    assert b(lambda: 5) == 5
    assert b.count("retries", "default") == 0
    assert b.registry.listener_errors["predicate"] >= 1


def test_a_cancelled_wait_after_a_result_is_cancelled() -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    b = Bench("sync", retry=steady(on_result=not_ready))
    b.guard.sleep = interrupted
    assert isinstance(b(pending(1)), KeyboardInterrupt)
    assert b.count("calls", "default", "cancelled") == 1


# -- retry-after


@pytest.mark.parametrize(
    ("said", "waited"),
    [(7.5, 7.5), ("12", 12.0), (0, 1.0), (-5, 1.0), (nan, 1.0), ("soon", 1.0), (True, 1.0)],
)
def test_no_retry_comes_sooner_than_asked(bench: Callable[..., Bench], said: object, waited: float) -> None:
    b = bench(retry=steady())
    assert b(flaky(Busy(said))) == "answer"
    assert delays(b) == [waited]


@pytest.mark.parametrize("said", [60.1, inf, 10**400])
def test_a_call_that_is_asked_to_wait_too_long_ends_at_once(
    bench: Callable[..., Bench], said: object
) -> None:
    b = bench(retry=steady())
    error = Busy(said)
    assert b(fails(error)) is error
    assert b.count("retry_calls", "default", "exhausted") == 1
    assert b.count("retries", "default") == 0


def test_retry_after_is_read_by_a_function(bench: Callable[..., Bench]) -> None:
    def header(error: BaseException) -> str:
        return {"Retry-After": "30"}[str(error)]

    b = bench(retry=steady(retry_after=header, max_retry_after=30))
    assert b(flaky(ConnectionError("Retry-After"))) == "answer"
    assert b(flaky(ConnectionError("X-Other"))) == "answer"
    assert delays(b) == [30.0, 1.0]
    assert b.registry.listener_errors["retry_after"] == 1


# -- idempotency


def test_only_what_may_be_repeated_is(bench: Callable[..., Bench]) -> None:
    retry = steady(idempotent=("read",), unsent=(ConnectionRefusedError,), on_result=not_ready)
    b = bench(retry=retry, operations=("read", "pay"))
    read, pay = b.guard.operation("read"), b.guard.operation("pay")
    for error, retries in ((TimeoutError(), 0), (ConnectionRefusedError(), 1)):
        assert pay_once(pay, flaky(error)) == ("answer" if retries else error)
        assert b.count("retries", "pay") == retries
    mixed = ExceptionGroup("", [ConnectionRefusedError(), TimeoutError()])
    assert pay_once(pay, flaky(mixed)) is mixed, "a group that is not unsent as a whole"
    assert pay_once(pay, pending(1)) == "pending"
    assert pay_once(read, flaky(TimeoutError())) == "answer"
    assert pay_once(read, pending(1)) == "ready"
    assert b.count("retry_calls", "pay", "not_retryable") == 2


def pay_once(operation: Any, body: Callable[[], Any]) -> Any:
    try:
        return operation.call(body)
    except Exception as error:
        return error


def test_idempotent_names_declared_operations() -> None:
    with pytest.raises(ConfigurationError, match=r"retry.idempotent is 'reed'; allowed: read, pay"):
        Guard("bank", retry=Retry(idempotent=("reed",)), operations=("read", "pay"), registry=Registry("t"))
    b = Bench("sync", retry=steady(idempotent=()))
    b(fails(ConnectionError()))
    assert b.count("retries", "default") == 0
