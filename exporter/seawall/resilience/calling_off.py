"""Tasks that nobody needs any more: cancelled, and awaited however often whoever waits is cancelled too."""

from __future__ import annotations

from asyncio import CancelledError, Task, wait
from collections.abc import Iterable
from contextlib import suppress
from typing import Any


def cancel(tasks: Iterable[Task[Any]]) -> None:
    """Ask them to end. Those of a closed loop can't: they end when they are collected."""
    for task in tuple(tasks):
        with suppress(RuntimeError):
            task.cancel()


async def call_off(tasks: Iterable[Task[Any]]) -> None:
    """Cancel them and wait for their end."""
    cancel(tasks)
    await see_off(tasks)


async def see_off(tasks: Iterable[Task[Any]]) -> None:
    """Wait until the cancelled have ended; a cancellation of the caller is passed on, then raised."""
    cancelled: CancelledError | None = None
    while running := [task for task in tasks if not task.done()]:
        try:
            await wait(running)
        except CancelledError as error:
            cancelled = error
            cancel(running)
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            del cancelled
