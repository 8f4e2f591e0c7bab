"""The breaker's state machine: pure, decides and records. Caller holds the guard's lock; time is passed in.

The states are Nygard's ("Release It!", 2007); an epoch that grows with every transition tells late results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from random import random

from seawall.resilience.breaker import ON, Breaker
from seawall.resilience.fields import BREAKER_STATES
from seawall.resilience.window import Window

CLOSED, OPEN, HALF_OPEN, FORCED_OPEN, DISABLED, METRICS_ONLY = BREAKER_STATES


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
    ``shadow``: while in ``metrics_only``, the breaker as it would be if it were on. It decides and is told
    what calls came to, though nobody is refused; what it would have refused is not told to it.
    """

    settings: Breaker
    state: str = CLOSED
    epoch: int = 1
    entered_at: float = 0.0
    reported_at: float = -inf
    open_until: float = 0.0
    last_change: Change | None = None
    why_opened: Change | None = None
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(BREAKER_STATES, 0.0))
    probes_out: int = 0
    draw: Callable[[], float] = random
    shadow: BreakerState | None = None
    window: Window = field(init=False)
    _probes_good: int = 0
    _probes_bad: list[str] = field(default_factory=list)
    _last_probe_at: float = 0.0
    _reopened: int = 0
    _outage_began: float | None = None

    def __post_init__(self) -> None:
        self.window = Window(self.settings.window_calls, self.settings.window_seconds)
        if self.settings.mode != ON:
            self.state = self.settings.mode
            self._cast_shadow(self.entered_at, 0)

    @property
    def deciding(self) -> BreakerState:
        """Whose epoch and window count: its own, or its shadow's."""
        return self if self.shadow is None else self.shadow

    def admit(self, now: float) -> tuple[str, Change | None]:
        """Ask for one attempt: ("", ...) when admitted, else the reason.

        A probe holds a permit until settled.
        """
        change = self.pass_time(now)
        if self.state == OPEN:
            return "open", change
        if self.state == HALF_OPEN:
            if self.probes_out + self._probes_good + len(self._probes_bad) >= self.settings.half_open_permits:
                if now - self._last_probe_at < self.settings.half_open_max_wait:
                    return "half_open", change
                return "open", self._move(OPEN, "half_open_max_wait elapsed", now)
            self.probes_out += 1
            self._last_probe_at = now
            return "", change
        return ("forced_open", None) if self.state == FORCED_OPEN else ("", None)

    def pass_time(self, now: float) -> Change | None:
        """Open becomes half-open when its time is over, whether anyone calls or only looks."""
        if self.shadow is not None:
            self.shadow.pass_time(now)
        if self.state == OPEN and now >= self.open_until:
            return self._move(HALF_OPEN, "open_for elapsed", now)
        return None

    def shut(self, now: float) -> bool:
        """Whether it would reject a call that came now, without a look at probes."""
        return self.state == FORCED_OPEN or (self.state == OPEN and now < self.open_until)

    def settle(self, epoch: int, outcome: str, error: str, now: float, lane: float) -> Change | None:
        """Record what an admitted attempt came to: an attempt outcome of the ledger.

        ``ignored`` and ``cancelled`` give their permit back and count neither way.
        """
        if self.shadow is not None:
            self.shadow.settle(epoch, outcome, error, now, lane)
            return None
        if epoch != self.epoch or self.state in (OPEN, FORCED_OPEN, DISABLED):
            return None
        counts = outcome not in ("ignored", "cancelled")
        failed = outcome in ("failure", "timeout")
        if self.state == HALF_OPEN:
            self.probes_out -= 1
            change = self._probed(failed or outcome == "slow", error, now) if counts else None
            if self.state == CLOSED:
                self.window.clear(lane)
            return change
        if not counts:
            return None
        self.window.pass_time(now, lane)
        self.window.record(lane, failed=failed, slow=outcome == "slow", error=error)
        return self._evaluate(now, lane)

    def lane_open(self, now: float, lane: float) -> bool:
        """Whether successes may skip :meth:`settle`: none can make ``minimum_calls`` and open it."""
        if self.shadow is not None:
            return self.shadow.lane_open(now, lane)
        if self.state == DISABLED:
            return True
        if self.state != CLOSED:
            return False
        warm = self.window.size(now, lane) >= self.settings.minimum_calls
        return warm or not (self.window.failures or self.window.slow)

    def force(self, state: str, reason: str, now: float, lane: float) -> Change | None:
        """Move by hand to ``forced_open``, ``disabled``, ``metrics_only`` or ``closed`` (reset)."""
        if state == self.state and state != CLOSED:
            return None
        # Of a shadow nothing is kept, but its epochs were given out.
        self.epoch, self.shadow = self.deciding.epoch, None
        change = self._move(state, reason, now) if state != self.state else None
        self.forget(lane)
        self._cast_shadow(now, lane)
        return change

    def reconfigure(self, settings: Breaker, now: float, lane: float) -> None:
        """Other settings from the next result on. State, epoch and window stay; what is open stays open for
        as long as it was to. A round of probes with no permit left begins anew."""
        self.settings = settings
        if self.shadow is not None:
            self.shadow.reconfigure(replace(settings, mode=ON), now, lane)
        self.window.resize(settings.window_calls, settings.window_seconds, now, lane)
        if self._probes_good + len(self._probes_bad) >= settings.half_open_permits:
            self._probes_good, self._probes_bad = 0, []

    def forget(self, lane: float) -> None:
        """Begin an empty window; calls in flight are none of it."""
        if self.shadow is not None:
            self.shadow.forget(lane)
        self.epoch += 1
        self.probes_out = 0
        self._outage_began = None
        self.window.clear(lane)

    def ratios(self, now: float, lane: float) -> tuple[float, float, int]:
        """(failure ratio, slow ratio, calls) of the window; ratios are 0 while it is empty.

        While open: the window that opened it. While half-open: the probes so far.
        While in metrics_only: the shadow's.
        """
        if self.shadow is not None:
            return self.shadow.ratios(now, lane)
        if self.state == OPEN and self.why_opened is not None:
            why = self.why_opened
            return why.failure_ratio, why.slow_ratio, why.window_calls
        if self.state == HALF_OPEN:
            probes = self._probes_good + len(self._probes_bad)
            return (len(self._probes_bad) / probes if probes else 0.0), 0.0, probes
        calls = self.window.size(now, lane)
        if not calls:
            return 0.0, 0.0, 0
        return len(self.window.failures) / calls, len(self.window.slow) / calls, calls

    def spent(self, now: float) -> float:
        """Seconds in the state that it is in, as is reported at ``now``: a transition that was timed before
        and comes later takes nothing back.
        """
        self.reported_at = now
        return self.seconds[self.state] + max(0.0, now - self.entered_at)

    def _cast_shadow(self, now: float, lane: float) -> None:
        if self.state == METRICS_ONLY:
            on = replace(self.settings, mode=ON)
            self.shadow = BreakerState(on, epoch=self.epoch, entered_at=now, draw=self.draw)
            self.shadow.window.clear(lane)

    def _evaluate(self, now: float, lane: float) -> Change | None:
        settings, window = self.settings, self.window
        calls = window.size(now, lane)
        row = settings.consecutive_failures
        if row is not None and window.failures_in_a_row(lane) >= row:
            return self._move(OPEN, "consecutive_failures reached", now, calls)
        if calls < settings.minimum_calls:
            return None
        # Divided, not multiplied: 7 / 100 is 0.07, but 0.07 * 100 is more than 7.
        if len(window.failures) / calls >= settings.failure_ratio:
            return self._move(OPEN, "failure_ratio reached", now, calls)
        if len(window.slow) / calls >= settings.slow_ratio:
            return self._move(OPEN, "slow_ratio reached", now, calls)
        return None

    def _probed(self, bad: bool, error: str, now: float) -> Change | None:
        if bad:
            self._probes_bad.append(error or "slow")
        else:
            self._probes_good += 1
        permits = self.settings.half_open_permits
        left = permits - self._probes_good - len(self._probes_bad)
        if self._closes(self._probes_good / permits, len(self._probes_bad) + left):
            return self._move(CLOSED, "probes succeeded", now)
        if not self._closes((self._probes_good + left) / permits, len(self._probes_bad)):
            return self._move(OPEN, "probe failed", now, self._probes_good + len(self._probes_bad))
        return None

    def _closes(self, good_ratio: float, bad: int) -> bool:
        """Whether a round that ends so closes the breaker."""
        needed = self.settings.half_open_success_ratio
        if needed is not None:
            return good_ratio >= needed
        return bad / self.settings.half_open_permits < self.settings.failure_ratio

    def _open_for(self) -> float:
        """Seconds to stay open: grown by the times it opened again in this outage, bounded, then spread."""
        settings = self.settings
        try:
            grown = settings.open_for * settings.open_for_multiplier**self._reopened
        except OverflowError:
            grown = float("inf")
        if settings.max_open_for is not None:
            grown = min(grown, settings.max_open_for)
        return grown * (1 + settings.open_for_jitter * (2 * self.draw() - 1))

    def _move(self, to: str, reason: str, now: float, calls: int = 0) -> Change:
        recovery, false_open, open_for = None, False, None
        if to == OPEN:
            self._reopened += 1
            if self._outage_began is None:
                self._outage_began, self._reopened = now, 0
            open_for = self._open_for()
            self.open_until = now + open_for
        elif to == CLOSED and self._outage_began is not None:
            recovery = now - self._outage_began
            false_open = self.state == HALF_OPEN and self._reopened == 0 and not self._probes_bad
            self._outage_began = None
        probing = self.state == HALF_OPEN
        failures = len(self._probes_bad) if probing else len(self.window.failures)
        change = Change(
            self.state,
            to,
            reason,
            now,
            failure_ratio=failures / calls if calls else 0.0,
            slow_ratio=len(self.window.slow) / calls if calls and not probing else 0.0,
            window_calls=calls,
            failures=failures,
            errors=tuple(Counter(self._probes_bad).most_common()) if probing else self.window.errors(),
            open_for=open_for,
            recovery=recovery,
            false_open=false_open,
        )
        left = max(now, self.reported_at)
        self.seconds[self.state] += max(0.0, left - self.entered_at)
        self.state = to
        self.entered_at = left
        self.epoch += 1
        self.probes_out = self._probes_good = 0
        self._probes_bad = []
        self.window.failures.clear()
        self.window.slow.clear()
        self.last_change = change
        if to == OPEN:
            self.why_opened = change
        return change
