"""Sliding window: at most ``burst`` permits in any ``burst / rate`` seconds, by an exact log of their times.

An estimate from two fixed windows is smaller, and admits too many whenever the window before was uneven.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seawall.resilience.rate_limit import RateLimit


@dataclass(slots=True)
class SlidingWindowState:
    """``_log``: when each permit may be used, ascending; in the future for those who wait.

    Caller holds the guard's lock.
    """

    settings: RateLimit
    window: float = field(init=False)
    shut_until: float = -inf
    _log: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.window = self.settings.burst / self.settings.rate

    def reconfigure(self, settings: RateLimit, now: float) -> None:
        """Other settings. The log stays: what it knows counts against the new ones."""
        self._forget(now)
        self.settings = settings
        self.window = settings.burst / settings.rate

    def take(self, now: float) -> float | None:
        """Reserve a permit: seconds until it may be used, or ``None`` when that is beyond ``max_wait``."""
        due = self._due(now)
        if due - now > self.settings.max_wait:
            return None
        self._log.append(due)
        return due - now

    @property
    def newest(self) -> float:
        """When the permit that was taken last may be used."""
        return self._log[-1] if self._log else -inf

    def give_back(self, permit: float) -> None:
        """A permit was taken and nothing was asked; ``permit`` is what ``newest`` was then.

        One that is not the newest any more is lost: those behind it were dated by it.
        """
        if self._log and self._log[-1] == permit:
            self._log.pop()

    def drain(self, until: float) -> None:
        """No permit before ``until``."""
        self.shut_until = max(self.shut_until, until)

    def retry_after(self, now: float) -> float:
        return self._due(now) - now

    def available(self, now: float) -> float:
        """Permits that could be taken at once, in [0, burst]."""
        self._forget(now)
        return 0.0 if now < self.shut_until else float(max(0, self.settings.burst - len(self._log)))

    def _due(self, now: float) -> float:
        """The first time at which one more is allowed."""
        self._forget(now)
        due = max(now, self.shut_until)
        if len(self._log) >= self.settings.burst:
            due = max(due, self._log[-self.settings.burst] + self.window)
        return due

    def _forget(self, now: float) -> None:
        while self._log and self._log[0] + self.window <= now:
            self._log.popleft()
