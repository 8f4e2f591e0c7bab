"""The guards of scenarios: policies as a service would have them, and how a registry is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.campaigns.told.model import Served
from tests.campaigns.told.pace import shortened

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Fallback,
    Family,
    Guard,
    Objectives,
    RateLimit,
    Registry,
    Retry,
    RetryBudget,
    Timeout,
)

POLICIES = (Breaker, Bulkhead, Fallback, RateLimit, Retry, Timeout)


class TooMany(Exception):
    """A dependency that says 429, and when to come again."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("429")
        self.retry_after = retry_after


class Unknown(Exception):
    """A dependency that says 404: the caller's own business, whatever the dependency's health."""


async def kept(served: Served) -> str:
    """A queue that always has room."""
    return f"{served.name} is done later"


BREAKER = Breaker(
    window_calls=40, minimum_calls=10, slow_after=1.5, slow_ratio=0.8, ignore=(Unknown,), open_for_jitter=0.2
)
RETRY = Retry(attempts=3, base_delay=0.3, max_delay=2.0, budget=RetryBudget(ratio=0.2))
TIMEOUT = Timeout(attempt=6.0, total=20.0)

#: Nothing is ever wrong with it, but what happens to healthy ones: it must be silent in every scenario.
LEDGER = Served(
    name="ledger",
    fails=0.02,
    slow=0.02,
    settings={
        "criticality": "critical",
        "breaker": BREAKER,
        "retry": RETRY,
        "timeout": TIMEOUT,
        "bulkhead": Bulkhead(limit=20),
        "objectives": Objectives(success=0.995),
    },
)
#: Answers its callers with a default when it can't be asked.
BANK = Served(
    name="bank",
    settings={
        "criticality": "critical",
        "breaker": BREAKER,
        "retry": RETRY,
        "timeout": TIMEOUT,
        "fallback": Fallback(default="nothing new"),
        "objectives": Objectives(success=0.999, undegraded=0.95),
    },
)
PAYMENTS = Served(
    name="payments",
    settings={
        "criticality": "critical",
        "breaker": BREAKER,
        "retry": RETRY,
        "timeout": TIMEOUT,
        "objectives": Objectives(success=0.999),
    },
)
#: Hardly ever called.
ARCHIVE = Served(
    name="archive",
    per_minute=0.5,
    fails=0.02,
    settings={"breaker": BREAKER, "retry": RETRY, "objectives": Objectives(success=0.99)},
)
#: What can't be sent now is sent later.
MAIL = Served(
    name="mail",
    settings={
        "breaker": BREAKER,
        "timeout": TIMEOUT,
        "fallback": Fallback(queue=kept),
        "objectives": Objectives(undegraded=0.95),
    },
)
#: Without it there is another way.
CACHE = Served(
    name="cache",
    takes=0.03,
    settings={
        "criticality": "sheddable",
        "breaker": BREAKER,
        "timeout": TIMEOUT,
        "fallback": Fallback(default=None),
        "objectives": Objectives(undegraded=0.95),
    },
)


def registry_of(service: str, guards: Sequence[Served]) -> tuple[Registry, dict[str, Guard | Family]]:
    """A registry at the campaign's pace, and its guards and families by name."""
    registry, members = Registry(service), dict[str, Guard | Family]()
    for served in guards:
        settings = {k: shortened(v) if isinstance(v, POLICIES) else v for k, v in served.settings.items()}
        make: Any = registry.family if served.keys else registry.guard
        members[served.name] = make(served.name, **settings)
    return registry, members
