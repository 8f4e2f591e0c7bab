"""Threads that ask the same at the same time, and know of each other when all of them have asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench

from seawall.resilience import Coalesce
from seawall.resilience.coalescing import Caller
from seawall.resilience.flights import Flight, Flights


class Crowd:
    """``boarded``: executions that callers were told to join, their own among them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boarded: list[Flight] = []
        # Who has found another's execution is on his way to wait for it, and his own time begins on that way.
        found: list[None] = []
        waiting: list[None] = []
        self._under_way = lambda: len(found) - len(waiting)
        board, join = Flights.board, Caller.join

        def noted(flights: Flights, mine: Flight) -> Flight:
            flight = board(flights, mine)
            if flight is not mine:
                found.append(None)
            self.boarded.append(flight)
            return flight

        def joined(caller: Caller) -> None:
            join(caller)
            waiting.append(None)

        monkeypatch.setattr(Flights, "board", noted)
        monkeypatch.setattr(Caller, "join", joined)

    def wait_for(self, callers: int) -> None:
        until = time.monotonic() + 10
        while len(self.boarded) < callers or self._under_way():
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
