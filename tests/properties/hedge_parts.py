"""What the model of a hedging guard is made of: its settings, calls, races and runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from tests.properties.admission_model import Limits, Ticket
from tests.properties.played import Came

#: Seconds; all sums are exact. The retry budget's: as many as that, and that share of the calls.
DELAY, BACK_OFF, ATTEMPT = 1.0, 23 / 64, 2 + 9 / 64
FLOOR, RATIO = 3, 0.25


#: What the guard counts of an attempt that came to this.
OUTCOMES = {"answer": "success", "fail": "failure", "timed_out": "timeout", "alarm": "cancelled"}


@dataclass(frozen=True)
class Asked:
    """``None`` or False: without it. ``attempts``: of the retry; ``budget``: its."""

    most: int
    attempts: int | None
    budget: bool
    timeout: bool
    limits: Limits

    def answers(self, came: Came) -> bool:
        """Whether it ends the race."""
        if came[0] == "ignored":
            return self.limits.breaker
        return came[0] == "answer" or (came[0] == "bad" and not self.judges)

    @property
    def judges(self) -> bool:
        """Whether a bad result is one: to the breaker, or to the retry."""
        return self.limits.breaker or self.attempts is not None

    def outcome(self, came: Came, seconds: float) -> str:
        """Of an attempt."""
        if came[0] == "ignored":
            return "ignored" if self.limits.breaker else "failure"
        if came[0] == "bad" and self.limits.breaker:
            return "failure"
        if came[0] in ("answer", "bad"):
            return "slow" if self.timeout and seconds > ATTEMPT else "success"
        return OUTCOMES.get(came[0], came[0])


@dataclass(eq=False)
class RunModel:
    number: int
    call: CallModel
    state: str = "running"


@dataclass(eq=False)
class Race:
    """One attempt. ``came``: what it is to come to, once all of its runs have ended."""

    began: float
    first: RunModel
    hedge_at: list[float]
    ends_at: float | None
    copies: list[RunModel] = field(default_factory=list)
    over: bool = False
    called_off: bool = False
    cancelled: bool = False
    timed_out: bool = False
    winner: Came | None = None
    failure: Came | None = None
    came: Came | None = None

    def running(self) -> list[RunModel]:
        """Of the copies."""
        return [copy for copy in self.copies if copy.state != "ended"]

    @property
    def unwanted(self) -> bool:
        """Whether somebody has told it to end."""
        return self.cancelled or self.timed_out


class CallerModel(Protocol):
    """Who has called. ``state``: ``ended`` when he has heard what it came to."""

    number: int
    state: str
    came: Came | None


@dataclass(eq=False)
class CallModel(Ticket):
    """``queued``, ``racing``, ``backing_off`` or ``ended``. ``due``: when it has waited enough."""

    number: int
    operation: str
    lingers: bool
    began: float
    state: str = "new"
    due: float = 0.0
    attempts: int = 0
    cancelled: bool = False
    race: Race | None = None
    #: What the attempt before came to, and its outcome.
    before: tuple[Came, str] | None = None
    came: Came | None = None

    def timers(self) -> list[float]:
        if self.state in ("queued", "backing_off"):
            return [self.due]
        if self.race is None:
            return []
        ends_at = [] if self.race.ends_at is None else [self.race.ends_at]
        return ends_at if self.race.over else self.race.hedge_at[:1] + ends_at
