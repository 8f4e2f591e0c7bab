"""A guard of a keyed family, and what is left of one that has gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from seawall.resilience.breaker_state import CLOSED
from seawall.resilience.errors import ConfigurationError
from seawall.resilience.guard import Guard
from seawall.resilience.ledger import Ledger, merge

if TYPE_CHECKING:
    from seawall.resilience.family import Family
    from seawall.resilience.operation import Operation

#: A rate limit is at its full burst, but for roundings.
HAIR = 0.001


class Member(Guard):
    """A guard of a family. Its settings are the family's."""

    def __init__(self, family: Family, key: str, **settings: Any) -> None:
        self.of = family
        self.key = key
        self.gone = False
        self.lanes: dict[int, Callable[..., Any]] = {}
        self.family = family.name
        super().__init__(f"{family.name}/{key}", registry=family.registry, **settings)
        # Whatever the settings say of it later.
        self._begun = self.state

    def operation(self, name: str) -> Operation:
        # Looked up once: it may go at any moment. One that was found hands its calls on then.
        if (found := self._operations.get(name)) is not None:
            return found
        return self.of.get(self.key).operation(name) if self.gone else super().operation(name)

    def describe(self) -> dict[str, Any]:
        """As the family, hash included, under its own name."""
        return super().describe() | {"hash": self.of.entry(super().describe())["hash"]}

    def reconfigure(self, **changes: Any) -> None:
        raise ConfigurationError(
            [f"Guard {self.name!r}: its settings are the family's; allowed: Family.reconfigure"]
        )

    def pass_time(self) -> None:
        if self is self.of.other:
            self.of.settle()
        super().pass_time()

    def last_used(self) -> float:
        """Not before the last call began that has ended; when it was built, before any."""
        return max(self.began, *(op.tick for op in self.declared()))

    def can_go(self) -> bool:
        """Whether nothing but counts would be lost with it. Caller holds its lock."""
        if self._blocks.any or (
            self.bulkhead is not None and (self.bulkhead.in_flight or self.bulkhead.waiters)
        ):
            return False
        if self.workers is not None and len(self.workers.places) < self.workers.size:
            return False
        if self.limiter is not None and (
            self.limiter.available(self.clock()) < self.limiter.settings.burst - HAIR
        ):
            return False
        if self.breaker is None:
            return True
        begun = self._begun
        return self.breaker.state == begun and self.breaker.deciding.state in (CLOSED, begun)

    def leave(self) -> Ledger:
        """Be a member no more: calls go on to whatever serves the key. Caller holds its lock."""
        self.accounts.count_avoided()
        self.gone = True
        retired, self._operations = self._operations, {}
        for name, op in retired.items():
            op.retire(partial(self.operation, name))
        return self.ledger


class Gone:
    """The ledger of a member that has gone, for calls that are still in flight then.

    ``over``: nobody counts in it now.
    """

    __slots__ = ("_guard", "_ledger", "_taken", "over")

    def __init__(self, member: Member) -> None:
        self._ledger = member.leave()
        self._guard = ref(member)
        self._taken: list[float] = list(self._ledger.slots)
        self.over = False

    def counted(self) -> bool:
        """Whether there is anything new."""
        self.over = self._guard() is None
        return list(self._ledger.slots) != self._taken

    def news(self, target: Ledger) -> Iterator[tuple[int, float]]:
        """(slot of ``target``, number to add) of all that is new. Caller holds the target's lock."""
        raw = list(self._ledger.slots)
        layout = self._ledger.layout
        errors = layout.at("errors", "0")
        numbers = merge(layout, [a - b for a, b in zip(raw, self._taken, strict=True)])
        self._taken = raw
        for slot, number in enumerate(numbers):
            if number:
                i = slot - errors
                if 0 <= i < len(self._ledger.error_names):
                    slot = target.error_slot(self._ledger.error_names[i] or "")
                yield slot, number
