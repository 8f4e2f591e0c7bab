"""Checks that a service adds to its readiness: named questions with a bounded time to answer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping

Check = Callable[[], bool | Awaitable[bool]]

#: Seconds that all checks together may take; one that has not answered by then says no.
TIME_LIMIT = 1.0


async def answers(checks: Mapping[str, Check], *, time_limit: float = TIME_LIMIT) -> dict[str, bool]:
    """What each check says. One that raises, or does not answer in time, says no."""
    tasks = {name: asyncio.ensure_future(_ask(check)) for name, check in checks.items()}
    if tasks:
        await asyncio.wait(tasks.values(), timeout=time_limit)
    for task in tasks.values():
        task.cancel()
    return {name: _said_yes(task) for name, task in tasks.items()}


async def _ask(check: Check) -> bool:
    answer = await asyncio.to_thread(check)
    return bool(await answer) if inspect.isawaitable(answer) else bool(answer)


def _said_yes(task: asyncio.Future[bool]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None and task.result()
