"""What an exception of the guarded function means: one verdict per attempt.

================================================  =============  ==========================================
exception                                          outcome        counts as
================================================  =============  ==========================================
``asyncio.CancelledError`` and whatever is no      ``cancelled``  nothing: no success, no failure, no retry
``Exception``: ``KeyboardInterrupt``,
``SystemExit``, ``GeneratorExit``, other loops' own
one of ``ignore``                                  ``ignored``    nothing; never retried, never degraded
one of ``record`` that is a ``TimeoutError``       ``timeout``    failure
one of ``record``                                  ``failure``    failure
any other                                          ``ignored``    nothing; may be retried, may be degraded
a rejection by a pipeline's layer further in       ``ignored``    nothing; never retried, may be degraded
================================================  =============  ==========================================

An exception group counts as its worst leaf: cancelled, then failure, then timeout, then ignored.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Types = tuple[type[BaseException], ...]
Predicate = Callable[[BaseException], bool]
_WORST_FIRST = ("cancelled", "failure", "timeout", "ignored")


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that a group holds at any depth; an exception that is no group is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def matches(error: BaseException, types: Types) -> bool:
    """Whether the exception, or any leaf of a group, is one of ``types``."""
    return isinstance(error, types) or any(isinstance(leaf, types) for leaf in leaves(error))


def neutral(error: BaseException) -> bool:
    """Whether the exception, or any leaf of a group, is a cancellation."""
    return any(_cancels(leaf) for leaf in leaves(error))


def _cancels(error: BaseException) -> bool:
    return isinstance(error, CancelledError) or not isinstance(error, Exception)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What counts for one guard: exception types and predicates, as set on its breaker."""

    record: Types = (Exception,)
    ignore: Types = ()
    record_if: Predicate | None = None
    ignore_if: Predicate | None = None

    def outcome(self, error: BaseException) -> str:
        """The attempt outcome of an exception."""
        if not isinstance(error, BaseExceptionGroup):
            return self._leaf(error)
        if isinstance(error, self.ignore):
            return "ignored"
        found = {self._leaf(leaf) for leaf in leaves(error)}
        return next(outcome for outcome in _WORST_FIRST if outcome in found)

    def ignores(self, error: BaseException) -> bool:
        """Whether the exception, or every leaf of a group, is declared as no failure of the dependency."""
        return self._declared(error) or all(self._declared(leaf) for leaf in leaves(error))

    def _leaf(self, error: BaseException) -> str:
        if _cancels(error):
            return "cancelled"
        if self._declared(error) or not self._counts(error):
            return "ignored"
        return "timeout" if isinstance(error, TimeoutError) else "failure"

    def _declared(self, error: BaseException) -> bool:
        return isinstance(error, self.ignore) or (self.ignore_if is not None and bool(self.ignore_if(error)))

    def _counts(self, error: BaseException) -> bool:
        if self.record_if is not None and self.record_if(error):
            return True
        # A predicate given alone takes the place of the default types.
        return isinstance(error, self.record) and (self.record_if is None or self.record != (Exception,))
