"""AnalyticsService: aggregates of a day, behind a cache."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date

from reference import guards
from reference.cache import Cache
from reference.database import Database
from reference.model import DayTotals

KEPT_SECONDS = 1.0


class AnalyticsService:
    """Answers from the cache where it can; without a cache it computes, and is slower but right."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def totals(self, day: date) -> DayTotals:
        """Aggregates of a day. Raises what the database's guard raises."""
        key = f"totals:{day.isoformat()}"
        kept = await self._get(key)
        if kept is not None:
            return DayTotals(**(json.loads(kept) | {"day": day}))
        totals = await self._totals(day)
        await self._put(key, json.dumps(asdict(totals) | {"day": None}))
        return totals

    @guards.database.operation("totals")
    async def _totals(self, day: date) -> DayTotals:
        return await self._database.totals(day)

    @guards.cache.operation("get")
    async def _get(self, key: str) -> str | None:
        return await self._cache.get(key)

    @guards.cache.operation("put")
    async def _put(self, key: str, value: str) -> None:
        await self._cache.put(key, value, KEPT_SECONDS)
