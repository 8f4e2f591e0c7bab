"""What each setting may be, in the words in which it is refused, and how policies describe themselves."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from seawall.resilience import (
    Breaker,
    Bulkhead,
    ConfigurationError,
    Fallback,
    RateLimit,
    Retry,
    RetryBudget,
    RetryRule,
    RetryThrottle,
)
from seawall.resilience.checks import Checks
from seawall.resilience.description import Objectives

TEN = {"rate": 10}
RANDOM = "full with decorrelated: it is random by itself"
BOTH = "above 0 with a max_queue above 0, and 0 without"
TURNS = {"max_wait": 0.0, "kind": "smooth"}


def problems(policy: type, settings: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        policy(**settings)
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize(
    ("policy", "settings", "allowed"),
    [
        (Retry, {"attempts": 0}, "a whole number >= 1 and <= 100"),
        (Retry, {"backoff": "linear"}, "constant, exponential, fibonacci, decorrelated"),
        (Retry, {"base_delay": -1}, "a number >= 0"),
        (Retry, {"max_delay": 0.05}, "a number >= 0.1"),
        (Retry, {"multiplier": 0.9}, "a number >= 1"),
        (Retry, {"jitter": "some"}, "none, full, equal"),
        (Retry, {"jitter": "none", "backoff": "decorrelated"}, RANDOM),
        (Retry, {"jitter": "equal", "backoff": "decorrelated"}, RANDOM),
        (Retry, {"on": ValueError}, "a tuple of exception types"),
        (Retry, {"on": (ValueError, 1)}, "a tuple of exception types"),
        (Retry, {"idempotent": "get"}, "a tuple of names of operations, or None"),
        (Retry, {"idempotent": ("get", 1)}, "a tuple of names of operations, or None"),
        (Retry, {"unsent": OSError}, "a tuple of exception types"),
        (Retry, {"on_result": 1}, "a function, or None"),
        (Retry, {"retry_after": 1}, "a function, or None"),
        (Retry, {"max_retry_after": -1}, "a number >= 0"),
        (Retry, {"budget": 3}, "a RetryBudget, a RetryThrottle, or None"),
        (Retry, {"per_error": {}}, "a tuple of (exception type, RetryRule) pairs"),
        (Retry, {"per_error": ((OSError,),)}, "a tuple of (exception type, RetryRule) pairs"),
        (Retry, {"per_error": ([OSError, RetryRule()],)}, "a tuple of (exception type, RetryRule) pairs"),
        (Retry, {"per_error": ((OSError, 3),)}, "a tuple of (exception type, RetryRule) pairs"),
        (RetryBudget, {"ratio": -0.1}, "a number >= 0 and <= 10"),
        (RetryBudget, {"floor_per_second": -1}, "a number >= 0"),
        (RetryBudget, {"ttl": 0}, "a number > 0 and <= 3600"),
        (RetryBudget, {"name": ""}, "1 to 200 characters, or None"),
        (RetryThrottle, {"max_tokens": 1001}, "a whole number >= 1 and <= 1000"),
        (RetryThrottle, {"token_ratio": 11}, "a number > 0 and <= 10"),
        (RetryThrottle, {"name": "x" * 201}, "1 to 200 characters, or None"),
        (Bulkhead, {"limit": 0}, "a whole number >= 1 and <= 100000"),
        (Bulkhead, {"max_queue": -1, "limit": 1}, "a whole number >= 0 and <= 100000"),
        (Bulkhead, {"max_wait": -1, "limit": 1}, "a number >= 0"),
        (Bulkhead, {"max_wait": 1, "limit": 1}, BOTH),
        (Bulkhead, {"max_wait": 0.0, "limit": 1, "max_queue": 1}, BOTH),
        (RateLimit, {"rate": 0}, "a number >= 1e-09 and <= 1e+09"),
        # Of less the interval is infinite, and with it what is allowed at once.
        (RateLimit, {"rate": 5e-324}, "a number >= 1e-09 and <= 1e+09"),
        (RateLimit, {"burst": 0} | TEN, "a whole number >= 1 and <= 1e+09"),
        (RateLimit, {"burst": 1_000_000_001} | TEN, "a whole number >= 1 and <= 1e+09"),
        (RateLimit, {"rate": 1e9 + 1}, "a number >= 1e-09 and <= 1e+09"),
        (RateLimit, {"max_wait": -1} | TEN, "a number >= 0"),
        (RateLimit, {"kind": "leaky"} | TEN, "token_bucket, sliding_window, smooth"),
        (RateLimit, {"burst": 100_001, "kind": "sliding_window"} | TEN, "at most 100000 in a sliding_window"),
        (RateLimit, {"burst": 2, "kind": "smooth", "max_wait": 1} | TEN, "1 with smooth: it knows no bursts"),
        (RateLimit, TURNS | TEN, "above 0 with smooth: each call waits for its turn"),
        (RateLimit, {"throttled_on": 3} | TEN, "a tuple of exception types"),
        (RateLimit, {"throttled_for": -1} | TEN, "a number >= 0"),
        (RateLimit, {"retry_after": 3} | TEN, "a function, or None"),
        (RateLimit, {"max_retry_after": 0} | TEN, "a number > 0"),
        (RateLimit, {"throttled_counts": 1} | TEN, "True, False"),
        (Fallback, {"alternative": 1}, "a function, or None"),
        (Fallback, {"queue": 1}, "a function, or None"),
        (Fallback, {"key": 1, "default": 0}, "a function, or None"),
        (Fallback, {"stale_for": 0}, "a number > 0, or None"),
        (Fallback, {"timeout": 0, "default": 0}, "a number > 0, or None"),
        (Fallback, {"capacity": 0, "default": 0}, "a whole number >= 1 and <= 1e+07"),
        (Fallback, {"capacity": 10_000_001, "default": 0}, "a whole number >= 1 and <= 1e+07"),
        (Fallback, {"on": OSError, "default": 0}, "a tuple of exception types"),
        (Breaker, {"failure_ratio": 0}, "a number > 0 and <= 1"),
        (Breaker, {"window_calls": 1_000_001}, "a whole number >= 1 and <= 1e+06"),
        (Breaker, {"minimum_calls": 101, "window_calls": 100}, "a whole number >= 1 and <= 100"),
        (Breaker, {"minimum_calls": 0, "window_seconds": 1}, "a whole number >= 1 and <= 1e+06"),
        (Breaker, {"window_seconds": 0}, "a number > 0 and <= 86400, or None"),
        (Breaker, {"consecutive_failures": 0, "window_calls": 50}, "a whole number >= 1 and <= 50, or None"),
        (Breaker, {"open_for": 0}, "a number > 0"),
        (Breaker, {"open_for_multiplier": 0.5, "max_open_for": 60}, "a number >= 1"),
        (Breaker, {"max_open_for": 1, "open_for": 10}, "a number >= 10, or None"),
        (Breaker, {"open_for_jitter": 1}, "a number >= 0 and <= 0.99"),
        (Breaker, {"half_open_success_ratio": 0}, "a number > 0 and <= 1, or None"),
        (Breaker, {"half_open_permits": 0}, "a whole number >= 1 and <= 1000"),
        (Breaker, {"half_open_max_wait": 0}, "a number > 0"),
        (Breaker, {"slow_after": 0}, "a number > 0, or None"),
        (Breaker, {"slow_ratio": 0}, "a number > 0 and <= 1"),
        (Breaker, {"record": OSError}, "a tuple of exception types"),
        (Breaker, {"ignore": OSError}, "a tuple of exception types"),
        (Breaker, {"record_if": 1}, "a function, or None"),
        (Breaker, {"ignore_if": 1}, "a function, or None"),
        (Breaker, {"record_result": 1}, "a function, or None"),
        (Objectives, {"success": 0}, "a number > 0 and <= 1, or None"),
        (Objectives, {"success": 1}, "a number > 0 and < 1, or None: a budget of 0 can't be kept"),
        (Objectives, {"undegraded": 1}, "a number > 0 and < 1, or None: a budget of 0 can't be kept"),
    ],
)  # fmt: skip
def test_a_setting_that_can_not_be_is_named_with_what_is_allowed(
    policy: type, settings: dict[str, Any], allowed: str
) -> None:
    name, value = next(iter(settings.items()))
    assert problems(policy, settings) == (f"{policy.__name__}.{name} is {value!r}; allowed: {allowed}",)


@pytest.mark.parametrize(
    ("policy", "settings"),
    [
        (Retry, {"attempts": 1, "base_delay": 0, "max_delay": 0, "multiplier": 1, "max_retry_after": 0}),
        (Retry, {"attempts": 100, "idempotent": (), "budget": None, "on_result": bool, "retry_after": str}),
        (Retry, {"idempotent": ("get",), "base_delay": 5, "max_delay": 5, "budget": RetryThrottle()}),
        (Retry, {"per_error": ((OSError, RetryRule(attempts=1)),)}),
        (RetryBudget, {"ratio": 0, "floor_per_second": 0, "ttl": 3600, "name": "x"}),
        (RetryBudget, {"ratio": 10, "name": "x" * 200}),
        (RetryThrottle, {"max_tokens": 1, "token_ratio": 1}),
        (RetryThrottle, {"max_tokens": 1000, "token_ratio": 1000}),
        (Bulkhead, {"limit": 1}),
        (Bulkhead, {"limit": 100_000, "max_queue": 100_000, "max_wait": 1}),
        (RateLimit, {"rate": 1e9, "burst": 1_000_000_000}),
        (RateLimit, {"rate": 1, "kind": "sliding_window", "burst": 100_000, "throttled_on": bool}),
        (RateLimit, {"rate": 1, "kind": "smooth", "max_wait": 0.5, "throttled_for": 0, "retry_after": str}),
        (Fallback, {"alternative": int, "queue": int, "key": int, "capacity": 1}),
        (Fallback, {"default": None, "capacity": 10_000_000}),
        (Breaker, {"failure_ratio": 1, "window_calls": 1, "minimum_calls": 1, "consecutive_failures": 1}),
        (Breaker, {"window_calls": 1_000_000, "minimum_calls": 1_000_000, "half_open_permits": 1000}),
        (Breaker, {"window_calls": 1, "minimum_calls": 1_000_000, "window_seconds": 86400}),
        (Breaker, {"open_for": 9, "max_open_for": 9, "open_for_multiplier": 2, "open_for_jitter": 0.99}),
        (Breaker, {"half_open_success_ratio": 1, "half_open_permits": 1, "slow_ratio": 1}),
        (Objectives, {"success": 0.999, "undegraded": None}),
    ],
)  # fmt: skip
def test_the_least_and_the_most_of_a_setting_are_allowed(policy: type, settings: dict[str, Any]) -> None:
    made = policy(**settings)
    assert {name: getattr(made, name) for name in settings} == settings


def test_every_violation_is_told_at_once_and_a_bound_that_is_bad_itself_bounds_nothing() -> None:
    assert problems(Retry, {"base_delay": -1, "max_delay": -2, "multiplier": nan}) == (
        "Retry.base_delay is -1; allowed: a number >= 0",
        "Retry.max_delay is -2; allowed: a number >= 0",
        "Retry.multiplier is nan; allowed: a number >= 1",
    )
    assert problems(RetryThrottle, {"max_tokens": 0, "token_ratio": 1001}) == (
        "RetryThrottle.max_tokens is 0; allowed: a whole number >= 1 and <= 1000",
        "RetryThrottle.token_ratio is 1001; allowed: a number > 0 and <= 1000",
    )
    assert problems(
        Breaker, {"window_calls": 0, "minimum_calls": 1_000_001, "open_for": 0, "max_open_for": -1}
    ) == (
        "Breaker.window_calls is 0; allowed: a whole number >= 1 and <= 1e+06",
        "Breaker.minimum_calls is 1000001; allowed: a whole number >= 1 and <= 1e+06",
        "Breaker.open_for is 0; allowed: a number > 0",
        "Breaker.max_open_for is -1; allowed: a number >= 0, or None",
    )
    assert problems(Breaker, {"open_for": -5, "max_open_for": -1}) == (
        "Breaker.open_for is -5; allowed: a number > 0",
        "Breaker.max_open_for is -1; allowed: a number >= 0, or None",
    )
    assert problems(Bulkhead, {"limit": True, "max_queue": 2, "max_wait": inf}) == (
        "Bulkhead.limit is True; allowed: a whole number >= 1 and <= 100000",
        "Bulkhead.max_wait is inf; allowed: a number >= 0",
    )
    assert problems(RateLimit, {"rate": 1, "burst": 0, "kind": "smooth", "max_wait": -1}) == (
        "RateLimit.burst is 0; allowed: a whole number >= 1 and <= 1e+09",
        "RateLimit.max_wait is -1; allowed: a number >= 0",
    )
    assert problems(RateLimit, {"rate": 1, "burst": nan, "kind": "sliding_window"}) == (
        "RateLimit.burst is nan; allowed: a whole number >= 1 and <= 1e+09",
    )
    assert problems(Fallback, {}) == (
        "Fallback.default is MISSING; allowed: at least one of alternative, stale_for, queue, default",
    )
    assert problems(Breaker, {"open_for_multiplier": 2}) == (
        "Breaker.max_open_for is None; allowed: a number of seconds: with an open_for_multiplier it must end",
    )


def test_a_rule_for_one_error_is_checked_with_what_it_inherits() -> None:
    rule = RetryRule(max_delay=0.01)
    assert problems(Retry, {"per_error": ((OSError, RetryRule()), (KeyError, rule))}) == (
        "Retry.per_error[1].max_delay is 0.01; allowed: a number >= 0.1",
    )
    assert problems(Retry, {"attempts": 0, "per_error": ((OSError, RetryRule()),)}) == (
        "Retry.attempts is 0; allowed: a whole number >= 1 and <= 100",
    )
    assert problems(Retry, {"per_error": (("OSError", RetryRule()),)}) == (
        "Retry.per_error[0] is ('OSError',); allowed: a tuple of exception types",
    )


@pytest.mark.parametrize("value", [None, "1", True, nan, inf, 10**400, 1j, [1]])
def test_what_is_no_number(value: object) -> None:
    checks = Checks("X")
    assert checks.number("n", value) is False
    assert checks.problems == [f"X.n is {value!r}; allowed: a number"]


def test_numbers_and_their_bounds() -> None:
    checks = Checks("X")
    assert checks.number("n", None, optional=True) is True
    assert checks.number("n", 1, whole=True, above=0, at_least=1, at_most=1) is True
    assert checks.number("n", 1.0, at_least=1, at_most=1) is True
    checks.done()
    assert checks.number("n", 1.0, whole=True) is False
    assert checks.number("n", 1, above=1) is False
    assert checks.number("n", 0.9, above=0.5, at_least=1, at_most=2.5, optional=True) is False
    assert checks.number("n", 3, at_most=2) is False
    assert checks.problems == [
        "X.n is 1.0; allowed: a whole number",
        "X.n is 1; allowed: a number > 1",
        "X.n is 0.9; allowed: a number > 0.5 and >= 1 and <= 2.5, or None",
        "X.n is 3; allowed: a number <= 2",
    ]
