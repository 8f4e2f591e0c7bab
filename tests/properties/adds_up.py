"""What a guard's numbers come to, whatever happened to it: asked after every step of the state machines."""

from __future__ import annotations

from itertools import pairwise

from seawall.resilience import Guard
from seawall.resilience.fields import BREAKER_STATES, TRANSITIONS

Key = tuple[str, ...]


class Sums:
    """The numbers of one guard, as of now and as of the last time."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self._entries = {(e.field.name, *e.labels): e for e in guard.ledger.layout.entries}
        self._fields: dict[str, list[Key]] = {}
        for key in self._entries:
            self._fields.setdefault(key[0], []).append(key)
        self.counted: dict[Key, list[float]] = {}
        self.now: dict[Key, list[float]] = {}
        self.look()

    def look(self) -> None:
        self.earliest = self.guard.clock()
        reading = self.guard.read()
        self.latest = self.guard.clock()
        self.now = {key: reading[e.offset : e.offset + e.size] for key, e in self._entries.items()}

    @property
    def would_move(self) -> bool:
        """Whether reading would do what a call is to do: end the time of an open breaker."""
        breaker = self.guard.breaker
        return breaker is not None and breaker.state == "open" and self.guard.clock() >= breaker.open_until

    def total(self, field: str, *labels: str) -> float:
        """Sum of a counter or gauge over all series that carry these labels."""
        keys = self._fields.get(field, ())
        return sum(self.now[key][0] for key in keys if not labels or set(labels) <= set(key[1:]))

    def count(self, histogram: str, *labels: str) -> float:
        return self.now[histogram, *labels][-2]

    def hold(self, *, calls: int, attempts: int, admitted: int) -> None:
        """They add up, and no limit is passed. Arguments as of :meth:`add_up`."""
        self.add_up(calls=calls, attempts=attempts, admitted=admitted)
        self._nothing_out_of_bounds()

    def add_up(self, *, calls: int, attempts: int, admitted: int) -> None:
        """``calls`` that ended, those of them ``admitted``, ``attempts``: times that their function ran."""
        self.look()
        assert self.total("calls") == calls
        assert self.total("attempts") == attempts
        assert self.total("retries") == attempts - admitted
        self._what_follows()
        self._at_any_time()

    def hold_midway(self) -> None:
        """What holds while calls are between two attempts, too."""
        self.look()
        self._at_any_time()
        self._nothing_out_of_bounds()

    def _at_any_time(self) -> None:
        self._histograms()
        if self.guard.breaker is not None:
            self._breaker()
        self._never_less()

    def _histograms(self) -> None:
        for operation in self.guard.operations:
            assert self.count("call_duration", operation) == self.total("calls", operation)
            assert self.count("attempt_duration", operation) == self.total("attempts", operation)
        for key, entry in self._entries.items():
            if entry.bounds:
                *buckets, seconds = self.now[key]
                assert buckets[0] >= 0
                assert all(a <= b for a, b in pairwise(buckets)), key
                assert seconds >= 0

    def _what_follows(self) -> None:
        assert self.total("errors") == self.total("attempts", "failure") + self.total("attempts", "timeout")
        assert self.total("degradations", "served") == self.total("calls", "degraded")
        assert self.total("calls", "rejected") <= self.total("rejections")
        asked = self.total("attempts") - self.total("retries")
        assert self.total("retry_calls") <= asked
        assert asked <= self.total("calls")

    def _nothing_out_of_bounds(self) -> None:
        guard = self.guard
        if guard.breaker is not None:
            assert 0 <= guard.breaker.probes_out <= guard.breaker.settings.half_open_permits
        if guard.bulkhead is not None:
            assert 0 <= self.total("bulkhead_in_flight") <= guard.bulkhead.settings.limit
            assert 0 <= self.total("bulkhead_queued") <= guard.bulkhead.settings.max_queue
        if guard.limiter is not None:
            assert 0 <= self.total("rate_limiter_available") <= guard.limiter.settings.burst
        if guard.budget is not None:
            assert 0 <= self.total("retry_budget_remaining") <= 1

    def _breaker(self) -> None:
        breaker = self.guard.breaker
        assert breaker is not None
        began = "closed" if breaker.settings.mode == "on" else breaker.settings.mode
        for state in BREAKER_STATES:
            here = self.now["breaker_state", state][0]
            assert here == (state == breaker.state)
            entered = sum(
                self.now["breaker_transitions", *edge][0] for edge in TRANSITIONS if edge[1] == state
            )
            left = sum(self.now["breaker_transitions", *edge][0] for edge in TRANSITIONS if edge[0] == state)
            assert entered - left == here - (state == began), state
        recovered = self.now["breaker_transitions", "half_open", "closed"][0]
        recovered += self.now["breaker_transitions", "open", "closed"][0]
        assert self.count("breaker_recovery") == recovered
        assert self.total("breaker_false_opens") <= recovered
        seconds = self.total("breaker_state_seconds")
        assert self.earliest - 1e-6 <= self.guard.began + seconds <= self.latest + 1e-6

    def _never_less(self) -> None:
        for key, entry in self._entries.items():
            if entry.field.kind != "gauge":
                now = self.now[key]
                if now != (before := self.counted.get(key, now)):
                    assert all(b - a >= -1e-9 for a, b in zip(before, now, strict=True)), key
                self.counted[key] = now
