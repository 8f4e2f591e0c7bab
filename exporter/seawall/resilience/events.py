"""Noteworthy things that a guard does, as data. Decided under the guard's lock, emitted after it is released.

``error`` and ``cause`` are names of exception types, never texts. ``at`` is the guard's clock, in seconds;
``number`` counts the guard's events from 1. An event that nobody listens to is not built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    dependency: str
    operation: str
    number: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition(_Event):
    """The breaker changed state, and the window that made it. ``open_for`` in seconds when it opened."""

    from_state: str
    to_state: str
    reason: str
    failure_ratio: float
    slow_ratio: float
    window_calls: int
    failures: int
    errors: tuple[tuple[str, int], ...]
    open_for: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(_Event):
    """Attempt number ``attempt`` follows after ``delay`` seconds."""

    attempt: int
    delay: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryExhausted(_Event):
    attempts: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetExhausted(_Event):
    """A retry was due and the retry budget had none left."""

    attempt: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRejected(_Event):
    policy: str
    reason: str
    retry_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDegraded(_Event):
    """A fallback was asked.

    ``outcome``: ``served`` or ``failed``; ``stale_age`` in seconds for mode ``stale``.
    """

    mode: str
    outcome: str
    cause: str
    stale_age: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed(_Event):
    """The caller got an exception. ``outcome``: ``failure``, ``timeout`` or ``rejected``."""

    error: str
    outcome: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutExceeded(_Event):
    """``scope``: ``attempt`` or ``total``; ``limit`` and ``elapsed`` in seconds."""

    scope: str
    limit: float
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanged(_Event):
    """The guard was given other settings for these policies at run time; ``policy_hash`` is the new one."""

    policies: tuple[str, ...]
    policy_hash: str


Event = (
    Transition
    | RetryScheduled
    | RetryExhausted
    | BudgetExhausted
    | CallRejected
    | CallDegraded
    | CallFailed
    | TimeoutExceeded
    | PolicyChanged
)
Listener = Callable[[Event], None]
EVENT_TYPES: tuple[type, ...] = Event.__args__
