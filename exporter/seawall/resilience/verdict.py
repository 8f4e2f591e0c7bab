"""What an exception of the guarded function means: one verdict per attempt.

================================================  =============  ==========================================
exception                                          outcome        counts as
================================================  =============  ==========================================
``asyncio.CancelledError``, ``KeyboardInterrupt``,  ``cancelled``  nothing: no success, no failure, no retry
``SystemExit``, ``GeneratorExit``
one of ``ignore``                                  ``ignored``    nothing; never retried, never degraded
one of ``record`` that is a ``TimeoutError``       ``timeout``    failure
one of ``record``                                  ``failure``    failure
any other                                          ``ignored``    nothing; may be retried, may be degraded
================================================  =============  ==========================================

An exception group counts as its worst leaf: cancelled, then failure, then timeout, then ignored.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator

Types = tuple[type[BaseException], ...]
NEUTRAL: Types = (CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)
_WORST_FIRST = ("cancelled", "failure", "timeout", "ignored")


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that a group holds at any depth; an exception that is no group is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def verdict(error: BaseException, record: Types, ignore: Types) -> str:
    """The attempt outcome of an exception."""
    if not isinstance(error, BaseExceptionGroup):
        return _leaf(error, record, ignore)
    if isinstance(error, ignore):
        return "ignored"
    found = {_leaf(leaf, record, ignore) for leaf in leaves(error)}
    return next(outcome for outcome in _WORST_FIRST if outcome in found)


def matches(error: BaseException, types: Types) -> bool:
    """Whether the exception, or any leaf of a group, is one of ``types``."""
    return isinstance(error, types) or any(isinstance(leaf, types) for leaf in leaves(error))


def ignored(error: BaseException, ignore: Types) -> bool:
    """Whether the exception, or every leaf of a group, is declared as none of the dependency's failures."""
    return isinstance(error, ignore) or all(isinstance(leaf, ignore) for leaf in leaves(error))


def _leaf(error: BaseException, record: Types, ignore: Types) -> str:
    if isinstance(error, NEUTRAL):
        return "cancelled"
    if isinstance(error, ignore) or not isinstance(error, record):
        return "ignored"
    return "timeout" if isinstance(error, TimeoutError) else "failure"
