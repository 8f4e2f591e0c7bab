"""Time spent inside the guarded function, so that a sampled call can say what the guard itself cost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any


class Stopwatch:
    """Runs ``function`` and adds up its time, in seconds. The two clock readings count as the guard's."""

    __slots__ = ("_clock", "_function", "seconds")

    def __init__(self, clock: Callable[[], float], function: Callable[..., Any]) -> None:
        self._clock = clock
        self._function = function
        self.seconds = 0.0

    def run(self, *args: Any, **kwargs: Any) -> Any:
        began = self._clock()
        try:
            return self._function(*args, **kwargs)
        finally:
            self.seconds += self._clock() - began

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        began = self._clock()
        try:
            work: Awaitable[Any] = self._function(*args, **kwargs)
            return await work
        finally:
            self.seconds += self._clock() - began
