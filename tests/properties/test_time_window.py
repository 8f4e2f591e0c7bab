"""The time window holds every result that is young enough, and none that is too old by more than a tenth."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import example, given, settings

from seawall.resilience import Breaker, Guard, Registry
from seawall.testing import ManualClock

SECONDS = 10.0
STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.05, 0.4, 0.9, 1.0, 3.0, 9.9, 10.0, 25.0]), st.booleans()), max_size=60
)


@settings(max_examples=200)
@example([(0.4, True), (0.0, True), (0.9, True), (9.9, False)])
@given(STEPS)
def test_window_holds_the_last_seconds(steps: list[tuple[float, bool]]) -> None:
    clock = ManualClock()
    breaker = Breaker(window_seconds=SECONDS, minimum_calls=10**6, failure_ratio=1.0)
    guard = Guard("bank", breaker=breaker, registry=Registry("t"), clock=clock)
    results: list[tuple[float, bool]] = []

    @guard
    def call(good: bool) -> None:
        if not good:
            raise ConnectionError

    for wait, good in steps:
        clock.advance(wait)
        try:
            call(good)
        except ConnectionError:
            assert not good
        results.append((clock(), not good))
        snapshot = guard.snapshot()
        young = [failed for at, failed in results if clock() - at < SECONDS - 1e-6]
        not_old = [failed for at, failed in results if clock() - at < SECONDS * 1.1 + 1e-6]
        assert len(young) <= snapshot["window_calls"] <= len(not_old)
        failures = round(snapshot["failure_ratio"] * snapshot["window_calls"])
        assert sum(young) <= failures <= sum(not_old)
