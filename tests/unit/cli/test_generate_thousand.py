"""A registry of 1,000 guards: everything for it is there in seconds, and the same to the byte each time."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns import generating


def test_a_thousand_guards_take_seconds_and_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = generating.twice(tmp_path)
    assert len(one.files) > 50
    assert one.files == other.files
    assert max(one.seconds, other.seconds) < 20
    assert rb"dependency\-999" in one.files["runbooks/SeawallBreakerOpen.md"]
