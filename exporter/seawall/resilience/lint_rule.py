"""What a rule of the composition lint is, and what several of them ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from seawall.resilience.timeout import Timeout

#: The policies of a guard by their name; to a rule also what it is asked for, as ``operations``.
Policies = Mapping[str, Any]
Finding = str | None


class Rule(NamedTuple):
    """``check`` is asked of guards that have all of ``about`` and, like the layers further in, none of
    ``without``; nor have those any of ``not_below``. It is given what ``about`` names, and what ``beside``
    names where that is there, or ``None``.
    """

    check: Callable[..., Finding]
    about: tuple[str, ...]
    without: tuple[str, ...] = ()
    not_below: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def fits(self, there: frozenset[str], further_in: frozenset[str]) -> bool:
        """Whether it is to be asked of a guard that has these, beside layers further in that have those."""
        missing = (there | further_in).isdisjoint(self.without) and further_in.isdisjoint(self.not_below)
        return missing and there.issuperset(self.about)

    def ask(self, policies: Policies) -> Finding:
        return self.check(*[policies.get(name) for name in (*self.about, *self.beside)])


class Limit(NamedTuple):
    """Seconds, and the setting that says so."""

    seconds: float
    scope: str


def limit_of(timeout: Timeout) -> Limit | None:
    """What bounds the first attempt; ``None`` where nothing does, or it isn't known before the call."""
    if timeout.attempt_for is not None:
        return None
    if timeout.attempt is not None:
        return Limit(timeout.attempt, "attempt")
    return None if timeout.total is None else Limit(timeout.total, "total")


def timeouts_of(timeout: Timeout, operations: Sequence[str]) -> Iterator[tuple[str, str, Timeout | None]]:
    """(operation, the setting that holds for it, what that is) of each."""
    for operation in operations:
        if operation in timeout.by_operation:
            where = f"timeout.by_operation[{operation!r}]"
            yield operation, where, timeout.by_operation[operation]
        else:
            yield operation, "timeout", timeout


def longest() -> float:
    """In place of a random number: back-off at its longest."""
    return 1.0
