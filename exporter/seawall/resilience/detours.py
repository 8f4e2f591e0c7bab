"""Calls that the fast lane sends aside: to time what a guard itself costs, or to a newer operation.

A guarded function keeps the settings that it was built with. When these are replaced, its operation is
retired: the lane is shut for good, and each call goes on to whatever stands in its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from seawall.resilience.stopwatch import AsyncStopwatch, Stopwatch

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


class Handover:
    """Where the calls of a retired operation go: to what ``target`` says now. One lane a function is kept."""

    __slots__ = ("_lanes", "target")

    def __init__(self, target: Callable[[], Operation]) -> None:
        self.target = target
        self._lanes: dict[int, tuple[Operation, object, Callable[..., Any]]] = {}

    def lane(
        self, function: Callable[..., Any], guarded: Callable[[Operation], Callable[..., Any]]
    ) -> Callable[..., Any]:
        """``function`` under the operation of now."""
        op = self.target()
        kept = self._lanes.get(id(function))
        if kept is None or kept[0] is not op:
            # Kept with the function: as long as that lives, its id is no one else's.
            kept = self._lanes[id(function)] = (op, function, guarded(op))
        return kept[2]


def aside(
    op: Operation, function: Callable[..., Any], args: Args, kwargs: Kwargs, guarded: Callable[..., Any]
) -> Any:
    """``guarded`` makes a lane: ``hotpath.synchronous``."""
    if op.handover is not None:
        lane = op.handover.lane(function, lambda successor: guarded(successor, function, new=True))
        return lane(*args, **kwargs)
    op.sample_taken()
    began, inside = op.clock(), Stopwatch(op.clock, function)
    result = guarded(op, inside)(*args, **kwargs)
    op.sampled(inside, began)
    return result


async def aaside(
    op: Operation,
    function: Callable[..., Awaitable[Any]],
    args: Args,
    kwargs: Kwargs,
    guarded: Callable[..., Any],
) -> Any:
    """``guarded``: ``hotpath.asynchronous``."""
    if op.handover is not None:
        lane = op.handover.lane(function, lambda successor: guarded(successor, function))
        return await lane(*args, **kwargs)
    op.sample_taken()
    began, inside = op.clock(), AsyncStopwatch(op.clock, function)
    result = await guarded(op, inside)(*args, **kwargs)
    op.sampled(inside, began)
    return result
