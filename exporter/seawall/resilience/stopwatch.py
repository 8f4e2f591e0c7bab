"""Time spent inside the guarded function, so that a sampled call can say what the guard itself cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Stopwatch:
    """Runs a function and takes its time, in seconds. The two clock readings count as the guard's.

    ``strayed``: the call failed or waited, so that the difference is not the guard's cost alone.
    """

    __slots__ = ("_clock", "seconds", "strayed", "timed")

    def __init__(self, clock: Callable[[], float], function: Callable[..., Any]) -> None:
        self._clock = clock
        self.timed = function
        self.seconds = 0.0
        self.strayed = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        began = self._clock()
        result = self.timed(*args, **kwargs)
        self.seconds = self._clock() - began
        return result


class AsyncStopwatch(Stopwatch):
    """The same for a coroutine function: its time with its waits."""

    __slots__ = ()

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        began = self._clock()
        result = await self.timed(*args, **kwargs)
        self.seconds = self._clock() - began
        return result
