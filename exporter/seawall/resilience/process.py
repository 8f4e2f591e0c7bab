"""Fork: a child begins with no callers in flight, no permits out, no locks held, all counters at 0."""

from __future__ import annotations

import os
import threading
from math import inf
from typing import TYPE_CHECKING
from weakref import WeakSet

from seawall.resilience import timer
from seawall.resilience.breaker_state import OPEN

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard
    from seawall.resilience.registry import Registry

_guards: WeakSet[Guard] = WeakSet()
_registries: WeakSet[Registry] = WeakSet()


def remember(guard: Guard) -> None:
    _guards.add(guard)


def remember_registry(registry: Registry) -> None:
    _registries.add(registry)


def _after_fork_in_child() -> None:
    timer.of_process.restart()
    for registry in list(_registries):
        registry.restart()
    for guard in list(_guards):
        _begin_anew(guard)


def _begin_anew(guard: Guard) -> None:
    """The parent's callers are not here, nor their permits, nor the locks that they held."""
    guard.lock = threading.RLock()
    guard.ledger.clear()
    guard.accounts.clear()
    guard.report.restart()
    if guard.bulkhead is not None:
        guard.bulkhead.clear()
    if guard.stale is not None:
        guard.stale.reset_lock()
    if guard.flights is not None:
        guard.flights.restart()
    if guard.breaker is not None:
        guard.breaker.forget(0)
        if guard.state == OPEN:
            timer.of_process.note(guard, guard.breaker.open_until)
    if guard.budget is not None:
        guard.budget.restart()
    if guard.workers is not None:
        guard.workers.restart()
    for op in guard.declared():
        op.slots = guard.ledger.slots
        op.tick = -inf
    guard.shift_lanes()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
