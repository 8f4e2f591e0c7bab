"""A service's own questions for readiness."""

from __future__ import annotations

import asyncio

from seawall.exporter.readiness import answers


async def test_answers_of_every_kind() -> None:
    async def yes() -> bool:
        return True

    async def fails() -> bool:
        raise RuntimeError("db.internal")

    def broken() -> bool:
        raise OSError

    found = await answers({"a": lambda: True, "b": yes, "c": lambda: False, "d": fails, "e": broken})
    assert found == {"a": True, "b": True, "c": False, "d": False, "e": False}
    assert await answers({}) == {}


async def test_one_that_does_not_answer_says_no() -> None:
    async def never() -> bool:
        await asyncio.Event().wait()
        return True

    assert await answers({"slow": never, "quick": lambda: True}, time_limit=0.05) == {
        "slow": False,
        "quick": True,
    }
