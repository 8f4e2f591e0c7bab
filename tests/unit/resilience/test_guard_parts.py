"""What a guard is made of, by what it is given, and what it has when it is given nothing."""

from __future__ import annotations

import asyncio
import time

import pytest

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Coalesce,
    Fallback,
    Guard,
    Hedge,
    RateLimit,
    Registry,
    Retry,
    Timeout,
)
from seawall.resilience.fields import DEFAULT_BUCKETS
from seawall.resilience.registry import default_registry
from seawall.testing import ManualClock


def test_by_default_there_is_a_name_and_no_policy() -> None:
    try:
        guard = Guard("guard-of-this-test")
        assert default_registry.get("guard-of-this-test") is guard
    finally:
        default_registry.remove("guard-of-this-test")
    assert (guard.name, guard.criticality, guard.description, guard.objectives) == (
        "guard-of-this-test", "default", "", None,
    )  # fmt: skip
    assert (guard.operations, guard.family, guard.policies, guard.state) == (("default",), "", {}, "")
    assert (guard.clock, guard.sleep, guard.asleep) == (time.monotonic, time.sleep, asyncio.sleep)
    parts = (
        guard.breaker, guard.limiter, guard.bulkhead, guard.workers, guard.stale, guard.flights, guard.budget,
        guard.retry, guard.timeout, guard.fallback, guard.hedge, guard.watching,
    )  # fmt: skip
    assert parts == (None,) * 12
    assert guard.ledger.layout.spec == (("default",), (), (), DEFAULT_BUCKETS, None)
    assert guard.lint() == ()
    assert guard._slice == 1.0


@pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
def test_each_policy_brings_its_part() -> None:
    clock = ManualClock()
    policies = {
        "breaker": Breaker(),
        "retry": Retry(),
        "timeout": Timeout(attempt=1.0, threads=2),
        "bulkhead": Bulkhead(limit=3),
        "rate_limit": RateLimit(rate=4.0),
        "fallback": Fallback(stale_for=9.0, default=0),
        "hedge": Hedge(delay=0.5),
        "coalesce": Coalesce(),
    }
    guard = Guard(
        "bank", registry=Registry("t"), clock=clock, sleep=clock.sleep, asleep=clock.asleep,
        operations=("get", "put"), buckets=[1.0, 2.0], description="Money.", criticality="critical",
        **policies,  # type: ignore[arg-type]
    )  # fmt: skip
    assert guard.policies == policies
    extra = ("stale", "retry_budget", "timeout_threads")
    assert guard.ledger.layout.spec == (
        ("get", "put"), (*policies, *extra), ("stale", "default"), (1.0, 2.0), 9.0,
    )  # fmt: skip
    assert (guard.clock, guard.sleep, guard.asleep) == (clock, clock.sleep, clock.asleep)
    assert (guard.description, guard.criticality, guard.began) == ("Money.", "critical", 1000.0)
    assert (guard.retry, guard.timeout, guard.fallback, guard.hedge) == (
        policies["retry"], policies["timeout"], policies["fallback"], policies["hedge"],
    )  # fmt: skip
    assert guard.breaker is not None
    assert (guard.breaker.settings, guard.breaker.entered_at) == (policies["breaker"], 1000.0)
    assert guard.limiter is not None
    assert guard.limiter.settings == policies["rate_limit"]
    assert guard.bulkhead is not None
    assert guard.bulkhead.settings == policies["bulkhead"]
    assert guard.budget is not None
    assert guard.budget._pool.clock is clock
    assert guard.stale is not None
    assert guard.stale.settings == policies["fallback"]
    assert [op.name for op in guard.declared()] == ["get", "put"]


def test_extra_numbers_are_kept_only_of_what_is_there() -> None:
    retry, timeout = Retry(attempts=1, budget=None), Timeout(attempt=1.0)
    guard = Guard("bank", retry=retry, timeout=timeout, fallback=Fallback(default=0), registry=Registry("t"))
    assert guard.ledger.layout.spec[1:3] == (("retry", "timeout", "fallback"), ("default",))
    assert (guard.budget, guard.stale, guard.workers) == (None, None, None)


def test_what_a_registry_has_by_default() -> None:
    registry = Registry()
    assert (registry.describe()["service"], registry.describe()["guards"]) == ("service", [])
    assert (registry.retry_budgets, registry.listener_errors, registry.observer) == ({}, {}, None)
    assert (registry.joined, registry.left, len(registry), list(registry)) == (set(), set(), 0, [])


def test_worker_threads_are_named_after_their_guard() -> None:
    guard = Guard("bank", timeout=Timeout(attempt=30.0, threads=1), registry=Registry("t"))
    assert guard.workers is not None
    assert guard.workers._name == "seawall bank"


def test_keys_that_fail_are_counted_under_their_own_names() -> None:
    def broken(*args: object) -> str:
        raise LookupError

    registry = Registry("t")
    stale = Guard("stale", fallback=Fallback(stale_for=9.0, key=broken), registry=registry)
    shared = Guard("shared", coalesce=Coalesce(key=broken), registry=registry)
    assert (stale.call(int), shared.call(int)) == (0, 0)
    assert registry.listener_errors == {"fallback.key": 1, "coalesce.key": 1}


@pytest.mark.parametrize(("seconds", "slice_"), [(None, 1.0), (5.0, 0.5), (10.0, 1.0), (600.0, 1.0)])
def test_the_house_is_kept_ten_times_in_a_window(seconds: float | None, slice_: float) -> None:
    guard = Guard("bank", breaker=Breaker(window_seconds=seconds), registry=Registry("t"))
    assert guard._slice == slice_
    guard.reconfigure(breaker=Breaker(window_seconds=2.0))
    assert guard._slice == 0.2
    guard.reconfigure(breaker=Breaker())
    assert guard._slice == 1.0
