"""What each mode of a fallback serves, and for how long it is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Fallback, Guard, Registry
from seawall.testing import ManualClock


def test_an_alternative_is_served_before_all_others(bench: Callable[..., Bench]) -> None:
    b = bench(fallback=Fallback(alternative=lambda: "spare", queue=lambda: "kept", default="default"))
    assert b(fails(ConnectionError())) == "spare"
    assert b.count("degradations", "default", "alternative", "served") == 1
    assert b.count("degradations", "default", "queued", "served") == 0
    assert b.count("calls", "default", "degraded") == 1


def test_work_is_kept_for_later_with_its_arguments() -> None:
    kept: list[tuple[str, int]] = []
    guard = Guard("mail", registry=Registry("t"), fallback=Fallback(queue=lambda to, n: kept.append((to, n))))

    @guard
    def send(to: str, n: int) -> None:
        raise ConnectionError

    assert send("ann", n=2) is None
    assert kept == [("ann", 2)]
    layout = guard.ledger.layout
    assert guard.read()[layout.at("degradations", "default", "queued", "served")] == 1


def test_only_the_types_that_are_named_bring_it(bench: Callable[..., Bench]) -> None:
    b = bench(fallback=Fallback(default=0, on=(ConnectionError,)))
    assert b(fails(ConnectionError())) == 0
    assert isinstance(b(fails(KeyError())), KeyError)
    assert b.count("calls", "default", "degraded") == 1
    assert b.count("calls", "default", "failure") == 1


@pytest.mark.parametrize("mode", ["alternative", "queue"])
def test_what_takes_too_long_makes_way_for_the_next(mode: str) -> None:
    clock = ManualClock()

    async def slow() -> str:
        await asyncio.sleep(5)
        return "late"

    fallback = Fallback(**{mode: slow}, default="default", timeout=2)  # type: ignore[arg-type]
    guard = Guard("bank", registry=Registry("t"), fallback=fallback, clock=clock, asleep=clock.asleep)

    @guard
    async def ask() -> str:
        raise ConnectionError

    began = clock.now
    assert clock.run(ask()) == "default"
    assert clock.now - began == pytest.approx(2)
    failed = "queued" if mode == "queue" else mode
    layout = guard.ledger.layout
    assert guard.read()[layout.at("degradations", "default", failed, "failed")] == 1
    assert guard.read()[layout.at("degradations", "default", "default", "served")] == 1
