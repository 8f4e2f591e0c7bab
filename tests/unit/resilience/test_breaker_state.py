"""The breaker's pure state, where only numbers tell: when it is shut, and its epochs and its shadow's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seawall.resilience import Breaker
from seawall.resilience.breaker_state import BreakerState

ONE = Breaker(window_calls=1, minimum_calls=1, open_for=10, half_open_permits=1)


def unarmed(**settings: float) -> BreakerState:
    return BreakerState(
        Breaker(window_calls=1, minimum_calls=1, open_for=10, mode="metrics_only", **settings)
    )


def shadow_of(state: BreakerState) -> BreakerState:
    assert state.shadow is not None
    return state.shadow


def test_it_is_shut_until_the_moment_that_it_asks_again() -> None:
    state = BreakerState(ONE)
    assert not state.shut(0.0)
    state.settle(1, "failure", "E", 5.0, 0)
    assert [state.shut(at) for at in (5.0, 14.9, 15.0, 16.0)] == [True, True, False, False]
    change = state.pass_time(15.0)
    assert change is not None
    assert (change.reason, change.at, change.to_state) == ("open_for elapsed", 15.0, "half_open")
    assert not state.shut(0.0)
    state.force("forced_open", "by hand", 20.0, 0)
    assert state.shut(10.0**9)
    state.force("closed", "by hand", 20.0, 0)
    assert not state.shut(0.0)


def test_the_shadow_begins_with_the_epoch_of_the_breaker_and_hands_its_own_back() -> None:
    state = unarmed()
    shadow = shadow_of(state)
    assert (state.deciding, state.epoch, shadow.epoch, shadow.settings.mode) == (shadow, 1, 1, "on")
    assert state.settle(1, "failure", "E", 5.0, 0) is None
    assert (shadow.state, shadow.epoch, state.epoch, state.state) == ("open", 2, 1, "metrics_only")
    assert state.pass_time(15.0) is None
    assert (shadow.state, shadow.epoch) == ("half_open", 3)
    change = state.force("closed", "by hand", 20.0, 0)
    assert change is not None
    assert (change.from_state, change.to_state, change.reason) == ("metrics_only", "closed", "by hand")
    assert (state.shadow, state.deciding, state.epoch) == (None, state, 5)


def test_what_the_shadow_admitted_is_late_in_the_breaker_that_follows() -> None:
    state = unarmed()
    given = state.deciding.epoch
    state.force("closed", "by hand", 1.0, 0)
    assert state.settle(given, "failure", "E", 2.0, 0) is None
    assert (state.state, state.ratios(2.0, 0)) == ("closed", (0.0, 0.0, 0))


def test_a_shadow_cast_by_hand_knows_when_and_after_how_many_successes() -> None:
    state = BreakerState(ONE, draw=lambda: 0.25)
    state.force("metrics_only", "by hand", 7.0, 30)
    shadow = shadow_of(state)
    assert (shadow.entered_at, shadow.epoch, shadow.draw()) == (7.0, state.epoch, 0.25)
    assert state.ratios(7.0, 30) == (0.0, 0.0, 0)
    assert state.ratios(7.0, 31) == (0.0, 0.0, 1)
    assert state.window.size(7.0, 30) == 0


@pytest.mark.parametrize("mode", ["metrics_only", "disabled"])
def test_the_mode_is_what_it_begins_as(mode: str) -> None:
    state = BreakerState(Breaker(mode=mode), entered_at=3.0)  # type: ignore[arg-type]
    assert (state.state, state.epoch, state.last_change) == (mode, 1, None)
    assert (state.shadow is not None) == (mode == "metrics_only")
    assert state.spent(5.0) == 2.0
    if state.shadow is not None:
        assert state.shadow.entered_at == 3.0


def test_the_lane_is_open_when_the_shadows_is() -> None:
    state = BreakerState(Breaker(window_calls=4, minimum_calls=4, mode="metrics_only"))
    assert state.lane_open(0.0, 0)
    state.settle(1, "failure", "E", 1.0, 0)
    assert not state.lane_open(1.0, 2)
    assert state.lane_open(1.0, 3)
    for _ in range(3):
        state.settle(1, "failure", "E", 2.0, 0)
    assert not state.lane_open(2.0, 0)


def test_a_child_begins_neither_with_the_window_nor_with_the_probes_of_its_parent() -> None:
    state = unarmed()
    shadow = shadow_of(state)
    state.settle(1, "failure", "E", 5.0, 0)
    shadow.admit(15.0)
    assert (shadow.state, shadow.probes_out, shadow.epoch) == ("half_open", 1, 3)
    state.forget(0)
    assert (shadow.probes_out, shadow.epoch, state.epoch) == (0, 4, 2)
    assert shadow.admit(16.0)[0] == ""


def test_closing_begins_an_empty_window_at_the_successes_so_far() -> None:
    state = BreakerState(ONE)
    state.settle(1, "failure", "E", 0.0, 8)
    state.admit(10.0)
    change = state.settle(3, "success", "", 11.0, 9)
    assert change is not None
    assert change.to_state == "closed"
    assert state.ratios(11.0, 9) == (0.0, 0.0, 0)
    assert state.ratios(11.0, 10) == (0.0, 0.0, 1)


def test_other_settings_are_those_of_the_shadow_too_which_is_on() -> None:
    state = unarmed()
    shadow = shadow_of(state)
    settings = Breaker(window_calls=1, minimum_calls=1, window_seconds=4.0, mode="metrics_only")
    state.reconfigure(settings, 5.0, 0)
    assert (state.settings, shadow.settings) == (settings, replace(settings, mode="on"))
    assert (state.window.seconds, shadow.window.seconds) == (4.0, 4.0)
    state.settle(1, "success", "", 6.0, 0)
    later = replace(settings, window_seconds=8.0)
    state.reconfigure(later, 9.0, 0)
    assert (state.window.seconds, shadow.window.seconds) == (8.0, 8.0)
    assert [at for at, _ in shadow.window._marks] == [5.0, 5.4, 6.0, 6.4, 9.0]


def test_probes_of_a_round_that_has_no_permit_left_are_forgotten() -> None:
    wide = replace(ONE, half_open_permits=4, half_open_success_ratio=0.5)
    state = BreakerState(wide)
    state.settle(1, "failure", "E", 0.0, 0)
    state.admit(10.0)
    state.admit(10.0)
    for outcome in ("success", "failure"):
        assert state.settle(3, outcome, "E", 11.0, 0) is None
    assert state.ratios(11.0, 0) == (0.5, 0.0, 2)
    state.reconfigure(replace(wide, half_open_permits=3), 12.0, 0)
    assert state.ratios(12.0, 0) == (0.5, 0.0, 2)
    state.reconfigure(replace(wide, half_open_permits=2), 12.0, 0)
    assert state.ratios(12.0, 0) == (0.0, 0.0, 0)


def test_a_child_knows_how_many_successes_came_before_it() -> None:
    state = BreakerState(Breaker(mode="metrics_only"))
    state.forget(5)
    assert (state.ratios(1.0, 5), state.ratios(1.0, 7)) == ((0.0, 0.0, 0), (0.0, 0.0, 2))
    assert state.window.size(1.0, 7) == 2


def test_the_shadow_is_told_what_failed_and_when() -> None:
    state = BreakerState(Breaker(window_seconds=10.0, minimum_calls=2, mode="metrics_only"))
    state.settle(1, "failure", "A", 1.0, 0)
    assert (state.ratios(2.0, 0), state.ratios(12.0, 0)) == ((1.0, 0.0, 1), (0.0, 0.0, 0))
    state.settle(1, "failure", "B", 12.0, 0)
    assert state.settle(1, "timeout", "C", 13.0, 0) is None
    why = shadow_of(state).why_opened
    assert why is not None
    assert (why.at, why.errors) == (13.0, (("B", 1), ("C", 1)))
