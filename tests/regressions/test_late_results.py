"""Results that come after the breaker has moved on, and results that never come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from seawall.resilience import Breaker, BreakerOpen, Guard, Registry, TimedOut, Timeout
from seawall.resilience.events import Transition
from seawall.testing import ManualClock, Recording

PERMITS = 3


async def broken() -> None:
    raise ConnectionError


async def old(gate: asyncio.Event, late: str) -> None:
    await gate.wait()
    if late == "failure":
        raise ConnectionError


class Place:
    """A guard with calls in flight that began before it opened."""

    def __init__(self) -> None:
        self.clock, self.events, registry = ManualClock(), Recording(), Registry("t")
        registry.subscribe(self.events)
        self.guard = Guard(
            "bank",
            breaker=Breaker(window_calls=4, minimum_calls=4, open_for=10, half_open_permits=PERMITS),
            registry=registry,
            clock=self.clock,
        )

    def run(self, late: str, then: Callable[[], None]) -> None:
        """Open it, do what is to be done then, and let the late results come."""

        async def main() -> None:
            gate = asyncio.Event()
            flying = [asyncio.create_task(self.guard.acall(old, gate, late)) for _ in range(10)]
            await asyncio.sleep(0)
            for _ in range(4):
                with pytest.raises(ConnectionError):
                    await self.guard.acall(broken)
            assert self.guard.state == "open"
            then()
            gate.set()
            await asyncio.gather(*flying, return_exceptions=True)

        self.clock.run(main())

    def probe(self) -> None:
        self.clock.advance(10)
        self.guard.call(int)
        assert self.guard.state == "half_open"

    def moves(self) -> list[str]:
        return [event.to_state for event in self.events.of(Transition)]


@pytest.mark.parametrize("late", ["success", "failure"])
def test_polly_217_late_results_move_no_half_open_breaker(late: str) -> None:
    place = Place()
    place.run(late, place.probe)
    assert place.moves() == ["open", "half_open"]
    assert place.guard.snapshot()["window_calls"] == 1
    for _ in range(PERMITS - 1):
        place.guard.call(int)
    assert place.moves() == ["open", "half_open", "closed"]


def test_polly_218_late_failures_open_it_once_and_keep_it_open_no_longer() -> None:
    place = Place()
    place.run("failure", lambda: place.clock.advance(9))
    assert place.moves() == ["open"]
    place.clock.advance(1)
    place.guard.call(int)
    assert place.guard.state == "half_open"


@pytest.mark.parametrize("state", ["open", "half_open"])
def test_circuitbreaker_and_pyresilience_close_on_a_success_from_before_the_trip_here_it_stays(
    state: str,
) -> None:
    place = Place()
    place.run("success", place.probe if state == "half_open" else lambda: None)
    assert place.guard.state == state


def test_late_results_are_counted_all_the_same() -> None:
    place = Place()
    place.run("success", place.probe)
    reading, at = place.guard.read(), place.guard.ledger.layout.at
    assert reading[at("attempts", "default", "success")] == 11
    assert reading[at("attempts", "default", "failure")] == 4


def test_resilience4j_1597_calls_that_hang_in_flight_open_it_while_they_hang() -> None:
    """Twenty calls hang; nobody has to wait for the last of them until the breaker knows."""
    clock = ManualClock()
    guard = Guard(
        "bank",
        breaker=Breaker(minimum_calls=10),
        timeout=Timeout(attempt=2.0),
        registry=Registry("t"),
        clock=clock,
    )

    async def main() -> None:
        began = clock()
        calls = [asyncio.create_task(guard.acall(asyncio.sleep, 1000)) for _ in range(20)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(r) for r in results} == {TimedOut}
        assert clock() - began == pytest.approx(2.0)
        assert guard.state == "open"
        with pytest.raises(BreakerOpen):
            await guard.acall(asyncio.sleep, 0)

    clock.run(main())
