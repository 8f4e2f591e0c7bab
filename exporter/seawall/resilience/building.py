"""What stands around the functions of an operation, chosen when the guard is built.

Hedge and coalesce are wrappers, so that calls of guards without them run no line more for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from seawall.resilience.coalescing import ashared, shared
from seawall.resilience.errors import ConfigurationError
from seawall.resilience.hedging import Hedged
from seawall.resilience.hotpath import asynchronous, synchronous
from seawall.resilience.unbegun import name_of

if TYPE_CHECKING:
    from seawall.resilience.hedge import Hedge
    from seawall.resilience.operation import Operation

#: From (operation, function) to the function under the guard; of a ``def`` also whether it is new.
Builder = Callable[..., Callable[..., Any]]


def builders_of(op: Operation) -> tuple[Builder, Builder]:
    """How a ``def`` and how an ``async def`` are put under this operation."""
    hedge, flights = _hedge_of(op), op.guard.flights
    if hedge is None and flights is None:
        return synchronous, asynchronous

    def functions(op: Operation, function: Any, new: bool = False) -> Callable[..., Any]:
        if hedge is not None:
            _refuse(op, f"{name_of(function)} (function)", "hedge", "a thread can't be cancelled")
        plain = synchronous(op, function, new)
        return plain if flights is None else shared(op, function, plain, flights)

    def coroutines(op: Operation, function: Any) -> Callable[..., Any]:
        asked = function if hedge is None else Hedged(op, hedge, function)
        plain = asynchronous(op, asked)
        return plain if flights is None else ashared(op, asked, plain, flights)

    return functions, coroutines


def refuse_parts(op: Operation, what: str) -> None:
    """``ConfigurationError`` where calls are hedged or shared: what runs in parts can be neither."""
    if _hedge_of(op) is not None:
        _refuse(op, what, "hedge", "it can't run twice")
    if op.guard.flights is not None:
        _refuse(op, what, "coalesce", "it has no answer to share")


def _hedge_of(op: Operation) -> Hedge | None:
    hedge = op.guard.hedge
    return hedge if hedge is not None and hedge.covers(op.name) else None


def _refuse(op: Operation, what: str, policy: str, why: str) -> NoReturn:
    allowed = "async def" if policy == "hedge" else "def or async def"
    raise ConfigurationError(
        [f"{op.dependency}: can't {policy} {what}: {why}; allowed: {allowed}, or a guard without {policy}"]
    )
