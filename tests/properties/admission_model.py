"""What breaker, rate limit and bulkhead of a guard let through, written for plainness."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.properties.breaker_model import BreakerModel
from tests.properties.played import Came

from seawall.resilience import Breaker, Bulkhead, RateLimit

#: Permits per second; seconds in the queue: see ``hedge_model.py``.
RATE, MAX_WAIT = 0.5, 1 + 37 / 64
REFUSES = {"BreakerOpen": "breaker", "RateLimited": "rate_limit", "BulkheadFull": "bulkhead"}


@dataclass(frozen=True)
class Limits:
    """``None`` or False: without it. ``queue``: of the bulkhead."""

    breaker: bool
    burst: int | None
    limit: int | None
    queue: int

    def policies(self, breaker: Breaker) -> dict[str, Any]:
        """For a guard."""
        queue: dict[str, Any] = {"max_queue": self.queue, "max_wait": MAX_WAIT} if self.queue else {}
        return {
            "breaker": breaker if self.breaker else None,
            "rate_limit": None if self.burst is None else RateLimit(rate=RATE, burst=self.burst),
            "bulkhead": None if self.limit is None else Bulkhead(limit=self.limit, **queue),
        }


@dataclass(eq=False)
class Ticket:
    """Who asks to be let through. ``epoch``, ``permit``: what breaker and rate limit gave."""

    epoch: int = field(default=0, init=False)
    permit: object = field(default=None, init=False)


class Admission:
    def __init__(self, limits: Limits, now: float) -> None:
        self.limits, self.now = limits, now
        self.breaker = BreakerModel(now)
        self.tokens, self.tokens_at = float(limits.burst or 0), now
        #: Of the permits that were taken, and did not go back, the newest last.
        self.permits: list[object] = []
        self.inside = 0
        self.queue: list[Ticket] = []
        #: Who was given a place and has not heard of it.
        self.woken: list[Ticket] = []

    def pass_to(self, moment: float) -> None:
        self.now = moment
        self.breaker.look(moment)

    def ask(self, one: Ticket) -> Came | None:
        """Why it is refused; ``None`` when it is inside, or in the queue."""
        limit = self.limits.limit
        one.epoch = self.breaker.epoch
        if self.limits.breaker:
            if not self.breaker.admit(self.now):
                return "BreakerOpen", self.breaker.state
            one.epoch = self.breaker.epoch
        if self.limits.burst is not None:
            if self.level() < 1:
                self.settle(one, "ignored")
                return "RateLimited", "exceeded"
            one.permit = self._take()
        if limit is not None and self._full():
            if len(self.queue) == self.limits.queue:
                self.give_back(one)
                return "BulkheadFull", "queue_full" if self.limits.queue else "full"
            self.queue.append(one)
            return None
        self.inside += 1
        return None

    def give_up(self, one: Ticket) -> Came:
        """It leaves the queue without a place."""
        self.queue.remove(one)
        self.give_back(one)
        return "BulkheadFull", "wait_exceeded"

    def give_back(self, one: Ticket) -> None:
        """An inner policy refused it: what the outer ones granted goes back."""
        if self.permits and one.permit is self.permits[-1]:
            self.permits.pop()
            assert self.limits.burst is not None
            self.tokens, self.tokens_at = min(self.limits.burst, self.level() + 1), self.now
        self.settle(one, "ignored")

    def settle(self, one: Ticket, outcome: str) -> None:
        if self.limits.breaker:
            self.breaker.settle(one.epoch, outcome, self.now)

    def leave(self) -> None:
        """A place comes free: to the next in line, who enters when he hears of it."""
        self.inside -= 1
        if self.queue:
            self.inside += 1
            self.woken.append(self.queue.pop(0))

    def heard(self) -> list[Ticket]:
        """Who enters now."""
        woken, self.woken = self.woken, []
        return woken

    def level(self) -> float:
        """Permits of the rate limit."""
        assert self.limits.burst is not None
        return min(self.limits.burst, self.tokens + (self.now - self.tokens_at) * RATE)

    def spares_a_copy(self) -> bool:
        """Whether a copy may be started; it takes nothing yet."""
        if self.limits.breaker and self.breaker.state != "closed":
            return False
        if self.limits.burst is not None and self.level() < 1:
            return False
        return not self._full()

    def enter_copy(self) -> None:
        self.inside += 1
        if self.limits.burst is not None:
            self._take()

    def _full(self) -> bool:
        return self.limits.limit is not None and (bool(self.queue) or self.inside == self.limits.limit)

    def _take(self) -> object:
        self.tokens, self.tokens_at = self.level() - 1, self.now
        self.permits.append(object())
        return self.permits[-1]
