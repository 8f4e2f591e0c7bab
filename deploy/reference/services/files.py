"""FileService: exports into the object store; what can't be uploaded now is spooled and uploaded later."""

from __future__ import annotations

import asyncio
from typing import Any

from reference import guards
from reference.model import Waiting
from reference.spool import Spool


class FileService:
    """Uploads through fsspec. A file that was accepted is in the store or in the spool, never in neither."""

    def __init__(self, filesystem: Any, prefix: str, spool: Spool) -> None:
        self._filesystem = filesystem
        self._prefix = prefix
        self._spool = spool
        self._spooling = asyncio.Lock()

    async def upload(self, name: str, content: bytes) -> Waiting | None:
        """Upload a file; returns its place in the queue when it has to wait, None when it is in the store."""
        if self._spool.holds(name):
            return await self.keep(name, content)
        return await self._upload(name, content)

    @guards.files
    async def _upload(self, name: str, content: bytes) -> Waiting | None:
        await self._store(name, content)
        return None

    async def _store(self, name: str, content: bytes) -> None:
        await self._filesystem._pipe_file(f"{self._prefix}/{name}".lstrip("/"), content)

    async def keep(self, *item: Any) -> Waiting:
        """Spool a file (name, content)."""
        name, content = item
        async with self._spooling:
            return await asyncio.to_thread(self._spool.add, name, content)

    async def drain(self) -> int:
        """Upload what waits, in order, until one fails; returns how many went. Raises what stopped it."""
        gone = 0
        for spooled in self._spool.waiting():
            content = await asyncio.to_thread(spooled.path.read_bytes)
            async with guards.files:
                await self._store(spooled.name, content)
            self._spool.remove(spooled)
            gone += 1
        return gone

    def waiting(self) -> int:
        """How many files wait."""
        return len(self._spool.waiting())
