"""What policies and guards say of themselves: the policy document, and errors that users see."""

from __future__ import annotations

import hashlib
import json
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
    RetryBudget,
    RetryBudgetExhausted,
    RetryRule,
    RetryThrottle,
    ThreadsBusy,
    TimedOut,
    Timeout,
)
from seawall.resilience.description import Objectives, digest
from seawall.resilience.errors import Rejected, ResilienceError
from seawall.resilience.fallback import MISSING

RULE = {"backoff": None, "base_delay": None, "max_delay": None, "multiplier": None, "jitter": None}


@pytest.mark.parametrize(
    ("policy", "described"),
    [
        (
            Retry(),
            {
                "attempts": 3, "backoff": "exponential", "base_delay": 0.1, "max_delay": 5.0,
                "multiplier": 2.0, "jitter": "full", "on": ["Exception"], "per_error": [], "on_result": False,
                "idempotent": None, "unsent": [], "retry_after": False, "max_retry_after": 60.0,
                "budget": {"ratio": 0.2, "floor_per_second": 1.0, "ttl": 10.0, "name": None},
            },
        ),
        (
            Retry(
                attempts=4, backoff="fibonacci", base_delay=0.5, max_delay=9, multiplier=3, jitter="equal",
                on=(OSError, KeyError), per_error=((ValueError, RetryRule(attempts=1)),), on_result=bool,
                idempotent=("get",), unsent=(ConnectionRefusedError,), retry_after=str, max_retry_after=7,
                budget=RetryThrottle(max_tokens=20, token_ratio=0.5, name="region"),
            ),
            {
                "attempts": 4, "backoff": "fibonacci", "base_delay": 0.5, "max_delay": 9, "multiplier": 3,
                "jitter": "equal", "on": ["OSError", "KeyError"],
                "per_error": [{"error": "ValueError", "attempts": 1, **RULE}], "on_result": True,
                "idempotent": ["get"], "unsent": ["ConnectionRefusedError"], "retry_after": True,
                "max_retry_after": 7, "budget": {"max_tokens": 20, "token_ratio": 0.5, "name": "region"},
            },
        ),
        (
            RetryBudget(ratio=0.1, floor_per_second=2, ttl=30, name="region"),
            {"ratio": 0.1, "floor_per_second": 2, "ttl": 30, "name": "region"},
        ),
        (Bulkhead(limit=3, max_queue=2, max_wait=0.5), {"limit": 3, "max_queue": 2, "max_wait": 0.5}),
        (
            RateLimit(rate=5),
            {
                "rate": 5, "burst": 1, "max_wait": 0.0, "kind": "token_bucket", "throttled_on": [],
                "throttled_for": 1.0, "retry_after": False, "max_retry_after": 60.0,
                "throttled_counts": False,
            },
        ),
        (
            RateLimit(
                rate=5, burst=2, max_wait=1, kind="sliding_window", throttled_on=(OSError,), throttled_for=3,
                retry_after=str, max_retry_after=9, throttled_counts=True,
            ),
            {
                "rate": 5, "burst": 2, "max_wait": 1, "kind": "sliding_window", "throttled_on": ["OSError"],
                "throttled_for": 3, "retry_after": True, "max_retry_after": 9, "throttled_counts": True,
            },
        ),
        (
            Fallback(
                alternative=int, stale_for=60, queue=int, default=0, on=(OSError,), timeout=2, capacity=5
            ),
            {
                "modes": ["alternative", "stale", "queued", "default"], "stale_for": 60, "timeout": 2,
                "capacity": 5, "on": ["OSError"],
            },
        ),
        (
            Fallback(default=None),
            {"modes": ["default"], "stale_for": None, "timeout": None, "capacity": 1024, "on": ["Exception"]},
        ),
        (Objectives(success=0.999, undegraded=0.99), {"success": 0.999, "undegraded": 0.99}),
    ],
)  # fmt: skip
def test_every_setting_is_shown_by_its_name(policy: Any, described: dict[str, Any]) -> None:
    assert policy.describe() == described
    assert json.loads(json.dumps(described)) == described


def test_the_breaker_shows_its_functions_as_there_or_not_and_its_types_by_name() -> None:
    shown = Breaker(record=(OSError,), ignore=(KeyError, ValueError), ignore_if=bool).describe()
    assert shown["record"] == ["OSError"]
    assert shown["ignore"] == ["KeyError", "ValueError"]
    assert (shown["record_if"], shown["ignore_if"], shown["record_result"]) == (False, True, False)
    plain = Breaker(failure_ratio=0.25, window_calls=8, minimum_calls=4, open_for=7, slow_after=2).describe()
    assert (plain["failure_ratio"], plain["window_calls"], plain["minimum_calls"]) == (0.25, 8, 4)
    assert (plain["open_for"], plain["slow_after"]) == (7, 2)
    assert (plain["record"], plain["ignore"]) == (["Exception"], [])


def test_a_throttle_predicate_is_shown_as_there() -> None:
    assert RateLimit(rate=1, throttled_on=lambda error: True).describe()["throttled_on"] is True


def test_a_guard_in_the_document() -> None:
    registry = Registry("shop")
    guard = Guard(
        "bank",
        description="transfers",
        criticality="critical",
        operations=("get", "put"),
        timeout=Timeout(attempt=1, total=3),
        retry=Retry(),
        breaker=Breaker(),
        rate_limit=RateLimit(rate=5, burst=2),
        bulkhead=Bulkhead(limit=3),
        fallback=Fallback(default=0),
        objectives=Objectives(success=0.99),
        registry=registry,
    )
    plain = Guard("assets", registry=registry)
    shown = guard.describe()
    assert shown["name"] == "bank"
    assert shown["description"] == "transfers"
    assert shown["criticality"] == "critical"
    assert shown["operations"] == ["get", "put"]
    assert shown["policies"]["bulkhead"] == {"limit": 3, "max_queue": 0, "max_wait": 0.0}
    assert shown["objectives"] == {"success": 0.99, "undegraded": None}
    order = ["fallback", "total_timeout", "retry", "breaker", "rate_limit", "bulkhead", "attempt_timeout"]
    assert [name for name in shown["order"] if name in order] == order
    assert shown["hash"] == digest({key: value for key, value in shown.items() if key != "hash"})
    assert (plain.describe()["order"], plain.describe()["objectives"]) == ([], None)
    document = registry.describe()
    assert document == {
        "schema": "seawall.policies/1",
        "service": "shop",
        "hash": digest(["shop", [plain.describe(), shown]]),
        "guards": [plain.describe(), shown],
    }


@pytest.mark.parametrize(
    ("timeout", "order"),
    [(Timeout(attempt=1), ["attempt_timeout"]), (Timeout(total=1), ["total_timeout"])],
)
def test_each_timeout_has_its_place_in_the_order(timeout: Timeout, order: list[str]) -> None:
    assert Guard("bank", timeout=timeout, registry=Registry("t")).describe()["order"] == order


def test_the_hash_is_of_canonical_json() -> None:
    canonical = b'{"a":"\\u00e9","b":[1,2]}'
    assert digest({"b": [1, 2], "a": "é"}) == hashlib.sha256(canonical).hexdigest()[:16]


LATER = "The service can't do this right now. Please try again later."


@pytest.mark.parametrize(
    ("error", "text", "problem"),
    [
        (ResilienceError(), "", ("resilience.error", "Temporarily unavailable", 503, LATER)),
        (
            Rejected("bank", "breaker", "closing", None),
            "bank: rejected by breaker (closing)",
            ("resilience.rejected", "Temporarily unavailable", 503, LATER),
        ),
        (
            BreakerOpen("bank", "breaker", "open", 2.3456),
            "bank: rejected by breaker (open, retry after 2.35 s)",
            ("resilience.breaker_open", "Temporarily unavailable", 503, LATER, 2.346),
        ),
        (
            BulkheadFull("bank", "bulkhead", "full", None),
            "bank: rejected by bulkhead (full)",
            ("resilience.bulkhead_full", "Busy", 503, "The service is busy. Please try again shortly."),
        ),
        (
            RateLimited("bank", "rate_limit", "no_permit", 0.0),
            "bank: rejected by rate_limit (no_permit, retry after 0 s)",
            (
                "resilience.rate_limited", "Too many requests", 429,
                "Too many requests at once. Please try again shortly.", 0.0,
            ),
        ),
        (
            RetryBudgetExhausted("bank", "retry", "budget_exhausted"),
            "bank: not retried, the retry budget is used up",
            ("resilience.retry_budget_exhausted", "Temporarily unavailable", 503, LATER),
        ),
        (
            ThreadsBusy("bank", "timeout", "threads_busy"),
            "bank: rejected by timeout (threads_busy)",
            ("resilience.threads_busy", "Busy", 503, "The service is busy. Please try again shortly."),
        ),
        (
            TimedOut("bank", "attempt", 1.2345),
            "bank: attempt timeout of 1.23 s exceeded",
            (
                "resilience.timed_out", "Timed out", 504,
                "This took longer than it may. Please try again later.",
            ),
        ),
        (Rejected(), ": rejected by  ()", ("resilience.rejected", "Temporarily unavailable", 503, LATER)),
    ],
)  # fmt: skip
def test_errors_as_text_and_as_problem_details(
    error: ResilienceError, text: str, problem: tuple[Any, ...]
) -> None:
    key, title, status, detail, *after = problem
    expected = {"type": f"urn:seawall:{key}", "title": title, "status": status, "detail": detail}
    assert str(error) == text
    assert error.problem() == expected | ({"retry_after": after[0]} if after else {})


def test_errors_have_their_facts_in_args() -> None:
    made, parts = TimedOut("bank", "attempt", 1.5).__reduce__()[:2]
    assert (made, parts) == (TimedOut, ("bank", "attempt", 1.5))
    assert ConfigurationError(["a", "b"]).args == ("a; b",)
    assert ConfigurationError(["a", "b"]).problems == ("a", "b")
    assert repr(MISSING) == "MISSING"
