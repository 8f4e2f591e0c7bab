"""What a guard has to do whose callers share executions, each of which is as a call of ``hedge_model.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.properties.hedge_model import HedgeModel
from tests.properties.hedge_parts import Asked, CallerModel, CallModel, RunModel
from tests.properties.played import CANCELLED, Came

#: What is asked, of which operation.
Key = tuple[str, str]


@dataclass(eq=False)
class Asker:
    """``waiting``; ``leaving``: he was cancelled, and what only he had wanted cleans up; ``ended``."""

    number: int
    operation: str
    lingers: bool
    question: str | None
    began: float
    state: str = "waiting"
    came: Came | None = None

    @property
    def key(self) -> Key | None:
        return None if self.question is None else (self.operation, self.question)


@dataclass(eq=False)
class Flight:
    """One execution, asked for by ``first``. ``waiting``: in the order in which they came."""

    first: Asker
    waiting: list[Asker]
    leaves: Asker | None = None


class CoalesceModel(HedgeModel):
    def __init__(self, asked: Asked, now: float) -> None:
        super().__init__(asked, now)
        self.askers: list[Asker] = []
        self.flights: dict[CallModel, Flight] = {}
        #: Executions that may be joined.
        self.flying: dict[Key, Flight] = {}
        #: Whose execution was torn: they begin anew.
        self.anew: list[Asker] = []

    @property
    def callers(self) -> Sequence[CallerModel]:
        return self.askers

    def behind(self, call: CallModel) -> Sequence[CallerModel]:
        return [*self.flights[call].waiting]

    def asks(self, run: RunModel) -> int:
        return self.flights[run.call].first.number

    def ask(self, operation: str, lingers: bool, question: str | None) -> None:
        asker = Asker(len(self.askers), operation, lingers, question, self.now)
        self.askers.append(asker)
        self._board(asker)

    def _board(self, *askers: Asker) -> None:
        """Of one question, all at once."""
        first = askers[0]
        if first.key is not None and first.key in self.flying:
            self.flying[first.key].waiting += askers
            return
        flight = Flight(first, [*askers])
        if first.key is not None:
            self.flying[first.key] = flight
        execution = CallModel(len(self.calls), first.operation, first.lingers, self.now)
        self.calls.append(execution)
        self.flights[execution] = flight
        self._ask(execution)

    def cancel(self, call: CallerModel) -> None:
        assert isinstance(call, Asker)
        execution, flight = next(
            (e, f) for e, f in self.flights.items() if call in f.waiting or call is f.leaves
        )
        if call.key is not None and call.state == "waiting":
            flight.waiting.remove(call)
            if flight.waiting:
                return self._ends(call, CANCELLED, "cancelled")
            # Nobody wants it any more.
            call.state, flight.leaves = "leaving", call
            self._land(flight)
        return super().cancel(execution)

    def _enter_who_may(self) -> None:
        super()._enter_who_may()
        if self.anew:
            anew, self.anew = self.anew, []
            self._board(*anew)

    def _land(self, flight: Flight) -> None:
        key = flight.first.key
        if key is not None and self.flying.get(key) is flight:
            del self.flying[key]

    def _closed(self, call: CallModel, came: Came, outcome: str) -> None:
        flight = self.flights[call]
        self._land(flight)
        if flight.leaves is not None:
            self._ends(flight.leaves, CANCELLED, "cancelled")
            flight.leaves = None
        waiting, flight.waiting = flight.waiting, []
        for asker in waiting:
            if asker is flight.first:
                self._ends(asker, came, outcome)
            elif outcome == "cancelled":
                self.anew.append(asker)
            else:
                self.count("coalesced_calls", asker.operation)
                self._ends(asker, came, outcome)

    def _ends(self, asker: Asker, came: Came, outcome: str) -> None:
        asker.state, asker.came = "ended", came
        self._counted(asker.operation, outcome, self.now - asker.began)
