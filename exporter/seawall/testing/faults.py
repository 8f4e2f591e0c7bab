"""A dependency that fails when told to: attempts end with an error, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from seawall.testing.subjects import Subject, places


class Faults:
    """``left``: attempts that are still to fail. ``failed``: those that did."""

    def __init__(self, n: int, error: Callable[[], BaseException], operation: str | None) -> None:
        self.left = n
        self.failed = 0
        self._error = error
        self._operation = operation
        self._lock = Lock()

    def __call__(self, operation: str) -> BaseException | None:
        """The error of an attempt of this operation; None: let it ask."""
        if self._operation not in (None, operation):
            return None
        with self._lock:
            if not self.left:
                return None
            self.left -= 1
            self.failed += 1
        return self._error()


@contextmanager
def fail_next(
    of: Subject, n: int = 1, error: BaseException | Callable[[], BaseException] = ConnectionError
) -> Iterator[Faults]:
    """Inside, the next ``n`` attempts fail with ``error``: a type, a function that makes one, or one itself.

    Of a guard or of one operation, whatever was decorated and when; in ``def`` and ``async def``, blocks and
    generators. Of a pipeline: attempts of its last layer, which is the one that asks. Retries are attempts
    too. A call that the guard rejects is none. Nested: the inner ones first.

    with fail_next(bank, 2) as faults:
        statements("alice")
    assert faults.left == 0
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n is {n!r}; allowed: a whole number >= 1")
    make = _maker(error)
    guard, operation = places(of)[-1]
    faults = Faults(n, make, operation)
    with guard.lock:
        guard.fail_by(faults, *guard.faults)
    try:
        yield faults
    finally:
        with guard.lock:
            guard.fail_by(*(other for other in guard.faults if other is not faults))


def _maker(error: BaseException | Callable[[], BaseException]) -> Callable[[], BaseException]:
    if isinstance(error, BaseException):
        return lambda: error
    allowed = "allowed: an exception, or what makes one without arguments"
    try:
        made = error()
    except TypeError as why:
        raise ValueError(f"error is {error!r}: {why}; {allowed}") from None
    if not isinstance(made, BaseException):
        raise ValueError(f"error is {error!r}, which makes {made!r}; {allowed}")
    return error
