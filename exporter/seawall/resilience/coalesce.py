"""Settings of coalescing: identical calls at the same time are one call."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from seawall.resilience.checks import Checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalesce:
    """Callers who ask the same at the same time share one execution, and its answer.

    For what is read by many and takes long. Nothing is kept: who asks after the answer asks anew.

    key: function of the call's arguments that says what is the same; hashable, and ``None`` where this call
        is nobody else's. By default the arguments themselves, which must be hashable, ``self`` of a method
        among them. A call whose key can't be had is not shared. Whatever the answer depends on besides the
        arguments (a user in a context variable) belongs into the key.

    All callers get the same object: treat it as read-only. Of an exception each gets one of its own.
    """

    key: Callable[..., Hashable | None] | None = None

    def __post_init__(self) -> None:
        checks = Checks("Coalesce")
        if self.key is not None and not callable(self.key):
            checks.fail("key", self.key, "a function, or None")
        checks.done()

    def describe(self) -> dict[str, object]:
        return {"key": self.key is not None}
