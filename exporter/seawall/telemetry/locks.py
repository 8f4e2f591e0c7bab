"""A lock for code that runs inside guarded calls."""

from __future__ import annotations

import os
import threading
from weakref import WeakSet


class CallLock:
    """A lock that no fork and no signal handler can turn into a deadlock.

    A forked child gets it free, whoever held it in the parent; a signal handler may take it again on top of
    the thread that it interrupted. Hold it for a few statements only.
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Make it free, in a forked child."""
        self._lock = threading.RLock()


_locks: WeakSet[CallLock] = WeakSet()


def _after_fork_in_child() -> None:
    for lock in list(_locks):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
