"""What the four services pass between them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date

from reference.sample import Entry

SENT = "sent"
WAITING = "waiting"


class BankRefused(Exception):
    """The bank understood and said no (a 4xx): asking again won't help, and its API is healthy."""


@dataclass(frozen=True, slots=True)
class StatementBatch:
    """The bank's entries of one day, and when (Unix seconds) they were fetched; None: nobody knows them."""

    entries: tuple[Entry, ...]
    fetched_at: float | None = field(default_factory=time.time)

    @classmethod
    def unknown(cls) -> StatementBatch:
        """The answer when the bank is gone and no earlier one is at hand."""
        return cls((), None)


@dataclass(frozen=True, slots=True)
class Mail:
    """One report to be mailed. `message_id` stays the same however often it is tried."""

    message_id: str
    recipient: str
    subject: str
    body: str
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Says that something is kept on disk and goes out later; `number` is its place in the queue."""

    number: int


@dataclass(frozen=True, slots=True)
class DayTotals:
    """Aggregates of one day's ledger."""

    day: date
    rows: int
    amount_cents: int
    largest_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The outcome for one day.

    `statements_age` in seconds, None when the bank's side is unknown; `degraded`: it is from before.
    """

    day: date
    matched: int
    different: tuple[str, ...]
    missing_at_bank: tuple[str, ...]
    missing_in_ledger: tuple[str, ...]
    statements_age: float | None
    degraded: bool
