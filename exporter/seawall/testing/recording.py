"""A listener that remembers, for asserting what a guard did."""

from __future__ import annotations

from typing import TypeVar

from seawall.resilience.events import Event

E = TypeVar("E")


class Recording:
    """Keeps every event. ``registry.subscribe(recording)``, then ``recording.of(Transition)``."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def clear(self) -> None:
        self.events.clear()
