"""Sums over a guard's ledger: for the breaker's window, the retry budget, the mean attempt time."""

from __future__ import annotations

from seawall.resilience.ledger import Ledger


class Accounts:
    """Caller holds the guard's lock. ``mean_attempt``: seconds an attempt took lately, on the average."""

    __slots__ = ("_asked_before", "_ledger", "_refused_before", "mean_attempt")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.clear()

    def clear(self) -> None:
        """The ledger counts from 0 again."""
        self.mean_attempt = 0.0
        self._asked_before: tuple[float, float] = (0, 0.0)
        self._refused_before: float = 0

    def lane_successes(self) -> float:
        """Successes that the fast lanes have counted so far."""
        slots = self._ledger.slots
        lanes = self._ledger.layout.lanes.values()
        return sum([sum(slots[lane.offset : lane.offset + lane.size - 1]) for lane in lanes])

    def calls_admitted(self) -> float:
        """Calls that asked the dependency: what the retry budget is a share of. Calls sent away are none."""
        slots, layout = self._ledger.slots, self._ledger.layout
        attempts = sum([slots[i] for i in layout.attempts])
        return self.lane_successes() + attempts - sum([slots[i] for i in layout.retries])

    def successes(self) -> float:
        """Attempts that succeeded, slow ones too."""
        slots, layout = self._ledger.slots, self._ledger.layout
        late = [slots[layout.at("attempts", o, x)] for o in layout.lanes for x in ("success", "slow")]
        return self.lane_successes() + sum(late)

    def learn_mean(self) -> None:
        """Take the mean of the attempts since this was last done; it stays while nothing was asked."""
        self.count_avoided()
        count, seconds = self._attempts()
        if count > self._asked_before[0]:
            self.mean_attempt = (seconds - self._asked_before[1]) / (count - self._asked_before[0])
        self._asked_before = (count, seconds)

    def start_over(self) -> None:
        """What the ledger has by now was counted by others: no attempt of it is to be learnt from."""
        self._asked_before = self._attempts()

    def count_avoided(self, calls: float = 0) -> None:
        """Credit rejected calls at the mean time they would have waited: these, and those at the lane."""
        refused = self._refused()
        slot = self._ledger.layout.at("avoided_seconds")
        self._ledger.slots[slot] += (calls + refused - self._refused_before) * self.mean_attempt
        self._refused_before = refused

    def _refused(self) -> float:
        return sum([self._ledger.slots[lane.refused] for lane in self._ledger.layout.lanes.values()])

    def _attempts(self) -> tuple[float, float]:
        slots, layout = self._ledger.slots, self._ledger.layout
        count, seconds = self.lane_successes(), 0.0
        for operation, lane in layout.lanes.items():
            entry = layout.entry("attempt_duration", operation)
            count += sum(slots[entry.offset : entry.offset + entry.size - 1])
            seconds += slots[entry.offset + entry.size - 1] + slots[lane.offset + lane.size - 1]
        return count, seconds
