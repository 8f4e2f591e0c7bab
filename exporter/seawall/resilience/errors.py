"""What a guard raises of its own accord.

Every error is safe to show: none of them ever holds a host name, an argument or the text of an inner
exception.
"""

from __future__ import annotations

from typing import ClassVar


class ConfigurationError(ValueError):
    """Settings that can't be. ``problems`` names each violation: where, what, and what is allowed."""

    def __init__(self, problems: tuple[str, ...] | list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class ResilienceError(Exception):
    """Base of all that a guard raises. ``message_key`` is stable, for translation of ``user_message``."""

    message_key: ClassVar[str] = "resilience.error"
    user_message: ClassVar[str] = "The service can't do this right now. Please try again later."
    title: ClassVar[str] = "Temporarily unavailable"
    status: ClassVar[int] = 503

    @property
    def retry_after(self) -> float | None:
        return None

    def problem(self) -> dict[str, object]:
        """The error as problem details (RFC 9457). ``retry_after`` is in seconds."""
        body: dict[str, object] = {
            "type": f"urn:seawall:{self.message_key}",
            "title": self.title,
            "status": self.status,
            "detail": self.user_message,
        }
        if self.retry_after is not None:
            body["retry_after"] = round(self.retry_after, 3)
        return body


class Rejected(ResilienceError):
    """A policy shed the call: the dependency was not asked.

    ``retry_after`` in seconds, ``None`` if unknown.
    """

    message_key = "resilience.rejected"

    def _part(self, index: int) -> str:
        return str(self.args[index]) if index < len(self.args) else ""

    @property
    def dependency(self) -> str:
        return self._part(0)

    @property
    def policy(self) -> str:
        return self._part(1)

    @property
    def reason(self) -> str:
        return self._part(2)

    @property
    def retry_after(self) -> float | None:
        return self.args[3] if len(self.args) > 3 else None

    def __str__(self) -> str:
        again = "" if self.retry_after is None else f", retry after {self.retry_after:.3g} s"
        return f"{self.dependency}: rejected by {self.policy} ({self.reason}{again})"


class BreakerOpen(Rejected):
    """The breaker is open, forced open, or half-open with all its permits out."""

    message_key = "resilience.breaker_open"


class BulkheadFull(Rejected):
    """As many calls are in flight, and in the queue, as are allowed."""

    message_key = "resilience.bulkhead_full"
    user_message = "The service is busy. Please try again shortly."
    title = "Busy"


class RateLimited(Rejected):
    """More calls than the rate limit allows."""

    message_key = "resilience.rate_limited"
    user_message = "Too many requests at once. Please try again shortly."
    title = "Too many requests"
    status = 429


class ThreadsBusy(Rejected):
    """All worker threads of the guard's ``Timeout`` are taken: by calls, or by what they left behind."""

    message_key = "resilience.threads_busy"
    user_message = "The service is busy. Please try again shortly."
    title = "Busy"


class RetryBudgetExhausted(Rejected):
    """A retry was due and the budget had none left.

    No guard raises it: callers get the dependency's own exception, with the text of this one as a note.
    """

    message_key = "resilience.retry_budget_exhausted"

    def __str__(self) -> str:
        return f"{self.dependency}: not retried, the retry budget is used up"


class TimedOut(ResilienceError, TimeoutError):
    """The attempt, or the whole call, took longer than ``limit`` seconds.

    ``scope``: ``attempt`` or ``total``.
    """

    message_key = "resilience.timed_out"
    user_message = "This took longer than it may. Please try again later."
    title = "Timed out"
    status = 504

    def __init__(self, dependency: str, scope: str, limit: float) -> None:
        super().__init__(dependency, scope, limit)
        self.dependency = dependency
        self.scope = scope
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.dependency}: {self.scope} timeout of {self.limit:.3g} s exceeded"
