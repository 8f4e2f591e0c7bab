"""A dependency whose runs wait to be told how they end, and what came of a call, in words that models use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

#: How something ended, and which run said so: ``None`` where nobody in particular did.
Came = tuple[str, int | str | None]
CANCELLED: Came = ("cancelled", None)
TIMED_OUT: Came = ("timed_out", None)

#: How a run may end of itself.
ENDINGS = ("answer", "bad", "fail", "ignored", "cancelled", "alarm")
#: How it may end its clean-up after it was cancelled: as it should, or not.
CLEAN_UPS = ("cancelled", "answer", "fail")


class Ignored(Exception): ...


class Alarm(BaseException):
    """What a signal handler may raise."""


RAISED: dict[str, type[BaseException]] = {"fail": ConnectionError, "ignored": Ignored, "alarm": Alarm}


def bad(result: Any) -> bool:
    """Whether a result counts as a failure."""
    return bool(result[0] == "bad")


class Run:
    """One run of the function: ``running``, ``cleaning`` up since it was cancelled, or ``ended``."""

    def __init__(self, number: int, call: Any) -> None:
        self.number, self.call = number, call
        self.state = "running"
        self.told = asyncio.get_running_loop().create_future()

    def tell(self, ending: str) -> None:
        if not self.told.done():
            self.told.set_result(ending)

    async def play(self, lingers: bool) -> Any:
        try:
            ending = await self.told
        except asyncio.CancelledError:
            if not lingers:
                raise
            self.state = "cleaning"
            self.told = asyncio.get_running_loop().create_future()
            ending = await self.told
        finally:
            self.state = "ended"
        if ending == "cancelled":
            raise asyncio.CancelledError
        if ending in RAISED:
            raise RAISED[ending](self.number)
        return ending, self.number


class Played:
    """The dependency. ``lingers``: whether what is cancelled takes its time to end."""

    def __init__(self, begun: Callable[[Run], None] = lambda _: None) -> None:
        self.runs: list[Run] = []
        self.begun = begun

    async def __call__(self, call: Any, lingers: bool = False, question: str | None = None) -> Any:
        run = Run(len(self.runs), call)
        self.runs.append(run)
        self.begun(run)
        return await run.play(lingers)

    def states(self) -> list[tuple[Any, str]]:
        return [(run.call, run.state) for run in self.runs]


def came_of(task: asyncio.Future[Any]) -> Came:
    """What a call came to."""
    if task.cancelled():
        return CANCELLED
    error = task.exception()
    if error is None:
        ending, number = task.result()
        return ending, number
    for ending, kind in RAISED.items():
        if type(error) is kind:
            return ending, error.args[0]
    reason = getattr(error, "reason", None)
    return (type(error).__name__, reason) if reason else ("timed_out", None)
