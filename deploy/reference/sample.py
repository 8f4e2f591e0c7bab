"""Sample books: what the ledger holds and what the bank says, the same on every run.

Each day has `ROWS_PER_DAY` ledger rows. The bank agrees with most of them; a few rows it has not seen, a
few it has booked with another amount, and a few it has that the ledger lacks, so that a reconciliation
finds something.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

FIRST_DAY = date(2026, 1, 1)
DAYS = 12
ROWS_PER_DAY = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking: the reference both sides know it by, and its amount in cents."""

    reference: str
    amount_cents: int


def days() -> list[date]:
    """Every day of the sample, in order."""
    return [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]


def ledger_rows(day: date) -> list[Entry]:
    """What our own books hold for a day."""
    dice = random.Random(day.toordinal())
    return [
        Entry(f"{day:%Y%m%d}-{number:05d}", dice.randrange(100, 500_000)) for number in range(ROWS_PER_DAY)
    ]


def bank_entries(day: date) -> list[Entry]:
    """What the bank holds for the same day: one row in 40 missing, one in 60 different, two that we lack."""
    entries = []
    for number, row in enumerate(ledger_rows(day)):
        if number % 40 == 7:
            continue
        changed = number % 60 == 11
        entries.append(Entry(row.reference, row.amount_cents + 100) if changed else row)
    entries.extend(Entry(f"{day:%Y%m%d}-9000{number}", 4_200 + number) for number in range(2))
    return entries
