"""What the generator reads off a policy document: which policies, criticalities and goals there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seawall.dashboards.palette import CRITICALITIES
from seawall.dashboards.problems import NO_TEXT, is_text

SCHEMA = "seawall.policies/1"


class DocumentError(ValueError):
    """The document is none that this version reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A summary; no name of a guard is in it, so none can end up in a dashboard."""

    service: str
    guards: int
    policies: frozenset[str]
    modes: frozenset[str]
    criticalities: tuple[str, ...]
    objectives: frozenset[str]
    slow_calls: bool
    bulkhead_waits: bool
    limiter_waits: bool
    hashes: tuple[str, ...]

    def has(self, *policies: str) -> bool:
        """Whether any guard has one of the policies."""
        return not self.policies.isdisjoint(policies)


def read(document: Mapping[str, Any]) -> Facts:
    """Facts of a policy document; `DocumentError` says what is missing."""
    if document.get("schema") != SCHEMA:
        raise DocumentError(f"schema is {document.get('schema')!r}, this version reads {SCHEMA!r}")
    guards = document.get("guards")
    if not isinstance(guards, list) or not all(isinstance(guard, Mapping) for guard in guards):
        raise DocumentError("guards must be a list of objects")
    service = str(document.get("service", ""))
    if not is_text(service):
        raise DocumentError(f"service is {service!r}; {NO_TEXT}")
    policies = [guard.get("policies") or {} for guard in guards]
    present = {name for each in policies for name in each}
    if any((each.get("retry") or {}).get("budget") for each in policies):
        present.add("retry_budget")
    if any((each.get("timeout") or {}).get("threads") for each in policies):
        present.add("timeout_threads")
    goals = [guard.get("objectives") or {} for guard in guards]
    found = {guard.get("criticality") for guard in guards}
    return Facts(
        service=service,
        guards=len(guards),
        policies=frozenset(present),
        modes=frozenset(
            mode for each in policies for mode in (each.get("fallback") or {}).get("modes") or ()
        ),
        criticalities=tuple(name for name in CRITICALITIES if name in found),
        objectives=frozenset(k for goal in goals for k, value in goal.items() if value is not None),
        slow_calls=any((each.get("breaker") or {}).get("slow_after") is not None for each in policies),
        bulkhead_waits=any((each.get("bulkhead") or {}).get("max_wait") for each in policies),
        limiter_waits=any((each.get("rate_limit") or {}).get("max_wait") for each in policies),
        hashes=tuple(sorted({str(guard["hash"]) for guard in guards if guard.get("hash")})),
    )
