"""The correlation id: one per inbound request, carried by a context variable.

It travels by itself into tasks and ``asyncio.to_thread``; `submit` takes it into executors, `carry` anywhere.
With it goes the whole context: the trace, and the deadline of the call.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token, copy_context
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


def adopt(identifier: str) -> Token[str]:
    """Make it the current id of the present context. ``ValueError`` for one that is not valid."""
    if not valid(identifier):
        raise ValueError(f"a correlation id is 1 to 64 of A-Z a-z 0-9 . _ -, not {identifier!r}")
    return _current.set(identifier)


@contextmanager
def using(identifier: str) -> Iterator[str]:
    """Make it the current id inside the block. ``ValueError`` for one that is not valid."""
    token = adopt(identifier)
    try:
        yield identifier
    finally:
        # A block that is ended from elsewhere, by the collector of garbage say, leaves nothing there.
        with suppress(ValueError):
            _current.reset(token)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run in a copy of the present context wherever it is called, such as on a thread pool."""
    context = copy_context()

    @wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(function, *args, **kwargs)

    return carried


def submit(executor: Executor, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    """``executor.submit`` of a thread pool, in a copy of the present context."""
    return executor.submit(carry(function), *args, **kwargs)
