"""A breaker written for plainness: a list of results, recounted every time."""

from __future__ import annotations

WINDOW, MINIMUM, RATIO, OPEN_FOR, PERMITS = 6, 3, 0.5, 10.0, 2


class BreakerModel:
    def __init__(self, now: float) -> None:
        self.state, self.epoch, self.until, self.since, self.out = "closed", 1, 0.0, now, 0
        #: Whether each of them was a failure.
        self.results: list[bool] = []
        self.probes: list[bool] = []

    def move(self, state: str, now: float) -> None:
        self.state, self.results, self.out, self.probes, self.since = state, [], 0, [], now
        self.epoch += 1
        if state == "open":
            self.until = now + OPEN_FOR

    def look(self, now: float) -> None:
        if self.state == "open" and now >= self.until:
            self.move("half_open", now)

    def admit(self, now: float) -> bool:
        self.look(now)
        if self.state == "half_open":
            if self.out + len(self.probes) < PERMITS:
                self.out += 1
                self.since = now
                return True
            if now - self.since >= 60:
                self.move("open", now)
            return False
        return self.state == "closed"

    def settle(self, epoch: int, outcome: str, now: float) -> None:
        if epoch != self.epoch or self.state == "open":
            return
        counted = outcome in ("success", "failure", "timeout")
        if self.state == "half_open":
            self.out -= 1
            if counted:
                self.probes.append(outcome != "success")
                if sum(self.probes) >= RATIO * PERMITS:
                    self.move("open", now)
                elif len(self.probes) == PERMITS:
                    self.move("closed", now)
            return
        if counted:
            self.results = [*self.results, outcome != "success"][-WINDOW:]
            enough = len(self.results) >= MINIMUM
            if enough and sum(self.results) / len(self.results) >= RATIO:
                self.move("open", now)
