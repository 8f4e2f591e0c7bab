"""Functions that hang until they are let go, and a guard with worker threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from tests.unit.resilience.bench import Bench

from seawall.resilience import (
    Timeout,
)

#: Long enough that a call never comes near it, and a moment that one is sure to overrun.
LONG, MOMENT = 60.0, 0.005


class Hanging:
    """Functions that go on until they are let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def __call__(self, *_: Any) -> str:
        self.gate.wait()
        return "late"


def bench(threads: int = 1, attempt: float = MOMENT, **policies: Any) -> Bench:
    return Bench("sync", timeout=Timeout(attempt=attempt, threads=threads), **policies)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.0005)
