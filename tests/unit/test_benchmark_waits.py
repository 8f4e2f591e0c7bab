"""What intervals make an opening wait for, as `make bench` takes it off."""

from __future__ import annotations

from math import nan

import pytest
from tests.benchmarks.rows import Row
from tests.benchmarks.waits import Kept

KEPT = Kept(
    scrapes={100.0: 0.01, 101.0: 0.01, 102.0: 0.01, 103.0: 0.5},
    evaluation=90.4,
    interval=1.0,
    seen={"bank": 102.0, "mail": 101.0, "late": 103.0},
)


def test_the_floor_is_the_next_scrape_and_the_evaluation_after_it() -> None:
    told = KEPT.told("bank", opened=101.25, received=102.45)
    assert told.scrape == pytest.approx(0.75)
    assert told.floor == pytest.approx(1.15)  # evaluated at 102.4
    assert told.rest == pytest.approx(0.05)


def test_an_evaluation_that_was_missed_is_no_part_of_the_floor() -> None:
    assert KEPT.told("bank", opened=101.25, received=103.45).rest == pytest.approx(1.05)


def test_a_scrape_that_should_have_shown_it_counts_though_it_did_not() -> None:
    """Seen at 103 only; the scrape at 102 is the one that was waited for."""
    assert KEPT.told("late", opened=101.25, received=103.45).rest == pytest.approx(1.05)


def test_a_scrape_that_had_begun_and_read_the_page_later_is_the_one_waited_for() -> None:
    told = KEPT.told("mail", opened=101.004, received=101.42)
    assert told.scrape == 0
    assert told.rest == pytest.approx(0.02)


def test_the_evaluation_is_the_first_after_the_scrape_was_in() -> None:
    """It began before an evaluation that it was too late for."""
    kept = Kept(scrapes={102.0: 0.5}, evaluation=90.4, interval=1.0, seen={"bank": 102.0})
    assert kept.told("bank", opened=101.25, received=103.5).floor == pytest.approx(2.15)


def test_a_row_without_a_figure_says_why_and_breaks_no_gate() -> None:
    row = Row.skipped("what", 1.0, 0.3, "s", "prometheus is not on PATH")
    assert row.holds
    assert row.line == "| what |  | <= 1 s | <= 0.3 s | not measured: prometheus is not on PATH |"


def test_a_row_with_a_figure_says_whether_gate_and_aim_hold() -> None:
    assert Row("w", 0.2, 1.0, 0.3, unit="s").line == "| w | 0.200 s | <= 1 s | <= 0.3 s | aim reached |"
    assert Row("w", 0.4, 1.0, 0.3).verdict == "gate holds"
    assert Row("w", 0.8, 0.85, 0.95, at_least=True).verdict == "GATE BROKEN"
    assert not Row("w", nan, 1.0, 0.3).holds
