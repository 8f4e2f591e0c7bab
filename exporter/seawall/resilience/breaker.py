"""Circuit breaker: settings, and the pure state that decides. Caller holds the guard's lock; time is passed
in.

The count window holds the last ``window_calls`` results. A result's place in it is its sequence number in the
epoch: successes of the fast lane are counted by the ledger anyway, so that only failures and slow calls are
stored, and the ratios are computed when one arrives. The model is resilience4j's count-based sliding window;
the state machine is Nygard's ("Release It!", 2007) with an epoch that invalidates late results.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from seawall.resilience.checks import Checks, type_names
from seawall.resilience.fields import BREAKER_STATES

CLOSED, OPEN, HALF_OPEN, FORCED_OPEN, DISABLED, METRICS_ONLY = BREAKER_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Stop asking a dependency that fails.

    failure_ratio: share of failures in the window that opens it, in (0, 1]. 0.5 as in resilience4j and Polly
    7.
    window_calls: the window, in calls. 100 as in resilience4j.
    minimum_calls: results needed before a ratio counts, at most ``window_calls``. 10: one failure at start
    is noise.
    open_for: seconds it stays open before it asks again. 30: longer than most restarts, shorter than a page.
    half_open_permits: probes admitted when it asks again, exactly. 3: one success can be luck.
    half_open_max_wait: seconds after which a half-open round whose probes never answered counts as failed.
    slow_after: seconds from which a success is slow; None: no call is.
    slow_ratio: share of slow calls in the window that opens it, in (0, 1].
    record / ignore: exception types that count as failure, and those that do not. ``ignore`` wins.
    """

    failure_ratio: float = 0.5
    window_calls: int = 100
    minimum_calls: int = 10
    open_for: float = 30.0
    half_open_permits: int = 3
    half_open_max_wait: float = 60.0
    slow_after: float | None = None
    slow_ratio: float = 1.0
    record: tuple[type[BaseException], ...] = (Exception,)
    ignore: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        checks = Checks("Breaker")
        checks.number("failure_ratio", self.failure_ratio, above=0, at_most=1)
        window = checks.number("window_calls", self.window_calls, at_least=1, at_most=1_000_000, whole=True)
        most = self.window_calls if window else 1_000_000
        checks.number("minimum_calls", self.minimum_calls, at_least=1, at_most=most, whole=True)
        checks.number("open_for", self.open_for, above=0)
        checks.number("half_open_permits", self.half_open_permits, at_least=1, at_most=1_000, whole=True)
        checks.number("half_open_max_wait", self.half_open_max_wait, above=0)
        checks.number("slow_after", self.slow_after, above=0, optional=True)
        checks.number("slow_ratio", self.slow_ratio, above=0, at_most=1)
        checks.exceptions("record", self.record)
        checks.exceptions("ignore", self.ignore)
        checks.done()

    def describe(self) -> dict[str, object]:
        return {
            "failure_ratio": self.failure_ratio,
            "window_calls": self.window_calls,
            "minimum_calls": self.minimum_calls,
            "open_for": self.open_for,
            "half_open_permits": self.half_open_permits,
            "half_open_max_wait": self.half_open_max_wait,
            "slow_after": self.slow_after,
            "slow_ratio": self.slow_ratio,
            "record": type_names(self.record),
            "ignore": type_names(self.ignore),
        }


@dataclass(frozen=True, slots=True)
class Change:
    """A transition that was decided, with the window it rests on.

    ``recovery``: seconds since it first opened.
    """

    from_state: str
    to_state: str
    reason: str
    at: float
    failure_ratio: float = 0.0
    slow_ratio: float = 0.0
    window_calls: int = 0
    failures: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    open_for: float | None = None
    recovery: float | None = None
    false_open: bool = False


@dataclass(slots=True)
class BreakerState:
    """``epoch`` grows with every transition; a result that carries another one is late and changes nothing.

    ``lane`` arguments are the number of successes that the fast lane has counted since the guard was built.
    """

    settings: Breaker
    state: str = CLOSED
    epoch: int = 1
    entered_at: float = 0.0
    open_until: float = 0.0
    last_change: Change | None = None
    why_opened: Change | None = None
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BREAKER_STATES, 0.0))
    probes_out: int = 0
    _probes_good: int = 0
    _probes_bad: int = 0
    _round: int = 0
    _outage_began: float | None = None
    _lane_base: float = 0
    _recorded: int = 0
    _failures: deque[tuple[int, str]] = field(default_factory=deque)
    _slow: deque[int] = field(default_factory=deque)

    def admit(self, now: float) -> tuple[str, Change | None]:
        """Ask for one attempt: ("", ...) when admitted, else the reason.

        A probe holds a permit until settled.
        """
        change = self.pass_time(now)
        if self.state == OPEN:
            return "open", change
        if self.state == HALF_OPEN:
            if self.probes_out + self._probes_good + self._probes_bad >= self.settings.half_open_permits:
                if now - self.entered_at < self.settings.half_open_max_wait:
                    return "half_open", change
                return "open", self._open("half_open_max_wait elapsed", now)
            self.probes_out += 1
            return "", change
        return ("forced_open", None) if self.state == FORCED_OPEN else ("", None)

    def pass_time(self, now: float) -> Change | None:
        """Open becomes half-open when its time is over, whether anyone calls or only looks."""
        if self.state == OPEN and now >= self.open_until:
            return self._move(HALF_OPEN, "open_for elapsed", now)
        return None

    def settle(self, epoch: int, outcome: str, error: str, now: float, lane: float) -> Change | None:
        """Record what an admitted attempt came to: an attempt outcome of the ledger.

        ``ignored`` and ``cancelled`` give their permit back and count neither way.
        """
        if epoch != self.epoch or self.state in (OPEN, FORCED_OPEN, DISABLED):
            return None
        failed = outcome in ("failure", "timeout")
        if self.state == HALF_OPEN:
            self.probes_out -= 1
            if outcome in ("ignored", "cancelled"):
                return None
            return self._probed(failed or outcome == "slow", error, now)
        if outcome in ("ignored", "cancelled"):
            return None
        self._recorded += 1
        number = self._number(lane)
        if failed:
            self._failures.append((number, error))
        elif outcome == "slow":
            self._slow.append(number)
        return self._evaluate(number, now) if self.state == CLOSED else None

    def lane_open(self, lane: float) -> bool:
        """Whether successes may skip :meth:`settle`: none can make ``minimum_calls`` and open it."""
        if self.state == DISABLED:
            return True
        if self.state != CLOSED:
            return False
        warm = self._number(lane) >= self.settings.minimum_calls
        return warm or not (self._failures or self._slow)

    def force(self, state: str, reason: str, now: float, lane: float) -> Change | None:
        """Move by hand to ``forced_open``, ``disabled``, ``metrics_only`` or ``closed`` (reset)."""
        if state == self.state and state != CLOSED:
            return None
        change = self._move(state, reason, now) if state != self.state else None
        self._outage_began = None
        self._clear(lane)
        return change

    def window(self, lane: float) -> tuple[float, float, int]:
        """(failure ratio, slow ratio, calls) of the window; ratios are 0 while it is empty.

        While open: the window that opened it. While half-open: the probes so far.
        """
        if self.state == OPEN and self.why_opened is not None:
            why = self.why_opened
            return why.failure_ratio, why.slow_ratio, why.window_calls
        if self.state == HALF_OPEN:
            probes = self._probes_good + self._probes_bad
            return (self._probes_bad / probes if probes else 0.0), 0.0, probes
        number = self._number(lane)
        self._evict(number)
        calls = min(number, self.settings.window_calls)
        if not calls:
            return 0.0, 0.0, 0
        return len(self._failures) / calls, len(self._slow) / calls, calls

    def state_seconds(self, now: float) -> dict[str, float]:
        seconds = dict(self.seconds)
        seconds[self.state] += max(0.0, now - self.entered_at)
        return seconds

    def restart(self, lane: float) -> None:
        """Begin an empty window in the closed state: the fast lane's count so far is not part of it."""
        self._clear(lane)

    def _number(self, lane: float) -> int:
        return int(lane - self._lane_base) + self._recorded

    def _evict(self, number: int) -> None:
        oldest = number - self.settings.window_calls
        while self._failures and self._failures[0][0] <= oldest:
            self._failures.popleft()
        while self._slow and self._slow[0] <= oldest:
            self._slow.popleft()

    def _evaluate(self, number: int, now: float) -> Change | None:
        self._evict(number)
        calls = min(number, self.settings.window_calls)
        if calls < self.settings.minimum_calls:
            return None
        if len(self._failures) >= self.settings.failure_ratio * calls:
            return self._open("failure_ratio reached", now, calls)
        if self._slow and len(self._slow) >= self.settings.slow_ratio * calls:
            return self._open("slow_ratio reached", now, calls)
        return None

    def _probed(self, bad: bool, error: str, now: float) -> Change | None:
        if bad:
            self._probes_bad += 1
            self._failures.append((0, error or "slow"))
        else:
            self._probes_good += 1
        permits = self.settings.half_open_permits
        if self._probes_bad >= self.settings.failure_ratio * permits:
            return self._open("probe failed", now, self._probes_good + self._probes_bad)
        left = permits - self._probes_good - self._probes_bad
        if self._probes_bad + left < self.settings.failure_ratio * permits:
            return self._move(CLOSED, "probes succeeded", now)
        return None

    def _open(self, reason: str, now: float, calls: int = 0) -> Change:
        return self._move(OPEN, reason, now, calls)

    def _move(self, to: str, reason: str, now: float, calls: int = 0) -> Change:
        errors = tuple(Counter(name for _, name in self._failures).most_common())
        recovery, false_open = None, False
        if to == OPEN:
            self._round += 1
            if self._outage_began is None:
                self._outage_began, self._round = now, 0
            self.open_until = now + self.settings.open_for
        elif to == CLOSED and self._outage_began is not None:
            recovery = now - self._outage_began
            false_open = self.state == HALF_OPEN and self._round == 0 and not self._probes_bad
            self._outage_began = None
        change = Change(
            self.state,
            to,
            reason,
            now,
            failure_ratio=len(self._failures) / calls if calls else 0.0,
            slow_ratio=len(self._slow) / calls if calls else 0.0,
            window_calls=calls,
            failures=len(self._failures),
            errors=errors,
            open_for=self.settings.open_for if to == OPEN else None,
            recovery=recovery,
            false_open=false_open,
        )
        self.seconds[self.state] += max(0.0, now - self.entered_at)
        self.state = to
        self.entered_at = now
        self.epoch += 1
        self.probes_out = self._probes_good = self._probes_bad = 0
        self._failures.clear()
        self._slow.clear()
        self.last_change = change
        if to == OPEN:
            self.why_opened = change
        return change

    def _clear(self, lane: float) -> None:
        self._lane_base = lane
        self._recorded = 0
        self._failures.clear()
        self._slow.clear()
