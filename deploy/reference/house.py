"""What a running service process holds: the clients of its dependencies, its services, and the drain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from starlette.applications import Starlette

from reference.cache import open_cache
from reference.database import open_database
from reference.objectstore import open_store
from reference.outbox import Outbox
from reference.services.analytics import AnalyticsService
from reference.services.files import FileService
from reference.services.mail import EmailService
from reference.services.reconciliation import Bank, ReconciliationEngine
from reference.settings import Settings
from reference.spool import Spool
from seawall.integrations.httpx import instrument
from seawall.resilience import Rejected

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """The four services of one process."""

    analytics: AnalyticsService
    files: FileService
    reconciliation: ReconciliationEngine
    mail: EmailService

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[House]:
        """Open everything, drain what waits while it is open, close everything."""
        async with AsyncExitStack() as stack:
            database = await open_database(settings.database_url)
            stack.push_async_callback(database.close)
            cache = open_cache(settings.cache_url)
            stack.push_async_callback(cache.close)
            # The guards bound every call; these bounds only keep a client used without one from hanging.
            bank = httpx.AsyncClient(base_url=settings.bank_url, timeout=5.0)
            await stack.enter_async_context(bank)
            store = httpx.AsyncClient(timeout=5.0)
            await stack.enter_async_context(store)
            for client in (bank, store):
                instrument(client)
            filesystem, prefix = open_store(settings.store_url, client=store)
            outbox = Outbox(settings.data / "outbox.sqlite")
            await outbox.open()
            stack.push_async_callback(outbox.close)
            spool = Spool(settings.data / "spool")
            spool.open()
            house = cls(
                AnalyticsService(database, cache),
                FileService(filesystem, prefix, spool),
                ReconciliationEngine(database, Bank(bank)),
                EmailService(settings.smtp_host, settings.smtp_port, outbox),
            )
            drains = [
                asyncio.create_task(drain_for_ever(drain, settings.drain_every))
                for drain in (house.mail.drain, house.files.drain)
            ]
            stack.push_async_callback(_end, drains)
            yield house

    @classmethod
    def lifespan(cls, settings: Settings) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
        """For Starlette: the house stands in `app.state.house` while the app runs."""

        @asynccontextmanager
        async def living(app: Starlette) -> AsyncIterator[None]:
            async with cls.open(settings) as house:
                app.state.house = house
                yield

        return living


async def drain_for_ever(drain: Callable[[], Awaitable[int]], every: float) -> None:
    """Call `drain` every so many seconds; after a rejection not before the guard says that it makes sense."""
    while True:
        pause = every
        try:
            await drain()
        except Rejected as rejection:
            pause = max(every, rejection.retry_after or 0.0)
        except Exception as problem:  # noqa: BLE001 - whatever a mail or a file runs into, it waits on
            log.info("drain stopped by %s, what waits is kept", type(problem).__name__)
        await asyncio.sleep(pause)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
