"""The policy document: what a registry says of itself, and what all generators read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seawall.resilience.checks import Checks

if TYPE_CHECKING:
    from seawall.resilience.family import Family
    from seawall.resilience.guard import Guard

SCHEMA = "seawall.policies/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """What callers are promised, as shares of calls in (0, 1); ``None``: no promise.

    success: calls that do not end in failure, timeout or rejection. undegraded: calls not served by a
    fallback.
    """

    success: float | None = None
    undegraded: float | None = None

    def __post_init__(self) -> None:
        checks = Checks("Objectives")
        for name in ("success", "undegraded"):
            value = getattr(self, name)
            if checks.number(name, value, above=0, at_most=1, optional=True) and value == 1:
                checks.fail(name, value, "a number > 0 and < 1, or None: a budget of 0 can't be kept")
        checks.done()

    def describe(self) -> dict[str, object]:
        return {"success": self.success, "undegraded": self.undegraded}


def describe(guard: Guard) -> dict[str, Any]:
    """One guard of the document. Times in seconds, ratios from 0 to 1, exception types by name."""
    part: dict[str, Any] = {
        "name": guard.name,
        "description": guard.description,
        "criticality": guard.criticality,
        "operations": list(guard.operations),
        "order": _order(guard),
        "policies": {name: policy.describe() for name, policy in guard.policies.items()},
        "objectives": guard.objectives.describe() if guard.objectives else None,
    }
    return part | {"hash": digest(part)}


def document(service: str, guards: Iterable[Guard | Family]) -> dict[str, Any]:
    """The whole document; its hash changes when any setting of any guard does."""
    parts = [guard.describe() for guard in sorted(guards, key=lambda g: g.name)]
    return {"schema": SCHEMA, "service": service, "hash": digest([service, parts]), "guards": parts}


def digest(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _order(guard: Guard) -> list[str]:
    timeout = guard.timeout
    present = {
        "coalesce": guard.flights is not None,
        "fallback": guard.fallback is not None,
        "total_timeout": timeout is not None and timeout.sets("total"),
        "retry": guard.retry is not None,
        "breaker": guard.breaker is not None,
        "rate_limit": guard.limiter is not None,
        "bulkhead": guard.bulkhead is not None,
        "attempt_timeout": timeout is not None and (timeout.sets("attempt") or timeout.sets("attempt_for")),
        "hedge": guard.hedge is not None,
    }
    return [name for name, there in present.items() if there]
