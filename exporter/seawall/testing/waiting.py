"""Back-off that takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

from seawall.resilience.guard import Guard
from seawall.resilience.pipeline import Pipeline
from seawall.resilience.registry import Registry
from seawall.testing.subjects import layers


@contextmanager
def instant_retries(of: Guard | Pipeline | Registry) -> Iterator[None]:
    """Inside, a guard, or every guard of a registry, waits for nothing: neither back-off nor a rate limit.
    Of a pipeline: every layer.

    How long it would have waited is decided, counted and told as ever. The guard's clock stands still
    meanwhile; with a ``ManualClock`` give the guard its ``sleep`` and ``asleep`` if it is to move.
    """
    with ExitStack() as undo:
        for guard in list(of) if isinstance(of, Registry) else layers(of, "a Guard, a Pipeline, a Registry"):
            undo.callback(_wait_by, guard, guard.sleep, guard.asleep)
            _wait_by(guard, _not_at_all, _only_a_turn)
        yield


def _wait_by(
    guard: Guard, sleep: Callable[[float], None], asleep: Callable[[float], Awaitable[None]]
) -> None:
    guard.sleep, guard.asleep = sleep, asleep


def _not_at_all(seconds: float) -> None:
    return


async def _only_a_turn(seconds: float) -> None:
    """Other tasks have theirs, as in any wait."""
    await asyncio.sleep(0)
