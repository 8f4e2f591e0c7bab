"""How tracing gets around calls without the core knowing any tracer.

An observer is asked once per call whether it watches. Only then is a :class:`Watch` made, and the call leaves
the fast lane. All methods run in the caller's thread or task and in its context. What they raise is counted
under the observer's name and never reaches the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard


class Watch(Protocol):
    """Follows one call.

    ``slot`` is the ledger slot of the histogram bucket just counted; times in seconds.
    """

    def attempt_started(self, number: int) -> None: ...

    def attempt_ended(self, outcome: str, error: str, slot: int, seconds: float) -> None: ...

    def wait_started(self, reason: str) -> None:
        """``reason``: ``retry``, ``bulkhead``, ``rate_limit`` or ``coalesce``."""

    def wait_ended(self) -> None: ...

    def call_ended(
        self, outcome: str, attempts: int, state: str, error: str, slot: int, seconds: float
    ) -> None: ...


class Observer(Protocol):
    def watching(self) -> bool:
        """Whether calls of the current context are to be watched. Runs on every call: be quick."""

    def call_started(self, guard: Guard, operation: str) -> Watch | None: ...
