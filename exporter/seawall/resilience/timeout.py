"""Settings of the timeouts."""

from __future__ import annotations

from dataclasses import dataclass

from seawall.resilience.checks import Checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Bound how long callers wait, in seconds; ``None``: no bound. At least one of the two is set.

    attempt: one attempt. total: the whole call with its retries and waits.

    In ``async def`` the attempt is cancelled when its time is over. Python can't interrupt a thread: in
    ``def``
    no attempt and no wait begins that the total can't hold, :func:`remaining` tells the function how long it
    may
    take (for its socket timeout), and an answer that comes too late is returned and counted as ``slow``.
    """

    attempt: float | None = None
    total: float | None = None

    def __post_init__(self) -> None:
        checks = Checks("Timeout")
        attempt = checks.number("attempt", self.attempt, above=0, optional=True)
        total = checks.number("total", self.total, above=0, optional=True)
        if self.attempt is None and self.total is None:
            checks.fail("attempt", None, "a number in attempt, in total, or in both")
        if (
            attempt
            and total
            and self.attempt is not None
            and self.total is not None
            and self.attempt > self.total
        ):
            checks.fail("attempt", self.attempt, f"at most the total, {self.total:g}")
        checks.done()

    @property
    def first(self) -> tuple[float, str]:
        """(seconds, scope) that bound the first attempt."""
        if self.attempt is not None:
            return self.attempt, "attempt"
        assert self.total is not None
        return self.total, "total"

    def describe(self) -> dict[str, object]:
        return {"attempt": self.attempt, "total": self.total}
