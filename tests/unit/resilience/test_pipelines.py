"""Pipelines: the layers that policies are gathered into."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM
from tests.unit.resilience.stacks import TRIP, Stack

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Coalesce,
    ConfigurationError,
    Fallback,
    Guard,
    Hedge,
    Objectives,
    Pipeline,
    PolicyWarning,
    RateLimit,
    Registry,
    Retry,
    RetryBudget,
    Timeout,
)
from seawall.resilience.pipeline import ORDER


def orders(*policies: Any) -> list[list[str]]:
    return [layer.describe()["order"] for layer in Stack("sync", *policies).pipeline.layers]


def test_policies_are_gathered_into_as_few_layers_as_the_order_allows() -> None:
    limit, places = RateLimit(rate=9), Bulkhead(limit=9)
    total, attempt, answer = Timeout(total=3.0), Timeout(attempt=1.0), Fallback(default=0)
    one, two = Coalesce(), Hedge(delay=0.5)
    assert orders(one, answer, total, CALM, TRIP, limit, places, attempt, two) == [list(ORDER)]
    assert orders(two, one) == [["hedge"], ["coalesce"]]
    assert orders(TRIP, CALM, attempt) == [["breaker"], ["retry", "attempt_timeout"]]
    assert orders(TRIP, CALM, total) == [["breaker"], ["retry"], ["total_timeout"]]
    assert orders(attempt, places, limit) == [["attempt_timeout"], ["bulkhead"], ["rate_limit"]]
    assert orders(places, answer) == [["bulkhead"], ["fallback"]]
    assert orders(limit) == [["rate_limit"]]


def test_a_kind_may_come_twice() -> None:
    assert orders(TRIP, Breaker()) == [["breaker"], ["breaker"]]
    assert orders(Timeout(total=3.0), Timeout(total=2.0)) == [["total_timeout"], ["total_timeout"]]
    assert orders(Timeout(attempt=3.0), Timeout(attempt=2.0)) == [["attempt_timeout"], ["attempt_timeout"]]


def test_two_timeouts_of_a_layer_are_one() -> None:
    (guard,) = Stack("sync", Timeout(total=3.0), CALM, Timeout(attempt=1.0)).pipeline.layers
    assert guard.policies["timeout"] == Timeout(attempt=1.0, total=3.0)
    # An attempt may not be longer than its total: then they are two.
    assert orders(Timeout(total=1.0), CALM, Timeout(attempt=3.0)) == [
        ["total_timeout", "retry"],
        ["attempt_timeout"],
    ]
    asked, own = Timeout(attempt=0.5, attempt_for=len), Timeout(attempt=0.5, threads=3)
    for other in asked, own:
        assert len(orders(Timeout(total=1.0), other)) == 2
    assert len(orders(Timeout(total=1.0, threads=3), Timeout(attempt=0.5))) == 2
    by_operation = Timeout(by_operation={"default": Timeout(attempt=0.5)})
    assert orders(Timeout(total=1.0), by_operation) == [["total_timeout"], ["attempt_timeout"]]
    assert orders(Timeout(total=1.0), Timeout(attempt=1.0)) == [["total_timeout", "attempt_timeout"]]


def test_the_order_is_that_of_a_guard() -> None:
    full = Guard(
        "g", breaker=TRIP, retry=CALM, timeout=Timeout(attempt=1.0, total=9.0), bulkhead=Bulkhead(limit=1),
        rate_limit=RateLimit(rate=1.0, burst=9), fallback=Fallback(default=0), hedge=Hedge(delay=0.5),
        coalesce=Coalesce(), registry=Registry("t"),
    )  # fmt: skip
    assert list(ORDER) == full.describe()["order"]


def test_each_layer_is_a_guard_of_its_own() -> None:
    registry = Registry("t")
    made = Pipeline(
        "bank", [TRIP, CALM, Breaker()], operations=("read", "write"), criticality="critical",
        description="Money.", objectives=Objectives(success=0.99), buckets=(1.0,), registry=registry,
    )  # fmt: skip
    assert [guard.name for guard in registry] == ["bank", "bank/2"]
    assert made.layers == tuple(registry)
    assert made.name == "bank"
    outer, inner = registry.describe()["guards"]
    assert made.describe() == {"name": "bank", "layers": [outer, inner]}
    assert (outer["objectives"], inner["objectives"]) == ({"success": 0.99, "undegraded": None}, None)
    for part in outer, inner:
        assert part["operations"] == ["read", "write"]
        assert (part["criticality"], part["description"]) == ("critical", "Money.")
    assert [guard.ledger.layout.bounds for guard in made.layers] == [(1.0,), (1.0,)]
    assert made.layers[0].below == (made.layers[1],)
    assert made.layers[1].below == ()


def test_without_a_registry_it_is_in_the_default_one() -> None:
    from seawall.resilience.registry import default_registry

    made = Pipeline("pipeline-of-this-test", (TRIP,))
    try:
        assert default_registry.get("pipeline-of-this-test") is made.layers[0]
        assert made.describe()["layers"][0]["description"] == ""
        Guard("refused-in-this-test/2")
        with pytest.raises(ConfigurationError, match="guard 'refused-in-this-test/2' exists already"):
            Pipeline("refused-in-this-test", (TRIP, CALM))
        assert default_registry.get("refused-in-this-test") is None
    finally:
        for name in ("pipeline-of-this-test", "refused-in-this-test/2"):
            default_registry.remove(name)


@pytest.mark.parametrize("policies", [[], (), None, TRIP, "breaker", {"breaker": TRIP}])
def test_no_policies_are_refused(policies: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Pipeline("bank", policies, criticality="huge", registry=Registry("t"))
    assert caught.value.problems == (
        f"Pipeline 'bank'.policies is {policies!r}; allowed: a list of at least one policy",
        "Guard 'bank'.criticality is 'huge'; allowed: critical, default, sheddable",
    )


def test_all_that_is_wrong_is_in_one_error() -> None:
    registry = Registry("t")
    both, odd = Timeout(attempt=1.0, total=2.0), Retry(idempotent=("write",))
    with pytest.raises(ConfigurationError) as caught:
        Pipeline(
            "bank", [3, both, odd, RetryBudget(), Retry(idempotent=("pay",))],  # type: ignore[list-item]
            operations=("read",), criticality="huge", objectives="fast", registry=registry,  # type: ignore[arg-type]
        )  # fmt: skip
    kinds = "Breaker, Retry, Timeout, Bulkhead, RateLimit, Fallback, Hedge, Coalesce"
    assert caught.value.problems == (
        f"Pipeline 'bank'.policies[0] is 3; allowed: a policy: {kinds}",
        f"Pipeline 'bank'.policies[1] is {both!r}; "
        "allowed: one of attempt and total: its place says what it bounds",
        f"Pipeline 'bank'.policies[3] is {RetryBudget()!r}; allowed: a policy: {kinds}",
        "Guard 'bank'.retry.idempotent is 'write'; allowed: read",
        "Guard 'bank'.criticality is 'huge'; allowed: critical, default, sheddable",
        "Guard 'bank'.objectives is 'fast'; allowed: an Objectives, or None",
        "Guard 'bank'.retry.idempotent is 'pay'; allowed: read",
    )
    assert list(registry) == []


def test_a_limit_that_is_asked_for_has_its_place_too() -> None:
    asked = Timeout(attempt_for=len, total=2.0)
    with pytest.raises(ConfigurationError) as caught:
        Pipeline("bank", [asked], registry=Registry("t"))
    assert caught.value.problems == (
        f"Pipeline 'bank'.policies[0] is {asked!r}; allowed: one of attempt and total: its place says what "
        "it bounds",
    )


def test_a_limit_of_one_operation_has_its_place_too() -> None:
    def of_read(*policies: Any) -> list[list[str]]:
        made = Pipeline("bank", policies, operations=("read", "write"), registry=Registry("t"))
        return [layer.describe()["order"] for layer in made.layers]

    total, attempt = (Timeout(by_operation={"read": Timeout(**{kind: 2.0})}) for kind in ("total", "attempt"))
    asked = Timeout(by_operation={"read": Timeout(attempt_for=len, attempt=2.0)})
    assert of_read(CALM, TRIP, total) == [["retry", "breaker"], ["total_timeout"]]
    assert of_read(total, CALM, TRIP) == [["total_timeout", "retry", "breaker"]]
    assert of_read(CALM, TRIP, attempt) == [["retry", "breaker", "attempt_timeout"]]
    assert of_read(CALM, TRIP, asked) == [["retry", "breaker", "attempt_timeout"]]
    for one in (Timeout(total=9.0, by_operation=attempt.by_operation), replace(asked, total=9.0)):
        with pytest.raises(
            ConfigurationError, match="one of attempt and total: its place says what it bounds"
        ):
            Pipeline("bank", [one], operations=("read",), registry=Registry("t"))


def test_what_fails_late_leaves_no_layer_behind() -> None:
    registry = Registry("t")
    taken = registry.guard("bank/2")
    with pytest.raises(ConfigurationError, match="guard 'bank/2' exists already"):
        Pipeline("bank", [TRIP, CALM], registry=registry)
    assert list(registry) == [taken]
    with pytest.raises(ConfigurationError, match="1 to 200 characters"):
        Pipeline("b" * 199, [TRIP, CALM], registry=registry)
    assert list(registry) == [taken]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PolicyWarning):
            Pipeline("cache", [CALM, CALM], registry=registry)
    assert list(registry) == [taken]
