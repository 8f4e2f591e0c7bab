"""What a guard that hedges has to do, written for plainness: calls, runs, timers and counts in lists."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from tests.properties.admission_model import MAX_WAIT, REFUSES, Admission
from tests.properties.hedge_parts import (
    ATTEMPT,
    BACK_OFF,
    DELAY,
    FLOOR,
    RATIO,
    Asked,
    CallerModel,
    CallModel,
    Race,
    RunModel,
)
from tests.properties.played import CANCELLED, TIMED_OUT, Came


class HedgeModel:
    def __init__(self, asked: Asked, now: float) -> None:
        self.asked, self.now = asked, now
        self.admission = Admission(asked.limits, now)
        self.calls: list[CallModel] = []
        self.runs: list[RunModel] = []
        self.spent = 0
        self.counted: Counter[tuple[str, ...]] = Counter()
        #: By histogram and operation.
        self.seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    def count(self, *key: str) -> None:
        self.counted[key] += 1

    def total(self, name: str) -> int:
        return sum(n for key, n in self.counted.items() if key[0] == name)

    @property
    def callers(self) -> Sequence[CallerModel]:
        """Who is cancelled, and hears what a call came to."""
        return self.calls

    def behind(self, call: CallModel) -> Sequence[CallerModel]:
        """Those that wait for it."""
        return [call]

    def asks(self, run: RunModel) -> int:
        """The number of the caller with whose arguments it runs."""
        return run.call.number

    # -- time, and what is done from outside

    def timers(self) -> list[tuple[float, CallModel]]:
        """When something happens by itself, and to whom."""
        found = [(at, call) for call in self.calls for at in call.timers()]
        return sorted(found, key=lambda timer: timer[0])

    def pass_to(self, moment: float) -> None:
        while (timers := self.timers()) and timers[0][0] <= moment:
            self.now, call = timers[0]
            self.admission.pass_to(self.now)
            self._due(call)
            self._enter_who_may()
        self.now = moment
        self.admission.pass_to(moment)

    def _due(self, call: CallModel) -> None:
        race = call.race
        if call.state == "queued":
            self._refused(call, self.admission.give_up(call))
        elif call.state == "backing_off":
            self._ask(call)
        elif race is not None and race.ends_at == self.now:
            race.ends_at, race.timed_out = None, True
            self._interrupt(race)
        elif race is not None:
            race.hedge_at.pop(0)
            self._hedge(call, race)

    def call(self, operation: str, lingers: bool) -> None:
        self.calls.append(CallModel(len(self.calls), operation, lingers, self.now))
        self._ask(self.calls[-1])

    def end(self, run: RunModel, ending: str) -> None:
        self._ended(run, CANCELLED if ending == "cancelled" else (ending, run.number))
        self._enter_who_may()

    def cancel(self, call: CallerModel) -> None:
        assert isinstance(call, CallModel)
        call.cancelled = True
        if call.race is not None:
            call.race.cancelled = True
            self._interrupt(call.race)
        else:
            if call.state == "queued":
                self.admission.give_up(call)
            self._finish(call, CANCELLED, "cancelled")
        self._enter_who_may()

    def _enter_who_may(self) -> None:
        for call in self.admission.heard():
            assert isinstance(call, CallModel)
            self._begin(call)

    # -- an attempt begins

    def _ask(self, call: CallModel) -> None:
        refused = self.admission.ask(call)
        if refused is not None:
            self._refused(call, refused)
        elif call in self.admission.queue:
            call.state, call.due = "queued", self.now + MAX_WAIT
        else:
            self._begin(call)

    def _refused(self, call: CallModel, why: Came) -> None:
        self.count("rejections", REFUSES[why[0]], str(why[1]))
        if call.before is None:
            self._finish(call, why, "rejected")
        else:
            # The dependency's own exception says more.
            self._finish(call, *call.before, retried="exhausted")

    def _begin(self, call: CallModel) -> None:
        call.state = "racing"
        call.attempts += 1
        if call.attempts > 1:
            self.count("retries", call.operation)
        most = self.asked.most if call.operation == "read" else 0
        call.race = Race(
            began=self.now,
            first=self._run(call),
            hedge_at=[self.now + (i + 1) * DELAY for i in range(most)],
            ends_at=self.now + ATTEMPT if self.asked.timeout else None,
        )

    def _run(self, call: CallModel) -> RunModel:
        self.runs.append(RunModel(len(self.runs), call))
        return self.runs[-1]

    # -- the race

    def _hedge(self, call: CallModel, race: Race) -> None:
        if race.unwanted:
            return
        if self.admission.spares_a_copy() and self._spend():
            self.admission.enter_copy()
            race.copies.append(self._run(call))
        else:
            self.count("hedges", call.operation, "refused")

    def _spend(self) -> bool:
        """Take a retry or a hedge out of the budget."""
        if self.asked.attempts is None or not self.asked.budget:
            return True
        admitted = self.total("attempts") - self.total("retries")
        if FLOOR + RATIO * admitted - self.spent < 1:
            return False
        self.spent += 1
        return True

    def _interrupt(self, race: Race) -> None:
        """The caller's task is cancelled, by himself or because its time is over."""
        if race.first.state != "ended":
            return self._cancel(race.first)
        if not race.over:
            return self._over(race, CANCELLED)
        if race.came is not None and race.came[0] not in ("cancelled", "alarm"):
            race.came = CANCELLED
        for copy in race.running():
            self._cancel(copy)
        return None

    def _cancel(self, run: RunModel) -> None:
        if run.state == "running" and run.call.lingers:
            run.state = "cleaning"
        else:
            self._ended(run, CANCELLED)

    def _ended(self, run: RunModel, came: Came) -> None:
        run.state = "ended"
        race = run.call.race
        assert race is not None
        if run is race.first:
            self._first_ended(race, came)
        else:
            self._copy_ended(run.call, race, came)

    def _first_ended(self, race: Race, came: Came) -> None:
        if race.called_off:
            ours = not race.unwanted and came[0] != "alarm"
            assert race.winner is not None
            self._over(race, race.winner if ours else came)
        elif (
            not race.copies or race.unwanted or came[0] in ("cancelled", "alarm") or self.asked.answers(came)
        ):
            self._over(race, came)
        else:
            race.failure = race.failure or came
            if not race.running():
                self._over(race, race.failure)

    def _copy_ended(self, call: CallModel, race: Race, came: Came) -> None:
        self.admission.leave()
        if race.over:
            self.count("hedges", call.operation, "lost")
            return self._end_attempt(call, race)
        if came[0] not in ("cancelled", "alarm") and self.asked.answers(came):
            self.count("hedges", call.operation, "won")
            race.winner = came
            if race.first.state == "ended":
                return self._over(race, came)
            race.called_off = True
            self._call_off(race)
            return self._cancel(race.first)
        self.count("hedges", call.operation, "failed")
        if came[0] not in ("cancelled", "alarm"):
            race.failure = race.failure or came
        if race.first.state == "ended" and not race.running():
            assert race.failure is not None
            self._over(race, race.failure)
        return None

    def _over(self, race: Race, came: Came) -> None:
        race.came = came
        self._call_off(race)
        self._end_attempt(race.first.call, race)

    def _call_off(self, race: Race) -> None:
        race.over = True
        for copy in race.running():
            if copy.state == "running":
                self._cancel(copy)

    # -- the end

    def _end_attempt(self, call: CallModel, race: Race) -> None:
        """Once nobody runs any more."""
        if race.came is None or race.running() or race.first.state != "ended" or call.race is not race:
            return
        call.race = None
        came = race.came
        if race.timed_out and not race.cancelled and came == CANCELLED:
            came = TIMED_OUT
            self.count("timeouts", call.operation, "attempt")
        self.admission.leave()
        seconds = self.now - race.began
        outcome = self.asked.outcome(came, seconds)
        self.count("attempts", call.operation, outcome)
        self.seconds["attempt_duration", call.operation] += seconds
        self.admission.settle(call, "success" if outcome == "slow" else outcome)
        self._go_on(call, came, outcome)

    def _go_on(self, call: CallModel, came: Came, outcome: str) -> None:
        """Once more, or not."""
        attempts = self.asked.attempts
        if came[0] == "answer":
            return self._finish(call, came, outcome, "recovered" if call.attempts > 1 else "first_try")
        if outcome == "cancelled" or attempts is None:
            return self._finish(call, came, outcome)
        if outcome == "ignored":
            return self._finish(call, came, outcome, "not_retryable")
        breaker = self.admission.breaker
        shut = self.asked.limits.breaker and breaker.state == "open" and self.now < breaker.until
        if call.attempts >= attempts or shut:
            return self._finish(call, came, outcome, "exhausted")
        if not self._spend():
            return self._finish(call, came, outcome, "budget_exhausted")
        if call.cancelled:
            return self._finish(call, CANCELLED, "cancelled")
        call.before = came, outcome
        call.state, call.due = "backing_off", self.now + BACK_OFF
        return None

    def _finish(self, call: CallModel, came: Came, outcome: str, retried: str = "") -> None:
        call.state, call.came = "ended", came
        if (came[0] in ("answer", "bad", "ignored") and outcome != "failure") or came[0] == "bad":
            outcome = "success"
        if retried and self.asked.attempts is not None:
            self.count("retry_calls", call.operation, retried)
        self._closed(call, came, outcome)

    def _closed(self, call: CallModel, came: Came, outcome: str) -> None:
        self._counted(call.operation, outcome, self.now - call.began)

    def _counted(self, operation: str, outcome: str, seconds: float) -> None:
        """A call."""
        self.count("calls", operation, outcome)
        self.seconds["call_duration", operation] += seconds
