"""Cancelled wherever a task can be: no permit, deadline, task or timer is left, and no cancellation lost."""

from __future__ import annotations

import pytest
from tests.composition import sweep_blocks, sweep_calls, sweep_copies
from tests.composition.sweep import AS_IT_WAKES, AT_ONCE, SOON, sweep

SCENARIOS = sweep_calls.SCENARIOS | sweep_blocks.SCENARIOS | sweep_copies.SCENARIOS
# Some scenarios are policies that do not go together: that is when it gets tight.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("watched", [False, True], ids=["", "watched"])
@pytest.mark.parametrize("how", [AT_ONCE, SOON, AS_IT_WAKES])
@pytest.mark.parametrize("name", SCENARIOS)
def test_cancelled_at_every_suspension(name: str, how: str, watched: bool) -> None:
    assert sweep(SCENARIOS[name], watched, how) >= 1


@pytest.mark.parametrize("again_after", [1, 2])
@pytest.mark.parametrize("name", SCENARIOS)
def test_cancelled_again_during_the_clean_up(name: str, again_after: int) -> None:
    assert sweep(SCENARIOS[name], False, AT_ONCE, again_after) >= 1
