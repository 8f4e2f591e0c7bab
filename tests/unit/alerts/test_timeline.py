"""Samples of tests' input, and promtool's notation of them."""

from __future__ import annotations

from typing import Any

import pytest

from seawall.alerts.model import Signal
from seawall.alerts.timeline import happen, notation, samples, series

ERRORS = Signal("errors_total", {}, "counter", quiet=0, firing=2)
LEVEL = Signal("level", {}, "gauge", quiet=0, firing=1, near=0.5)


def test_a_counter_grows_by_the_phase_and_a_gauge_is_its_level() -> None:
    phases: list[Any] = [("quiet", 2), ("firing", 2), ("quiet", 1)]
    assert samples(ERRORS, phases, 10.0) == [0, 0, 0, 20, 40, 40]
    assert samples(LEVEL, phases, 10.0) == [0, 0, 0, 1, 1, 0]
    assert samples(LEVEL, [("near", 2)], 10.0) == [0.5, 0.5, 0.5]
    assert samples(ERRORS, [("near", 2)], 10.0) == [0, 0, 0]


@pytest.mark.parametrize(
    ("own", "written"),
    [
        ([1.0], "1+0x0"),
        ([1.0, 1.0, 1.0], "1+0x2"),
        ([0.0, 5.0, 10.0, 10.0], "0+5x2 10+0x0"),
        ([4.0, 3.0, 2.0], "4-1x2"),
        ([None, None, 0.5, "stale", None], "_x2 0.5+0x0 stale _x1"),
        ([0.0, 0.1, 0.2, 0.30000000000000004], "0+0.1x3"),
    ],
)
def test_runs_are_written_short(own: list[Any], written: str) -> None:
    assert notation(own) == written


def test_mishaps() -> None:
    own: list[Any] = [0.0, 0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 50.0]
    assert happen("counter reset", ERRORS, own, 2, 6) == [0, 0, 10, 20, 30, 0 + 10, 20, 20]
    assert happen("missed scrape", ERRORS, own, 2, 6) == [0, 0, 10, 20, 30, "stale", 50, 50]
    assert happen("first error from nothing", ERRORS, own, 2, 6) == [None, None, None, 20, 30, 40, 50, 50]
    assert happen("target vanishes", ERRORS, own, 2, 5) == [0, 0, 10, 20, 30, 40, "stale", None]


def test_a_level_is_never_reset_nor_born() -> None:
    own: list[Any] = [0.0, 1.0, 1.0, 1.0]
    assert happen("counter reset", LEVEL, own, 1, 3) == own
    assert happen("first error from nothing", LEVEL, own, 1, 3) == own


def test_labels_are_quoted() -> None:
    named = Signal("x", {"b": 'a"\\', "a": "1"}, "gauge", 0, 0)
    assert series(named) == 'x{a="1",b="a\\"\\\\"}'
