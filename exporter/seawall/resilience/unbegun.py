"""Work that a ``def`` handed back without having begun it. Nothing would guard it, so it is refused.

Before the call nobody can know. After it, one look is enough: functions don't change their kind. A guarded
function is looked at when it first answers, and whenever a call leaves the fast lane.
"""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from contextlib import asynccontextmanager, contextmanager
from types import AsyncGeneratorType, CodeType, GeneratorType
from typing import Any

from seawall.resilience.errors import ConfigurationError


def _nothing() -> Any:
    return iter(())


_example, _async_example = contextmanager(_nothing), asynccontextmanager(_nothing)
_MANAGERS = (type(_example()), type(_async_example()))
#: What ``contextlib`` puts around the generator functions that it decorates: one code object each.
HELPER: CodeType = _example.__code__
ASYNC_HELPER: CodeType = _async_example.__code__


def refuse_unbegun(dependency: str, function: object, result: object) -> None:
    """Raise :class:`ConfigurationError` if a function's result is work that is still to be done."""
    what = _unbegun(result)
    if not what:
        return
    if isinstance(result, Coroutine):
        # Nobody will await it: say so once, not in a warning too.
        result.close()
    raise ConfigurationError(
        [
            f"{dependency}: {name_of(function)} handed back {what}, which nothing would guard; allowed: "
            "a function that is async def, a generator or a context manager itself, or -> Awaitable[...]"
        ]
    )


def name_of(thing: Any) -> str:
    """For messages: the qualified name of a function, the type of anything else."""
    thing = getattr(thing, "timed", thing)
    name = getattr(thing, "__qualname__", "")
    return name or type(thing).__name__


def _unbegun(result: Any) -> str:
    """What it is; "" for a plain answer.

    A generator expression has begun: its outermost source was asked for when it was made.
    """
    kind = type(result)
    if kind is GeneratorType:
        begun = inspect.getgeneratorstate(result) != inspect.GEN_CREATED
        return "" if begun or result.gi_code.co_name == "<genexpr>" else "a generator"
    if kind is AsyncGeneratorType:
        # A def can't have begun it.
        return "" if result.ag_code.co_name == "<genexpr>" else "an async generator"
    if kind in _MANAGERS:
        return "a context manager"
    return "an awaitable" if hasattr(kind, "__await__") else ""
