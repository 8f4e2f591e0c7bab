"""The ledger's database: SQLite by default, PostgreSQL by URL, reached through the same methods."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from datetime import date
from pathlib import Path
from typing import Any

import aiosqlite

from reference import sample
from reference.model import DayTotals
from reference.sample import Entry

TABLES = (
    "CREATE TABLE IF NOT EXISTS ledger"
    " (day TEXT NOT NULL, reference TEXT PRIMARY KEY, amount_cents BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS ledger_day ON ledger (day)",
    "CREATE TABLE IF NOT EXISTS runs"
    " (day TEXT PRIMARY KEY, matched BIGINT NOT NULL, differences BIGINT NOT NULL,"
    " provisional INTEGER NOT NULL)",
)
LEDGER = "SELECT reference, amount_cents FROM ledger WHERE day = $1 ORDER BY reference"
TOTALS = (
    "SELECT count(*), coalesce(sum(amount_cents), 0), coalesce(max(amount_cents), 0)"
    " FROM ledger WHERE day = $1"
)
SAVE = (
    "INSERT INTO runs (day, matched, differences, provisional) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (day) DO UPDATE SET matched = excluded.matched, differences = excluded.differences,"
    " provisional = excluded.provisional"
)
FILL = (
    "INSERT INTO ledger (day, reference, amount_cents) VALUES ($1, $2, $3) ON CONFLICT (reference) DO NOTHING"
)


class Database(ABC):
    """What the services ask of a database. Made by `open_database`."""

    @abstractmethod
    async def fetch(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query; values stand for $1, $2, ..."""

    @abstractmethod
    async def execute(self, statement: str, *rows: tuple[Any, ...]) -> None:
        """Run a statement once for each row of values (once without any), in one transaction."""

    @abstractmethod
    async def close(self) -> None:
        """Give the connections back."""

    async def prepare(self) -> None:
        """Make the tables and fill the sample ledger; nothing changes when it is there already."""
        for statement in TABLES:
            await self.execute(statement)
        rows = [
            (d.isoformat(), e.reference, e.amount_cents) for d in sample.days() for e in sample.ledger_rows(d)
        ]
        await self.execute(FILL, *rows)

    async def ledger(self, day: date) -> list[Entry]:
        """The rows of a day, by reference."""
        return [Entry(reference, amount) for reference, amount in await self.fetch(LEDGER, day.isoformat())]

    async def totals(self, day: date) -> DayTotals:
        """Aggregates of a day."""
        rows, amount, largest = (await self.fetch(TOTALS, day.isoformat()))[0]
        return DayTotals(day, int(rows), int(amount), int(largest))

    async def save(self, day: date, matched: int, differences: int, provisional: bool) -> None:
        """Record the outcome of a day's reconciliation, in place of an earlier one."""
        await self.execute(SAVE, (day.isoformat(), matched, differences, int(provisional)))


class Sqlite(Database):
    """One connection for reading and one for writing, so that a reader never waits for a commit."""

    def __init__(self, reader: aiosqlite.Connection, writer: aiosqlite.Connection) -> None:
        self._reader = reader
        self._writer = writer
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Sqlite:
        """Open or make the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = await aiosqlite.connect(path)
        await writer.execute("PRAGMA journal_mode = WAL")
        await writer.execute("PRAGMA synchronous = NORMAL")
        return cls(await aiosqlite.connect(path), writer)

    async def fetch(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._reader.execute_fetchall(_numbered(statement), values)]

    async def execute(self, statement: str, *rows: tuple[Any, ...]) -> None:
        async with self._writing:
            try:
                await self._writer.executemany(_numbered(statement), rows or [()])
                await self._writer.commit()
            except BaseException:
                await self._writer.rollback()
                raise

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()


class Postgres(Database):
    """A small pool of asyncpg connections."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str) -> Postgres:
        """Connect. Raises asyncpg's or the socket's error when that fails."""
        import asyncpg

        return cls(await asyncpg.create_pool(url, min_size=1, max_size=8, timeout=5.0))

    async def fetch(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._pool.fetch(statement, *values)]

    async def execute(self, statement: str, *rows: tuple[Any, ...]) -> None:
        if rows:
            await self._pool.executemany(statement, rows)
        else:
            await self._pool.execute(statement)

    async def close(self) -> None:
        await self._pool.close()


def _numbered(statement: str) -> str:
    """SQLite's form of $1 is ?1."""
    return statement.replace("$", "?")


async def open_database(url: str) -> Database:
    """Open by URL and prepare the tables. Raises ValueError for a URL of another kind."""
    kind, found, rest = url.partition("://")
    database: Database
    if kind == "sqlite":
        database = await Sqlite.open(Path(rest.removeprefix("/")))
    elif kind in ("postgresql", "postgres"):
        database = await Postgres.open(url)
    else:
        # Never the whole URL: a password may stand in it.
        got = f"{kind}://" if found else "no scheme"
        raise ValueError(f"the database URL must begin with sqlite:/// or postgresql://, got {got}")
    await database.prepare()
    return database
