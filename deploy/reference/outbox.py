"""Mail that waits: an SQLite table, in the order it came. A mail leaves when the server has taken it."""

from __future__ import annotations

from pathlib import Path

import aiosqlite

from reference.model import Mail, Waiting

TABLE = """
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    correlation_id TEXT NOT NULL
)
"""


class Outbox:
    """A durable queue of mails. Survives the process; the same message_id is kept once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None

    async def open(self) -> None:
        """Open or make the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = await aiosqlite.connect(self._path)
        await self._connection.execute("PRAGMA journal_mode = WAL")
        await self._connection.execute("PRAGMA synchronous = FULL")
        await self._connection.execute(TABLE)
        await self._connection.commit()

    async def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    @property
    def _open(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise RuntimeError("the outbox is not open")
        return self._connection

    async def add(self, mail: Mail) -> Waiting:
        """Keep a mail; it is on disk when this returns."""
        cursor = await self._open.execute(
            "INSERT INTO outbox (message_id, recipient, subject, body, correlation_id) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (message_id) DO UPDATE SET message_id = excluded.message_id RETURNING number",
            (mail.message_id, mail.recipient, mail.subject, mail.body, mail.correlation_id),
        )
        row = await cursor.fetchone()
        await self._open.commit()
        assert row is not None
        return Waiting(int(row[0]))

    async def first(self) -> tuple[int, Mail] | None:
        """The mail that waits longest, with its number; None when none waits. It stays in the outbox."""
        cursor = await self._open.execute(
            "SELECT number, message_id, recipient, subject, body, correlation_id FROM outbox"
            " ORDER BY number LIMIT 1"
        )
        row = await cursor.fetchone()
        return None if row is None else (int(row[0]), Mail(*(str(value) for value in tuple(row)[1:])))

    async def remove(self, number: int) -> None:
        """Forget a mail that was sent."""
        await self._open.execute("DELETE FROM outbox WHERE number = ?", (number,))
        await self._open.commit()

    async def waiting(self) -> int:
        """How many wait."""
        row = await (await self._open.execute("SELECT count(*) FROM outbox")).fetchone()
        assert row is not None
        return int(row[0])
