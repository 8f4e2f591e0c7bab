"""How retrying ended, and from what each delay is reckoned."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.resilience.bench import Bench, fails, flaky

from seawall.resilience import BreakerOpen, Guard, RateLimit, Registry, Retry
from seawall.resilience import journey as module

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")

Make = Callable[..., Bench]
ENDS = ("first_try", "recovered", "exhausted", "not_retryable")


def ends(b: Bench) -> dict[str, float]:
    counted = {end: b.count("retry_calls", "default", end) for end in ENDS}
    return {end: number for end, number in counted.items() if number}


def test_each_call_ends_in_one_way(bench: Make) -> None:
    b = bench(retry=Retry(attempts=2, base_delay=0.5, jitter="none", budget=None, on=(OSError,)))
    b.guard.fail_by(lambda operation: None)
    assert b(flaky()) == "answer"
    assert ends(b) == {"first_try": 1}
    assert b(flaky(OSError())) == "answer"
    assert ends(b) == {"first_try": 1, "recovered": 1}
    b(fails(KeyError()))
    assert ends(b) == {"first_try": 1, "recovered": 1, "not_retryable": 1}
    b(fails(OSError()))
    assert ends(b) == {"first_try": 1, "recovered": 1, "not_retryable": 1, "exhausted": 1}


def test_what_a_layer_below_refused_is_not_asked_again(bench: Make) -> None:
    b = bench(retry=Retry(attempts=3, base_delay=0.5, jitter="none", budget=None))
    b.guard.below = (Guard("inner", registry=Registry("i")),)
    assert isinstance(b(fails(BreakerOpen("inner", "breaker", "open", None))), BreakerOpen)
    assert ends(b) == {"not_retryable": 1}
    assert b.count("retries", "default") == 0


def test_a_delay_is_reckoned_from_the_one_before(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "random", lambda: 0.25)
    retry = Retry(
        attempts=3, backoff="decorrelated", base_delay=0.5, max_delay=60.0, jitter="full", budget=None
    )
    b = bench(retry=retry)
    b(fails(OSError()))
    pace = retry.pace(OSError())
    assert pace is not None
    first = pace.delay(1, 0.0, lambda: 0.25)
    second = pace.delay(2, first, lambda: 0.25)
    assert b.clock() == 1000 + first + second


def test_a_retry_that_is_refused_ends_with_what_had_failed(bench: Make) -> None:
    retry = Retry(attempts=3, base_delay=0.5, jitter="none", budget=None)
    b = bench(retry=retry, rate_limit=RateLimit(rate=0.1, burst=1))
    error = OSError()
    assert b(fails(error)) is error
    assert ends(b) == {"exhausted": 1}
    assert b.count("calls", "default", "failure") == 1
    assert b.count("retry_delay_seconds", "default") == 0.5


def test_who_is_interrupted_asks_no_more_whatever_is_retried(bench: Make) -> None:
    b = bench(retry=Retry(attempts=3, base_delay=0.5, jitter="none", budget=None, on=(BaseException,)))
    b.guard.fail_by(lambda operation: None)
    assert isinstance(b(fails(KeyboardInterrupt())), KeyboardInterrupt)
    assert b.clock() == 1000
    assert b.count("calls", "default", "cancelled") == 1
    assert ends(b) == {}


@pytest.mark.parametrize(("operation", "error", "calls"), [
    ("read", OSError(), 2), ("default", OSError(), 1), ("default", KeyError(), 2),
])  # fmt: skip
def test_what_is_asked_twice_and_what_never_arrived(operation: str, error: Exception, calls: int) -> None:
    retry = Retry(
        attempts=2, base_delay=0.5, jitter="none", budget=None, idempotent=("read",), unsent=(KeyError,)
    )
    b = Bench("sync", retry=retry, operations=("default", "read"))
    with pytest.raises(type(error)):
        b.guard.operation(operation).call(fails(error))
    assert b.count("attempts", operation, "failure") == calls


class Unmarked(Exception):
    """One that takes no notes."""

    def add_note(self, text: str) -> None:
        raise AttributeError(text)


def test_an_exception_that_takes_no_note_goes_on_as_it_is(bench: Make) -> None:
    b = bench(retry=Retry(attempts=2, base_delay=0.5, jitter="none", budget=None))
    error, plain = Unmarked(), OSError()
    assert b(fails(error)) is error
    assert b(fails(plain)) is plain
    assert not hasattr(error, "__notes__")
    assert plain.__notes__ == ["bank: gave up after 2 attempts"]
    assert ends(b) == {"exhausted": 2}
