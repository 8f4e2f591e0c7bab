"""Hedges: when a copy is started, who wins, and what becomes of the others."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.resilience.bench import Bench
from tests.unit.resilience.races import Raced

from seawall.resilience import (
    Breaker,
    ConfigurationError,
    Guard,
    Hedge,
    RateLimit,
    Registry,
    Retry,
    Timeout,
)


def test_settings_out_of_range() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Hedge(delay=0, most=11, operations=["read"])  # type: ignore[arg-type]
    assert caught.value.problems == (
        "Hedge.delay is 0; allowed: a number > 0",
        "Hedge.most is 11; allowed: a whole number >= 1 and <= 10",
        "Hedge.operations is ['read']; allowed: a tuple of names, or None",
    )
    with pytest.raises(ConfigurationError) as caught:
        Hedge(delay=1, most=0, operations=(1,))  # type: ignore[arg-type]
    assert caught.value.problems == (
        "Hedge.most is 0; allowed: a whole number >= 1 and <= 10",
        "Hedge.operations is (1,); allowed: a tuple of names, or None",
    )
    assert Hedge(delay=0.001, most=10).operations is None
    assert Hedge(delay=1).most == 1


def test_hedged_operations_are_operations_of_the_guard() -> None:
    registry = Registry("t")
    with pytest.raises(ConfigurationError) as caught:
        Guard(
            "bank", registry=registry, hedge=Hedge(delay=1, operations=("reed",)), operations=("read", "pay")
        )
    assert caught.value.problems == ("Guard 'bank'.hedge.operations is 'reed'; allowed: read, pay",)
    with pytest.raises(ConfigurationError) as caught:
        Guard("bank", registry=registry, hedge=Hedge(delay=1, operations=("read",)))
    assert caught.value.problems == ("Guard 'bank'.hedge.operations is 'read'; allowed: default",)
    with pytest.raises(ConfigurationError, match="hedge is 1; allowed: a Hedge, or None"):
        Guard("bank", registry=registry, hedge=1)  # type: ignore[arg-type]
    assert Guard("bank", registry=registry, hedge=Hedge(delay=1, operations=("default",))).hedge is not None


def test_what_is_said_of_it() -> None:
    b = Bench("async", hedge=Hedge(delay=0.5, operations=("default",)), timeout=Timeout(attempt=1))
    described = b.guard.describe()
    assert described["policies"]["hedge"] == {"delay": 0.5, "most": 1, "operations": ["default"]}
    assert described["order"] == ["attempt_timeout", "hedge"]
    assert Hedge(delay=2, most=3).describe() == {"delay": 2, "most": 3, "operations": None}


def test_an_answer_in_time_is_not_hedged() -> None:
    b = Raced()
    assert b.race((0.9, "first"), (0, "copy")) == "first"
    assert b.starts == [0]
    assert b.hedges() == {}


def test_the_copy_that_answers_first_wins_and_the_first_is_cancelled() -> None:
    b = Raced()
    assert b.race((9, "first"), (0.5, "copy")) == "copy"
    assert b.took == 1.5
    assert b.starts == [0, 1]
    assert b.dependency.cancelled == 1
    assert b.hedges() == {"won": 1}
    assert b.count("attempts", "default", "success") == 1
    assert b.count("calls", "default", "success") == 1


def test_the_first_may_still_win_and_the_copy_is_cancelled() -> None:
    b = Raced()
    assert b.race((1.5, "first"), (9, "copy")) == "first"
    assert b.took == 1.5
    assert b.dependency.cancelled == 1
    assert b.hedges() == {"lost": 1}


def test_one_copy_each_delay_and_no_more_than_most() -> None:
    b = Raced(hedge=Hedge(delay=1, most=3))
    assert b.race((9, "first"), (9, "a"), (9, "b"), (5, "c")) == "c"
    assert b.starts == [0, 1, 2, 3]
    assert b.took == 8
    assert b.dependency.cancelled == 3
    assert b.hedges() == {"won": 1, "lost": 2}


def test_a_failure_does_not_end_a_race_that_others_can_win() -> None:
    b = Raced()
    assert b.race((1.5, ConnectionError()), (2, "copy")) == "copy"
    assert b.took == 3
    assert b.hedges() == {"won": 1}
    b = Raced()
    assert b.race((2.5, "first"), (1, ConnectionError())) == "first"
    assert b.hedges() == {"failed": 1}
    assert b.count("attempts", "default", "success") == 1


def test_a_copy_may_follow_while_another_still_runs() -> None:
    b = Raced(hedge=Hedge(delay=1, most=2))
    assert b.race((1.5, ConnectionError()), (5, "a"), (1, "b")) == "b"
    assert b.starts == [0, 1, 2]
    assert b.hedges() == {"won": 1, "lost": 1}


def test_when_all_have_failed_there_are_no_more_copies_and_the_first_failure_is_raised() -> None:
    b = Raced(hedge=Hedge(delay=1, most=3))
    first, second = KeyError(1), KeyError(2)
    assert b.race((1.75, second), (0.5, first)) is first
    assert b.took == 1.75
    assert b.race((1.5, first), (1.25, second), (0.125, second)) is first
    assert b.starts == [0, 1, 2]
    assert b.took == 2.25
    assert b.hedges() == {"failed": 3}
    assert b.count("attempts", "default", "failure") == 2


def test_a_failure_before_the_delay_is_the_attempts() -> None:
    b = Raced(retry=Retry(attempts=2, base_delay=0.25, jitter="none", budget=None))
    assert b.race((0.5, ConnectionError()), (0.5, "again")) == "again"
    assert b.starts == [0, 0.75]
    assert b.hedges() == {}
    assert b.count("retries", "default") == 1


def test_each_attempt_has_its_own_race() -> None:
    b = Raced(retry=Retry(attempts=2, base_delay=0.25, jitter="none", budget=None))
    failed = (2, ConnectionError())
    assert b.race(failed, failed, (5, "first"), (1, "copy")) == "copy"
    assert b.starts == [0, 1, 3.25, 4.25]
    assert b.hedges() == {"failed": 1, "won": 1}
    assert b.count("attempts", "default", "failure") == 1
    assert b.count("attempts", "default", "success") == 1


def test_an_ignored_exception_is_an_answer() -> None:
    missing = KeyError("no such account")
    b = Raced(breaker=Breaker(ignore=(KeyError,)))
    assert b.race((9, "first"), (0.5, missing)) is missing
    assert (b.took, b.hedges()) == (1.5, {"won": 1})
    assert b.race((1.5, missing), (9, "copy")) is missing
    assert (b.took, b.hedges()) == (1.5, {"won": 1, "lost": 1})
    assert b.count("attempts", "default", "ignored") == 2


def test_a_result_that_is_judged_bad_does_not_win() -> None:
    b = Raced(breaker=Breaker(record_result=lambda result: result == "busy"))
    assert b.race((3, "good"), (0.5, "busy")) == "good"
    assert b.hedges() == {"failed": 1}
    assert b.race((1.5, "busy"), (1.0, "good")) == "good"
    assert b.hedges() == {"failed": 1, "won": 1}
    assert b.race((3, KeyError()), (0.5, "busy")) == "busy"
    assert b.hedges() == {"failed": 2, "won": 1}
    assert b.race((0.5, "busy")) == "busy"
    assert b.count("attempts", "default", "failure") == 2


def test_copies_are_given_what_the_first_was_given() -> None:
    b = Raced(hedge=Hedge(delay=1, most=2))
    given: list[tuple[tuple[int, ...], dict[str, int]]] = []

    async def answer(*args: int, **kwargs: int) -> str:
        given.append((args, kwargs))
        await asyncio.sleep(9 if len(given) < 3 else 0)
        return "answer"

    assert b.clock.run(b.guard.acall(answer, 1, two=2)) == "answer"
    assert given == 3 * [((1,), {"two": 2})]


def test_a_permit_that_comes_soon_is_not_waited_for() -> None:
    b = Raced(rate_limit=RateLimit(rate=2, burst=1), hedge=Hedge(delay=0.25))
    assert b.race((1, "first")) == "first"
    assert b.hedges() == {"refused": 1}
