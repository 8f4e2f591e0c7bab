"""The parts of the timer: how long it waits, and what becomes of an error of one look."""

from __future__ import annotations

from typing import Any
from weakref import ref

import pytest

from seawall.resilience import Guard, Registry
from seawall.resilience.timer import LONGEST_WAIT, Reminder, Timer
from seawall.testing import ManualClock


class Looked(Guard):
    def pass_time(self) -> None:
        raise SystemExit


@pytest.mark.parametrize(
    ("at", "seconds"), [(999.0, 0.0), (1000.0, 0.0), (1000.25, 0.25), (1030.0, 30.0), (9999.0, LONGEST_WAIT)]
)
def test_it_waits_until_the_first_is_due(at: float, seconds: float) -> None:
    timer = Timer(ManualClock(), list[Any]().append)
    guard = Guard("bank", registry=Registry("t"))
    due: list[Reminder] = [(at, 0, ref(guard)), (at + 1, 1, ref(guard))]
    assert timer._wait(due) == seconds
    assert timer._wait([]) == 0.0


def test_an_error_of_one_look_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry("t")
    guard = Looked("bank", registry=registry)
    timer = Timer(ManualClock(), list[Any]().append)
    timer._look(ref(guard))
    assert registry.listener_errors == {"timer": 1}
    assert [record.getMessage() for record in caplog.records] == [
        "listener timer raised SystemExit; further errors are counted, not logged"
    ]
