"""Whatever the order that a pipeline is given: its layers have just that order, and are as few as can be."""

from __future__ import annotations

import asyncio
import warnings
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Coalesce,
    Fallback,
    Hedge,
    Pipeline,
    RateLimit,
    Registry,
    Retry,
    Timeout,
)
from seawall.resilience.pipeline import ORDER

POLICIES: dict[str, Any] = {
    "coalesce": Coalesce(),
    "fallback": Fallback(default=None),
    "total_timeout": Timeout(total=3600.0),
    "retry": Retry(attempts=1),
    "breaker": Breaker(),
    "rate_limit": RateLimit(rate=1e6, burst=1000),
    "bulkhead": Bulkhead(limit=9),
    "attempt_timeout": Timeout(attempt=600.0),
    "hedge": Hedge(delay=60.0),
}


@given(st.lists(st.sampled_from(ORDER), min_size=1, max_size=12))
def test_layers_keep_the_order_and_are_as_few_as_can_be(places: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Pipeline("bank", [POLICIES[place] for place in places], registry=Registry("t"))
    layers = [layer.describe()["order"] for layer in made.layers]
    assert [place for layer in layers for place in layer] == places
    for outer, inner in pairwise(layers):
        assert ORDER.index(inner[0]) <= ORDER.index(outer[-1])

    async def length(of: str) -> int:
        return len(of)

    # A def can't be hedged.
    assert (asyncio.run(made.acall(length, "abc")) if "hedge" in places else made.call(len, "abc")) == 3
    for layer in made.layers:
        assert layer.read()[layer.ledger.layout.at("calls", "default", "success")] == 1
