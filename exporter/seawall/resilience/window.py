"""The breaker's window: which of the last results still count. Caller holds the guard's lock.

A result's place is its sequence number since the window began. Successes of the fast lane are counted by the
ledger anyway, so that only failures and slow calls are stored here, and ratios are computed when one arrives.
The count window holds the last N numbers (resilience4j's count-based sliding window); the time window holds
the numbers after the newest mark that is at least T seconds old, a mark being made every tenth of T.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

MARKS = 10


@dataclass(slots=True)
class Window:
    """``calls`` or, when given, ``seconds`` bound it. ``lane``: successes of the fast lane so far."""

    calls: int
    seconds: float | None = None
    failures: deque[tuple[int, str]] = field(default_factory=deque)
    slow: deque[int] = field(default_factory=deque)
    _base: float = 0
    _recorded: int = 0
    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def clear(self, lane: float) -> None:
        """Begin anew: what the lane counted so far is not part of it."""
        self._base = lane
        self._recorded = 0
        self.failures.clear()
        self.slow.clear()
        self._marks.clear()

    def record(self, lane: float, *, failed: bool, slow: bool, error: str) -> None:
        self._recorded += 1
        if failed:
            self.failures.append((self._number(lane), error))
        elif slow:
            self.slow.append(self._number(lane))

    def pass_time(self, now: float, lane: float, lane_until: float = 0.0) -> None:
        """Mark how far the numbers are by now. Due before each result, and every tenth of ``seconds``.

        lane_until: the lane counts until then, a step from now at most, before this is called again.
        """
        if self.seconds is None:
            return
        marks, step = self._marks, self.seconds / MARKS
        if not marks or now - marks[-1][0] >= step or lane_until - marks[-1][0] > step:
            number = self._number(lane)
            if marks and marks[-1][0] + step < now:
                # No later did the lane count what it counted since the last mark.
                marks.append((marks[-1][0] + step, number))
            marks.append((now, number))
        while len(marks) > 1 and marks[1][0] <= now - self.seconds:
            marks.popleft()

    def size(self, now: float, lane: float) -> int:
        """Results in the window; those that left it are dropped."""
        self.pass_time(now, lane)
        number = self._number(lane)
        oldest = max(0, number - self.calls) if self.seconds is None else self._left_by(now - self.seconds)
        while self.failures and self.failures[0][0] <= oldest:
            self.failures.popleft()
        while self.slow and self.slow[0] <= oldest:
            self.slow.popleft()
        return number - oldest

    def resize(self, calls: int, seconds: float | None, now: float, lane: float) -> None:
        """Other bounds from now on. What is in the window stays as far as they allow; what had left it is
        forgotten: a wider window fills up as results arrive. Results without a time are taken for new."""
        kept = self.size(now, lane)
        left = self._number(lane) - kept
        self._recorded -= left
        self.failures = deque((number - left, error) for number, error in self.failures)
        self.slow = deque(number - left for number in self.slow)
        self._marks = deque((at, max(0, number - left)) for at, number in self._marks)
        self.calls, self.seconds = calls, seconds
        if seconds is None:
            self._marks.clear()
        self.size(now, lane)

    def failures_in_a_row(self, lane: float) -> int:
        """How many of the newest results are failures without anything else between them."""
        number, row = self._number(lane), 0
        for failed, _ in reversed(self.failures):
            if failed != number - row:
                break
            row += 1
        return row

    def errors(self) -> tuple[tuple[str, int], ...]:
        return tuple(Counter(name for _, name in self.failures).most_common())

    def _number(self, lane: float) -> int:
        return int(lane - self._base) + self._recorded

    def _left_by(self, then: float) -> int:
        """The highest number that is known to be older than ``then``."""
        number = 0
        for at, reached in self._marks:
            if at > then:
                break
            number = reached
        return number
