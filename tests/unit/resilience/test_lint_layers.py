"""Composition lint of pipelines: rules about one layer and those further in."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Coalesce,
    Fallback,
    Guard,
    Hedge,
    Pipeline,
    PolicyWarning,
    RateLimit,
    Registry,
    Retry,
    Timeout,
)

PAID = Retry(attempts=1)


def pipeline(*policies: Any, operations: tuple[str, ...] = ()) -> tuple[Pipeline, list[str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = Pipeline("bank", policies, operations=operations, registry=Registry("t"))
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


def test_hedges_in_several_layers_multiply() -> None:
    _, said = pipeline(PAID, Hedge(delay=0.1), PAID, Hedge(delay=0.1, most=2), Timeout(total=3.0))
    assert said == ["bank: hedges multiply: one call may be 2 x 3 = 6 at the same time; keep one hedge"]
    assert pipeline(PAID, Hedge(delay=0.1), Timeout(total=3.0))[1] == []
    assert pipeline(Timeout(total=3.0), PAID, Bulkhead(limit=5), Retry(), Hedge(delay=0.1))[1] == []


def test_copies_that_are_retried_multiply() -> None:
    _, said = pipeline(PAID, Hedge(delay=0.1, most=2), Breaker(), Retry(attempts=4))
    assert said == [
        "bank: hedge is around a retry: each copy is retried by itself, one call may be 3 x 4 = 12 attempts; "
        "put the hedge further in"
    ]
    assert pipeline(PAID, Hedge(delay=0.1), Breaker(), Retry(attempts=2))[1] == [
        "bank: hedge is around a retry: each copy is retried by itself, one call may be 2 x 2 = 4 attempts; "
        "put the hedge further in"
    ]
    assert pipeline(PAID, Hedge(delay=0.1), Breaker(), PAID)[1] == []
    assert pipeline(PAID, Hedge(delay=0.1), Breaker())[1] == []
    assert pipeline(Breaker(), Retry(), Hedge(delay=0.1))[1] == []


def test_copies_further_in_that_never_start() -> None:
    text = (
        "bank: timeout.attempt of 1 s ends each call of the layers further in, before the hedge.delay of 1 s "
        "that one of them has; set that well below 1"
    )
    assert pipeline(Timeout(attempt=1.0), Retry(), Hedge(delay=1.0))[1] == [text]
    assert pipeline(Timeout(attempt=1.0), Retry(), Hedge(delay=0.99))[1] == []
    assert pipeline(Timeout(attempt=1.0, attempt_for=len), Retry(), Hedge(delay=2.0))[1] == []
    assert pipeline(Timeout(attempt=1.0), Retry(), Breaker())[1] == []
    assert pipeline(Breaker(), PAID, Hedge(delay=2.0))[1] == []
    # Another operation has other limits.
    own = Timeout(attempt=1.0, by_operation={"slow": Timeout(attempt=9.0)})
    assert pipeline(own, Retry(), Hedge(delay=2.0), operations=("quick", "slow"))[1] == []
    slow, quick = Hedge(delay=2.0), Hedge(delay=0.5)
    assert len(pipeline(Timeout(attempt=1.0), PAID, quick, Bulkhead(limit=9), slow)[1]) == 2


def test_calls_that_are_shared_too_far_in() -> None:
    end = Timeout(total=3.0)
    assert pipeline(Retry(), Breaker(), Coalesce(), end)[1] == [
        "bank: coalesce is further in than retry (each who shares a failure asks again), breaker (one "
        "failure counts for each who shares it); put it first"
    ]
    assert pipeline(PAID, Hedge(delay=0.1), Fallback(default=0), RateLimit(rate=5.0), Coalesce(), end)[1] == [
        "bank: coalesce is further in than hedge (a copy joins the call that it is to overtake); put it first"
    ]
    # A caller may be limited in what he waits for.
    assert pipeline(RateLimit(rate=5.0), Bulkhead(limit=5), PAID, Coalesce(), end)[1] == []
    assert pipeline(Coalesce(), Breaker(), end)[1] == []
    assert pipeline(Coalesce(), Breaker(), Coalesce(), end)[1] == []
    assert pipeline(Retry(), Breaker(), Fallback(default=0), end)[1] == []


def test_what_a_layer_lacks_may_be_further_in() -> None:
    assert pipeline(Coalesce(), Breaker(), Fallback(default=0))[1] == [
        "bank: coalesce without a timeout: one call that hangs hangs all who join it, now and later; set "
        "timeout.total"
    ]
    assert pipeline(Coalesce(), Breaker(), Timeout(total=3.0))[1] == []
    slow = (
        "hedge has no budget: while the dependency is slow and does answer, each call asks it 2 times, and "
        "nothing ends that; add Retry(attempts=1), whose budget pays for copies too, or a bulkhead, or "
        "breaker.slow_after"
    )
    assert pipeline(Hedge(delay=0.1), Breaker())[1] == [f"bank: {slow}"]
    assert pipeline(Bulkhead(limit=9), Breaker(), Hedge(delay=0.1))[1] == [f"bank/2: {slow}"]
    assert pipeline(Hedge(delay=0.1), Bulkhead(limit=9))[1] == []
    unbounded = Retry(budget=None)
    assert len(pipeline(Fallback(default=0), unbounded, Timeout(total=0.9))[1]) == 1
    assert pipeline(Fallback(default=0), unbounded, Timeout(total=0.9), Breaker())[1] == []
    text = (
        "bank: retry.attempts is 3 and timeout.attempt is None: one attempt that hangs takes all of "
        "timeout.total, 6 s; set timeout.attempt to about 2"
    )
    whole = Timeout(total=6.0)
    assert pipeline(whole, Retry(), Bulkhead(limit=9), Breaker())[1] == [text]
    assert pipeline(whole, Retry(), Bulkhead(limit=9), Breaker(), Timeout(attempt=1.0))[1] == []


def test_a_pipeline_of_the_very_same_policies_is_warned_of_once() -> None:
    outer, inner = Retry(), Retry()
    assert len(pipeline(outer, inner)[1]) == 1
    assert pipeline(outer, inner)[1] == []
    # In another order, or alone beside another, they are looked at again.
    assert len(pipeline(inner, outer)[1]) == 1
    assert len(pipeline(outer, Breaker(), inner)[1]) == 1


def test_other_settings_of_a_layer_are_looked_at_beside_those_further_in() -> None:
    made, said = pipeline(PAID, Breaker(), Retry(attempts=2))
    assert said == []
    with pytest.warns(PolicyWarning) as heard:
        made.layers[0].reconfigure(retry=Retry(attempts=3))
    assert [(str(w.message), w.filename) for w in heard] == [
        ("bank: retries multiply: one call may be 3 x 2 = 6 attempts; keep one retry", __file__)
    ]
    assert all(isinstance(layer, Guard) for layer in made.layers)
