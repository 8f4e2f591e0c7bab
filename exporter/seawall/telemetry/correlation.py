"""The correlation id: one per inbound request, carried by a context variable.

It travels by itself into tasks and ``asyncio.to_thread``; `carry` takes it into other threads and executors.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import wraps
from typing import ParamSpec, TypeVar

HEADER = "X-Request-ID"

P = ParamSpec("P")
R = TypeVar("R")

_VALID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("seawall_correlation_id", default="")


def current() -> str:
    """The id of the request being served; "" outside of one."""
    return _current.get()


def new() -> str:
    """A fresh id: 32 hexadecimal digits, which leaves room beside trace and span id in an exemplar."""
    return uuid.uuid4().hex


def valid(text: str) -> bool:
    """Whether an id that came from outside may be used as it is."""
    return _VALID.fullmatch(text) is not None


def accept(received: Sequence[str]) -> str:
    """The id for a request that came with these header values: the one valid value, else a new id."""
    return received[0] if len(received) == 1 and valid(received[0]) else new()


@contextmanager
def using(identifier: str) -> Iterator[str]:
    """Make it the current id inside the block. ``ValueError`` for one that is not valid."""
    if not valid(identifier):
        raise ValueError(f"a correlation id is 1 to 64 of A-Z a-z 0-9 . _ -, not {identifier!r}")
    token = _current.set(identifier)
    try:
        yield identifier
    finally:
        _current.reset(token)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run in a copy of the present context wherever it is called, such as on a thread pool."""
    context = copy_context()

    @wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(function, *args, **kwargs)

    return carried
