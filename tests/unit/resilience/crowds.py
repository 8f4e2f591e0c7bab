"""Threads that ask the same at the same time, and know of each other when all of them have asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench

from seawall.resilience import Coalesce
from seawall.resilience.flights import Flight, Flights


class Crowd:
    """``boarded``: executions that callers were told to join, their own among them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boarded: list[Flight] = []
        board = Flights.board

        def noted(flights: Flights, mine: Flight) -> Flight:
            flight = board(flights, mine)
            self.boarded.append(flight)
            return flight

        monkeypatch.setattr(Flights, "board", noted)

    def wait_for(self, callers: int) -> None:
        until = time.monotonic() + 10
        while len(self.boarded) < callers:
            assert time.monotonic() < until, "they never came"
            time.sleep(0)

    def ask(self, *calls: Callable[[], Any]) -> list[Any]:
        """What each of them comes to, in threads of their own, begun one after the other."""
        answers: list[Any] = [None] * len(calls)

        def one(i: int, call: Callable[[], Any]) -> None:
            try:
                answers[i] = call()
            except BaseException as error:
                answers[i] = error

        threads = [threading.Thread(target=one, args=item) for item in enumerate(calls)]
        for i, thread in enumerate(threads):
            thread.start()
            self.wait_for(i + 1)
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        return answers


def guarded(**policies: Any) -> Bench:
    return Bench("sync", **({"coalesce": Coalesce()} | policies))
