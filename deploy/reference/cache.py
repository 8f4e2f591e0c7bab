"""The cache's client: in the process by default, Redis by URL. Values are text and live for `seconds`."""

from __future__ import annotations

import time
from typing import Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


class Cache(Protocol):
    """What the services ask of a cache."""

    async def get(self, key: str) -> str | None:
        """The value, or None."""

    async def put(self, key: str, value: str, seconds: float) -> None:
        """Keep a value for a time."""

    async def close(self) -> None:
        """Give the connections back."""


class ProcessCache:
    """A dictionary with expiry; bounded, the oldest entry goes first."""

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._entries: dict[str, tuple[float, str]] = {}

    async def get(self, key: str) -> str | None:
        until, value = self._entries.get(key, (0.0, ""))
        return value if until > time.monotonic() else None

    async def put(self, key: str, value: str, seconds: float) -> None:
        self._entries.pop(key, None)
        while len(self._entries) >= self._capacity:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (time.monotonic() + seconds, value)

    async def close(self) -> None:
        self._entries.clear()


class RedisCache:
    """Redis. Its client's own retries are off: the guard decides what is tried again."""

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(
            url,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
        )

    async def get(self, key: str) -> str | None:
        value = await self._client.get(key)
        return None if value is None else str(value)

    async def put(self, key: str, value: str, seconds: float) -> None:
        await self._client.set(key, value, px=int(seconds * 1000))

    async def close(self) -> None:
        await self._client.aclose()


def open_cache(url: str) -> Cache:
    """The cache behind a URL; an empty one is the process's own."""
    return RedisCache(url) if url else ProcessCache()
