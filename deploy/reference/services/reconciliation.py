"""ReconciliationEngine: matches the ledger's rows of a day against the bank's statement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import date

import httpx

from reference import guards
from reference.database import Database
from reference.model import BankRefused, Reconciliation, StatementBatch
from reference.sample import Entry


class Bank:
    """The bank's HTTP API, behind its guard: an answer is fresh, or an earlier one, or unknown."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @guards.bank_api.operation("statements")
    async def statements(self, day: date) -> StatementBatch:
        """The bank's entries of a day. Raises BankRefused when the bank says that the request is wrong."""
        answer = await self._client.get("/v1/statements", params={"day": day.isoformat()})
        if 400 <= answer.status_code < 500 and answer.status_code != 429:
            raise BankRefused
        answer.raise_for_status()
        entries = answer.json()["entries"]
        return StatementBatch(tuple(Entry(e["reference"], int(e["amount_cents"])) for e in entries))


class ReconciliationEngine:
    """Compares both sides of a day, and says how old the bank's side is."""

    def __init__(self, database: Database, bank: Bank) -> None:
        self._database = database
        self._bank = bank

    async def reconcile(self, day: date) -> Reconciliation:
        """Reconcile a day and save the outcome. Raises what the database's guard raises, never the bank's."""
        asked = time.time()
        rows, batch = await asyncio.gather(self._ledger(day), self._bank.statements(day))
        result = match(day, rows, batch, asked)
        differences = len(result.different) + len(result.missing_at_bank) + len(result.missing_in_ledger)
        await self._save(day, result.matched, differences, result.statements_age is None)
        return result

    @guards.database.operation("ledger")
    async def _ledger(self, day: date) -> list[Entry]:
        return await self._database.ledger(day)

    @guards.database.operation("save")
    async def _save(self, day: date, matched: int, differences: int, provisional: bool) -> None:
        await self._database.save(day, matched, differences, provisional)


def match(day: date, rows: Sequence[Entry], batch: StatementBatch, asked: float) -> Reconciliation:
    """Match by reference. When the bank's side is unknown nothing is called missing there.

    `asked`: when the bank was asked, Unix seconds; a statement from before makes the result a degraded one.
    """
    ours = {row.reference: row.amount_cents for row in rows}
    theirs = {entry.reference: entry.amount_cents for entry in batch.entries}
    both = ours.keys() & theirs.keys()
    different = sorted(reference for reference in both if ours[reference] != theirs[reference])
    known = batch.fetched_at is not None
    return Reconciliation(
        day=day,
        matched=len(both) - len(different),
        different=tuple(different),
        missing_at_bank=tuple(sorted(ours.keys() - theirs.keys())) if known else (),
        missing_in_ledger=tuple(sorted(theirs.keys() - ours.keys())),
        statements_age=None if batch.fetched_at is None else max(0.0, asked - batch.fetched_at),
        degraded=batch.fetched_at is None or batch.fetched_at < asked,
    )
