"""A wall clock that jumps while a state machine runs: nothing that a guard decides may rest on it."""

from __future__ import annotations

import time
from unittest import mock

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule


class WallClock(RuleBasedStateMachine):
    """To derive machines from."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = time.time()
        self._patches = [
            mock.patch("time.time", self._time),
            mock.patch("time.time_ns", self._time_ns),
        ]
        for patch in self._patches:
            patch.start()

    def _time(self) -> float:
        return self.wall

    def _time_ns(self) -> int:
        return int(self.wall * 1e9)

    @rule(seconds=st.sampled_from([-1e9, -3600.0, 3600.0, 1e9]))
    def wall_clock_jumps(self, seconds: float) -> None:
        self.wall += seconds

    def teardown(self) -> None:
        for patch in self._patches:
            patch.stop()
