"""Fork: a child begins with no callers in flight, no permits out, no locks held, all counters at 0."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard

_guards: WeakSet[Guard] = WeakSet()


def remember(guard: Guard) -> None:
    _guards.add(guard)


def _after_fork_in_child() -> None:
    for guard in list(_guards):
        guard.forget_callers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
