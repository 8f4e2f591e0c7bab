"""Retry amplification: three layers of three attempts must not make 27 calls out of one."""

from __future__ import annotations

from seawall.resilience import Guard, Registry, Retry, RetryBudget
from seawall.testing import ManualClock


def test_retry_amplification_three_guards_over_a_dead_backend_stay_within_their_budgets() -> None:
    clock = ManualClock()
    registry = Registry("t")
    backend = 0

    def dead() -> None:
        nonlocal backend
        backend += 1
        raise ConnectionError

    budget = RetryBudget(ratio=0.05, floor_per_second=0.5, ttl=10)
    call = dead
    for name in ("database", "service", "gateway"):
        guard = Guard(
            name,
            retry=Retry(attempts=3, base_delay=0, budget=budget),
            registry=registry,
            clock=clock,
            sleep=clock.sleep,
        )
        call = guard(call)

    calls, seconds = 2000, 20.0
    for _ in range(calls):
        try:
            call()
        except ConnectionError:
            clock.advance(seconds / calls)
    floor = 3 * budget.floor_per_second * (seconds + budget.ttl)
    assert backend <= 1.2 * calls + floor
    assert backend > calls
