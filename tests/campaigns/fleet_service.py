"""A service of ten dependencies, played against a clock of its own, and what its page says as it goes.

Guards, ledgers and the page are the real ones; calls fail, are late and are turned away as a story wants it.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Fallback,
    Guard,
    Objectives,
    RateLimit,
    Registry,
    Rejected,
    Retry,
    RetryBudget,
    Timeout,
)
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source
from seawall.testing import ManualClock

SERVICE = "payments"
CALLS = 8
RETRY = Retry(attempts=3, budget=RetryBudget(ratio=0.2))
GOAL = Objectives(success=0.999, undegraded=0.95)
GUARDS: dict[str, dict[str, Any]] = {
    "bank-api": {
        "operations": ("statements", "transfer"),
        "criticality": "critical",
        "breaker": Breaker(window_calls=40, minimum_calls=10, open_for=60.0, slow_after=0.4, slow_ratio=0.8),
        "retry": RETRY,
        "timeout": Timeout(attempt=1.0, total=4.0),
        "rate_limit": RateLimit(rate=50.0, burst=20, max_wait=0.1),
        "bulkhead": Bulkhead(limit=20, max_queue=5, max_wait=0.2),
        "fallback": Fallback(stale_for=600.0, default=None, key=lambda *_: "all"),
        "objectives": GOAL,
    },
    "ledger-db": {
        "criticality": "critical",
        "breaker": Breaker(window_calls=60),
        "timeout": Timeout(attempt=0.5, total=1.0),
        "bulkhead": Bulkhead(limit=8, max_queue=16, max_wait=0.5),
        "objectives": Objectives(success=0.999),
    },
    "users-db": {
        "criticality": "critical",
        "breaker": Breaker(),
        "timeout": Timeout(attempt=0.5, total=1.0),
        "objectives": Objectives(success=0.999),
    },
    "fraud": {
        "operations": ("score", "report"),
        "breaker": Breaker(slow_after=0.3, slow_ratio=0.5),
        "retry": Retry(attempts=2),
        "timeout": Timeout(attempt=0.6, total=1.5),
        "fallback": Fallback(default=None),
        "objectives": GOAL,
    },
    "rates": {"breaker": Breaker(), "fallback": Fallback(stale_for=3600.0, key=lambda *_: "all")},
    "mail": {"retry": Retry(attempts=2), "fallback": Fallback(queue=lambda *_: None)},
    "search": {
        "criticality": "sheddable",
        "breaker": Breaker(),
        "bulkhead": Bulkhead(limit=10),
        "fallback": Fallback(default=None),
    },
    "cache": {
        "criticality": "sheddable",
        "breaker": Breaker(window_calls=30, minimum_calls=5, open_for=30.0),
        "fallback": Fallback(default=None),
    },
    "recommendations": {
        "criticality": "sheddable",
        "breaker": Breaker(),
        "timeout": Timeout(attempt=0.2),
        "fallback": Fallback(default=None),
    },
    "files": {"breaker": Breaker(), "retry": Retry(), "rate_limit": RateLimit(rate=100.0, burst=50)},
}
USUAL = {
    "cache": 0.001,
    "ledger-db": 0.01,
    "users-db": 0.008,
    "rates": 0.03,
    "search": 0.04,
    "bank-api": 0.08,
}


@dataclass(frozen=True)
class Trouble:
    """From one share of the time to another a dependency (or "": each) fails this often, taking this long."""

    dependency: str
    begin: float
    end: float
    chance: float
    seconds: float = 0.05
    error: type[Exception] = ConnectionError


#: What every replica lives through. Shares of the time that is played: of six hours a sixth is the last.
EVERYWHERE = (
    Trouble("bank-api", 0.30, 0.36, 0.05, 0.5),
    Trouble("bank-api", 0.36, 0.45, 1.0, 0.9),
    Trouble("cache", 0.60, 0.63, 1.0, 0.002, ConnectionResetError),
    Trouble("fraud", 0.88, 0.94, 0.9, 0.1, OSError),
    Trouble("recommendations", 0.95, 1.0, 1.0, 0.2, TimeoutError),
)


class Replica:
    """One process, from its start to its end."""

    def __init__(self, seed: int) -> None:
        self.clock, self.random = ManualClock(0.0), random.Random(seed)
        registry, dropped = Registry(service=SERVICE), Dropped()
        registry.subscribe(lambda event: dropped.add("spans", "queue_full"), name="spans")
        self.guards = [
            Guard(name, registry=registry, clock=self.clock, sleep=self.clock.sleep, **policies)
            for name, policies in GUARDS.items()
        ]
        self.registry = registry
        service = Service(name=SERVICE, instance_id=f"history-{seed}")
        self.page = MetricsPage(Source(registry, service=service, dropped=dropped))

    def live(self, until: float, trouble: Callable[[str], Trouble | None]) -> None:
        """The traffic of one step."""
        for guard in self.guards:
            found = trouble(guard.name)
            for _ in range(CALLS):
                operation = self.random.choice(guard.operations)
                with contextlib.suppress(OSError, TimeoutError, Rejected):
                    guard.operation(operation).call(self._attempt, guard.name, found)
        self.clock.now = max(self.clock.now, until)

    def _attempt(self, name: str, trouble: Trouble | None) -> str:
        chance, seconds, error = 0.002, USUAL.get(name, 0.05), ConnectionError
        if trouble is not None:
            chance, seconds, error = trouble.chance, trouble.seconds, trouble.error
        self.clock.advance(seconds * self.random.lognormvariate(0, 0.4))
        if self.random.random() < chance:
            raise error("played")
        return "answer"


def history(seed: int, own: tuple[Trouble, ...], steps: int, step: float) -> Iterator[bytes]:
    """Pages of one replica, a step apart. Every third is rolled out anew half-way, and counts from 0."""
    replica = Replica(seed)
    for number in range(steps):
        share = number / steps
        if seed % 3 == 0 and number == steps // 2:
            replica = Replica(seed)
        began = (steps // 2) * step if seed % 3 == 0 and number >= steps // 2 else 0.0

        def trouble(name: str, share: float = share) -> Trouble | None:
            each = (*own, *EVERYWHERE)
            return next((t for t in each if t.dependency in ("", name) and t.begin <= share < t.end), None)

        replica.live((number + 1) * step - began, trouble)
        yield replica.page.text()
