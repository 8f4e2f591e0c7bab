"""Composition lint: each rule where it speaks, with its words, and next to it where it is silent."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    BulkheadFull,
    Fallback,
    Guard,
    Pipeline,
    PolicyWarning,
    RateLimit,
    Registry,
    Rejected,
    Retry,
    RetryRule,
    Timeout,
    lint,
)

SPEAKS: list[tuple[dict[str, Any], str]] = [
    (
        {"retry": Retry(attempts=5), "timeout": Timeout(attempt=1.0, total=3.0)},
        "retry.attempts is 5: when each takes its timeout of 1 s and back-off is at its longest, number 4 "
        "would begin after 3.7 s, beyond the total of 3 s; take fewer attempts, shorter attempts or delays, "
        "or a longer total",
    ),
    (
        {
            "retry": Retry(backoff="decorrelated", base_delay=1.0, attempts=3),
            "timeout": Timeout(attempt=1.0, total=9.0),
        },
        "retry.attempts is 3: when each takes its timeout of 1 s and back-off is at its longest, number 3 "
        "would begin after 10 s, beyond the total of 9 s; take fewer attempts, shorter attempts or delays, "
        "or a longer total",
    ),
    (
        {
            "retry": Retry(attempts=2, per_error=((TimeoutError, RetryRule(attempts=3)),)),
            "timeout": Timeout(attempt=1.0, total=2.3),
        },
        "retry.attempts is 3: when each takes its timeout of 1 s and back-off is at its longest, number 3 "
        "would begin after 2.3 s, beyond the total of 2.3 s; take fewer attempts, shorter attempts or "
        "delays, or a longer total",
    ),
    (
        {"retry": Retry(attempts=3), "timeout": Timeout(total=6.0)},
        "retry.attempts is 3 and timeout.attempt is None: one attempt that hangs takes all of timeout.total, "
        "6 s; set timeout.attempt to about 2",
    ),
    (
        {"breaker": Breaker(slow_after=1.0), "timeout": Timeout(attempt=1.0, total=3.0)},
        "breaker.slow_after of 1 s is not below timeout.attempt of 1 s: an async call ends before it is "
        "slow; set slow_after below 1",
    ),
    (
        {"breaker": Breaker(slow_after=4.0), "timeout": Timeout(total=3.0)},
        "breaker.slow_after of 4 s is not below timeout.total of 3 s: an async call ends before it is slow; "
        "set slow_after below 3",
    ),
    (
        {"breaker": Breaker(), "timeout": Timeout(attempt=90.0)},
        "breaker.half_open_max_wait of 60 s is below timeout.attempt of 90 s: probes count as failed before "
        "their time is over; set half_open_max_wait to 90 or more",
    ),
    (
        {
            "breaker": Breaker(window_seconds=10.0, minimum_calls=15),
            "rate_limit": RateLimit(rate=1.0, burst=2),
        },
        "breaker.minimum_calls is 15, rate_limit lets at most 14 calls into window_seconds of 10: the ratios "
        "never count; set minimum_calls to 14 or less, or window_seconds longer",
    ),
    (
        {"breaker": Breaker(half_open_permits=7), "bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=0.1)},
        "breaker.half_open_permits is 7, the bulkhead has 6 places: the other probes are turned away; set "
        "half_open_permits to 6 or less",
    ),
    (
        {"bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=3.0), "timeout": Timeout(total=3.0)},
        "bulkhead.max_wait of 3 s is not below timeout.total of 3 s: who waits so long has no time left to "
        "be served; set max_wait below 3",
    ),
    (
        {"rate_limit": RateLimit(rate=4.0, max_wait=5.0), "timeout": Timeout(total=3.0)},
        "rate_limit.max_wait of 5 s is not below timeout.total of 3 s: who waits so long has no time left to "
        "be served; set max_wait below 3",
    ),
    (
        {"rate_limit": RateLimit(rate=0.5, max_wait=1.0), "retry": Retry(base_delay=0.75)},
        "rate_limit has a permit every 2 s, burst 1 and max_wait 1 s; the first retry comes 0.75 s after a "
        "failure at most: after a quick one it finds no permit; set burst to 2 or more, or max_wait to 1.25 "
        "or more",
    ),
    (
        {"rate_limit": RateLimit(rate=0.5), "retry": Retry(attempts=2, backoff="decorrelated")},
        "rate_limit has a permit every 2 s, burst 1 and max_wait 0 s; the first retry comes 0.3 s after a "
        "failure at most: after a quick one it finds no permit; set burst to 2 or more, or max_wait to 1.7 "
        "or more",
    ),
    (
        {"retry": Retry(on=(OSError, BreakerOpen, Rejected))},
        "retry asks again on BreakerOpen and Rejected: of the guard's own breaker it never does, and of a "
        "breaker further in it keeps callers waiting for what is known to be down; leave it out, and let a "
        "fallback answer",
    ),
    (
        {"retry": Retry(on=(OSError,), per_error=((BreakerOpen, RetryRule(attempts=5)),))},
        "retry asks again on BreakerOpen: of the guard's own breaker it never does, and of a breaker further "
        "in it keeps callers waiting for what is known to be down; leave it out, and let a fallback answer",
    ),
    (
        {"retry": Retry(budget=None), "fallback": Fallback(default=0)},
        "retry.attempts is 3 with no budget and no breaker, under a default answer: callers do not notice an "
        "outage, and the dependency gets 3 times the load; add a breaker or retry.budget",
    ),
]
SILENT: list[dict[str, Any]] = [
    {"retry": Retry(attempts=4), "timeout": Timeout(attempt=1.0, total=3.701)},
    {"retry": Retry(attempts=4), "timeout": Timeout(attempt=1.0)},
    {"retry": Retry(backoff="decorrelated", attempts=2), "timeout": Timeout(attempt=1.0, total=1.4)},
    # Attempts that time out are not asked again.
    {"retry": Retry(attempts=9, on=(ValueError,)), "timeout": Timeout(attempt=1.0, total=3.0)},
    {"retry": Retry(attempts=1), "timeout": Timeout(total=3.0)},
    # What an attempt may take is not known before the call.
    {"retry": Retry(), "timeout": Timeout(attempt_for=len, total=3.0)},
    {"retry": Retry(attempts=9), "timeout": Timeout(attempt=1.0, attempt_for=len, total=3.0)},
    {"breaker": Breaker(slow_after=4.0), "timeout": Timeout(attempt=1.0, attempt_for=len)},
    {"breaker": Breaker(slow_after=4.0), "timeout": Timeout(by_operation={"default": Timeout(attempt=1.0)})},
    {"breaker": Breaker(slow_after=0.99), "timeout": Timeout(attempt=1.0, total=3.0)},
    {"breaker": Breaker(), "timeout": Timeout(attempt=60.0)},
    {"breaker": Breaker(window_seconds=10.0, minimum_calls=14), "rate_limit": RateLimit(rate=1.0, burst=2)},
    {"breaker": Breaker(minimum_calls=15), "rate_limit": RateLimit(rate=1.0, burst=2)},
    {"breaker": Breaker(half_open_permits=6), "bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=0.1)},
    {"breaker": Breaker(), "bulkhead": Bulkhead(limit=1)},
    {"bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=2.9), "timeout": Timeout(total=3.0)},
    {"bulkhead": Bulkhead(limit=4, max_queue=2, max_wait=9.0), "timeout": Timeout(attempt=3.0)},
    {"rate_limit": RateLimit(rate=4.0, max_wait=2.9), "timeout": Timeout(total=3.0)},
    {"rate_limit": RateLimit(rate=0.5, max_wait=1.25), "retry": Retry(base_delay=0.75)},
    {"rate_limit": RateLimit(rate=0.5, burst=2), "retry": Retry()},
    {"rate_limit": RateLimit(rate=0.5), "retry": Retry(attempts=1)},
    {"retry": Retry(on=(OSError, BulkheadFull))},
    {"retry": Retry(per_error=((BreakerOpen, RetryRule(attempts=1)),))},
    {"retry": Retry(), "fallback": Fallback(default=0)},
    {"retry": Retry(budget=None), "fallback": Fallback(default=0), "breaker": Breaker()},
    {"retry": Retry(budget=None, attempts=1), "fallback": Fallback(default=0)},
    {"retry": Retry(budget=None), "fallback": Fallback(stale_for=1.0)},
]


@pytest.mark.parametrize(("policies", "text"), SPEAKS)
def test_a_rule_says_what_is_wrong_with_the_numbers(policies: dict[str, Any], text: str) -> None:
    assert lint.findings(policies) == (text,)
    registry = Registry("t")
    with pytest.warns(PolicyWarning) as said:
        guard = Guard("bank", registry=registry, **policies)
    assert [(str(w.message), w.filename) for w in said] == [(f"bank: {text}", __file__)]
    assert guard.lint() == (text,)
    assert registry.lint() == (f"bank: {text}",)


@pytest.mark.parametrize("policies", SILENT)
def test_a_rule_is_silent_where_all_is_well(policies: dict[str, Any]) -> None:
    assert lint.findings(policies) == ()


def test_attempts_without_a_limit_of_their_own_do_not_time_out() -> None:
    retry = Retry(base_delay=2.0, per_error=((TimeoutError, RetryRule(attempts=1)),))
    said = lint.attempts_beyond_total(retry, Timeout(total=2.0))
    assert said is not None
    assert said.startswith("retry.attempts is 3: when each fails at once and back-off is at its longest, nu")
    assert lint.attempts_beyond_total(retry, Timeout(attempt=0.1, total=2.0)) is None


def test_each_rule_has_its_words_and_its_silence() -> None:
    spoke = {
        rule.check
        for policies, _ in SPEAKS
        for rule in lint.RULES
        if {*rule.about} <= policies.keys() and rule.check(*(policies[name] for name in rule.about))
    }
    assert spoke == {rule.check for rule in lint.RULES}


def test_several_findings_come_in_the_order_of_the_table() -> None:
    policies = {"retry": Retry(attempts=5), "timeout": Timeout(total=0.5), "fallback": Fallback(default=0)}
    first, second = lint.findings(policies)
    assert first.startswith(
        "retry.attempts is 5: when each fails at once and back-off is at its longest, number 4 "
    )
    assert second.startswith("retry.attempts is 5 and timeout.attempt is None")


def test_a_family_of_guards_is_warned_of_once_and_told_of_in_full() -> None:
    registry = Registry("t")
    retry, timeout = Retry(), Timeout(total=6.0)
    with pytest.warns(PolicyWarning) as said:
        _ = [registry.guard(f"bank-{i}", retry=retry, timeout=timeout) for i in range(3)]
    assert [str(w.message).partition(":")[0] for w in said] == ["bank-0"]
    assert [text.partition(":")[0] for text in registry.lint()] == ["bank-0", "bank-1", "bank-2"]
    with pytest.warns(PolicyWarning):
        registry.guard("cache", retry=Retry(), timeout=timeout)


def test_warnings_as_errors_leave_no_guard_behind_and_come_again() -> None:
    registry, retry, timeout = Registry("t"), Retry(), Timeout(total=6.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(PolicyWarning, match=r"bank: retry\.attempts is 3"):
                registry.guard("bank", retry=retry, timeout=timeout)
    assert list(registry) == []


def test_what_was_looked_at_is_remembered_within_bounds() -> None:
    registry = Registry("t")
    for i in range(3 * lint.MOST_SEEN):
        registry.guard(f"g{i}", breaker=Breaker())
        assert 1 <= len(lint._seen) <= lint.MOST_SEEN
    assert lint._seen[next(reversed(lint._seen))] == (Breaker(),)


def pipeline(*policies: Any) -> tuple[Pipeline, list[str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = Pipeline("bank", policies, registry=Registry("t"))
    assert all(w.filename == __file__ for w in said)
    return made, [str(w.message) for w in said]


def test_retries_in_several_layers_multiply() -> None:
    made, said = pipeline(Retry(attempts=4), Retry(attempts=1), Retry(attempts=3), Retry(attempts=2))
    assert said == [
        "bank: retries multiply: one call may be 4 x 1 x 3 x 2 = 24 attempts; keep one retry",
        "bank/3: retries multiply: one call may be 3 x 2 = 6 attempts; keep one retry",
    ]
    assert made.lint() == tuple(said)
    assert made.layers[0].lint() == (
        "retries multiply: one call may be 4 x 1 x 3 x 2 = 24 attempts; keep one retry",
    )
    assert pipeline(Breaker(), Retry(), Breaker())[1] == []
    assert pipeline(Retry(attempts=1), Retry(), Retry(attempts=1))[1] == []
    assert pipeline(Breaker(), Retry(), Retry())[1] == [
        "bank/2: retries multiply: one call may be 3 x 3 = 9 attempts; keep one retry"
    ]


def test_a_timeout_further_in_that_never_comes() -> None:
    _, said = pipeline(
        Timeout(attempt=2.0), Breaker(), Timeout(total=1.9), Timeout(attempt=2.0), Bulkhead(limit=1)
    )
    assert said == [
        "bank: timeout.attempt of 2 s ends each call of the layers further in, before the timeout.attempt of "
        "2 s that one of them has; set that below 2, or leave it out",
        "bank/3: timeout.total of 1.9 s ends each call of the layers further in, before the timeout.attempt "
        "of 2 s that one of them has; set that below 1.9, or leave it out",
    ]
    assert pipeline(Timeout(attempt=2.0), Timeout(total=1.9), Breaker(), Timeout(attempt=1.8))[1] == []
    assert pipeline(Timeout(attempt=2.0), Breaker(), Timeout(attempt=9.0, attempt_for=len))[1] == []


def test_the_reference_service_is_well_composed() -> None:
    from reference.guards import registry

    assert registry.lint() == ()
