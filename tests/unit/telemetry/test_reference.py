"""The printed reference is what the catalog says now, and leaves nothing of it out."""

from __future__ import annotations

from pathlib import Path

from seawall.telemetry import catalog
from seawall.telemetry.dropped import REASONS
from seawall.telemetry.reference import document

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_reference_is_printed_from_this_catalog() -> None:
    assert (ROOT / "docs/reference/telemetry.md").read_text() == document()


def test_everything_that_has_a_name_is_in_it() -> None:
    text = document()
    names = [series.name for series in catalog.SERIES]
    names += [*catalog.SPANS, *catalog.ATTRIBUTES, *catalog.LOG_EVENTS.values()]
    names += [name for pair in REASONS for name in pair]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_closed_sets_of_labels_are_listed() -> None:
    text = document()
    assert "| `seawall_breaker_state` | `state` | `closed`, `open`, `half_open`," in text
    assert "| `seawall_stale_age_seconds` | 1, 5, 15, 60, 300, 900, 3600, 14400, 86400 |" in text
    assert "| `seawall_breaker_state` | the worst |" in text
