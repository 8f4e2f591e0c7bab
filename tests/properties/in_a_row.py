"""A breaker that so many failures in a row open, as a model: one call at a time, one probe."""

from __future__ import annotations

from tests.properties.foreseen import Expected

from seawall.resilience import Breaker

ROW, OPEN_FOR = 3, 5.0


def breaker(mode: str = "on", ignore: tuple[type[BaseException], ...] = ()) -> Breaker:
    return Breaker(
        consecutive_failures=ROW,
        open_for=OPEN_FOR,
        half_open_permits=1,
        window_calls=100_000,
        minimum_calls=100_000,
        ignore=ignore,
        mode=mode,  # type: ignore[arg-type]
    )


class InARow:
    """``expected``: where its transitions are counted; None: nowhere, it is a shadow."""

    def __init__(self, expected: Expected | None) -> None:
        self.expected = expected
        self.state, self.row, self.until, self.epoch = "closed", 0, 0.0, 1
        self.outage: float | None = None
        self.again = False

    def look(self, now: float) -> None:
        if self.state == "open" and now >= self.until:
            self._move("half_open", now)

    def admit(self, now: float) -> str:
        """Why it refuses; "" when it does not."""
        self.look(now)
        return "" if self.state in ("closed", "half_open") else self.state

    def shut(self, now: float) -> bool:
        return self.state == "forced_open" or (self.state == "open" and now < self.until)

    def settle(self, epoch: int, outcome: str, now: float) -> None:
        if epoch != self.epoch or outcome in ("ignored", "cancelled"):
            return
        failed = outcome in ("failure", "timeout")
        self.row = self.row + 1 if failed else 0
        if self.state == "half_open":
            self._move("open" if failed else "closed", now)
        elif self.row == ROW:
            self._move("open", now)

    def force(self, state: str, now: float) -> None:
        """Neither ``closed`` when half-open nor when open: that would be a recovery of its own kind."""
        if state == self.state == "forced_open":
            return
        if state != self.state:
            self._move(state, now)
        self.epoch += 1
        self.row, self.outage = 0, None

    def _move(self, to: str, now: float) -> None:
        if self.expected is not None:
            self._count(to, now)
        if to == "open":
            self.again = self.outage is not None
            self.outage = now if self.outage is None else self.outage
            self.until = now + OPEN_FOR
        elif to == "closed":
            self.outage = None
        self.state, self.row = to, 0
        self.epoch += 1

    def _count(self, to: str, now: float) -> None:
        assert self.expected is not None
        self.expected.add("breaker_transitions", self.state, to)
        if to == "closed" and self.outage is not None:
            self.expected.add("breaker_recovery", by=now - self.outage)
            if self.state == "half_open" and not self.again:
                self.expected.add("breaker_false_opens")
