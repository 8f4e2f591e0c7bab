"""What coverage leaves out: nothing of the core, and elsewhere what has its reason beside it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from coverage import Coverage

ROOT = Path(__file__).parents[2]
SOURCES = ("exporter", "dashboards/seawall", "alerts/seawall")
CORE = "exporter/seawall/resilience"
#: Both of coverage's, in all their spellings, and whatever stands behind them.
PRAGMA = re.compile(r"#\s*pragma[:\s]?\s*no\s*(?:cover|branch)(?P<reason>.*)", re.IGNORECASE)


def left_out(text: str) -> list[tuple[int, bool]]:
    """Lines that a comment leaves out, and whether the reason is beside it: ``# pragma: no cover - why``."""
    found = ((i, PRAGMA.search(line)) for i, line in enumerate(text.splitlines(), 1))
    return [(i, bool(re.match(r" - \w", it["reason"]))) for i, it in found if it]


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_left_out_has_its_reason_beside_it(source: str) -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / source).rglob("*.py"))
        for line, reason in left_out(path.read_text())
        if not reason
    ]
    assert bare == []


def test_nothing_of_the_core_is_left_out() -> None:
    files = sorted((ROOT / CORE).glob("*.py"))
    assert len(files) > 50
    assert [path.name for path in files if left_out(path.read_text())] == []


def test_no_setting_leaves_out_more_than_coverage_does() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]
    assert (settings["run"]["branch"], settings["run"]["source"]) == (True, list(SOURCES))
    assert [name for section in settings.values() for name in section if name in ("omit", "include")] == []
    ours, plain = Coverage(config_file=str(ROOT / "pyproject.toml")), Coverage(config_file=False)
    for kind in ("exclude", "partial"):
        assert ours.get_exclude_list(kind) == plain.get_exclude_list(kind)


def test_comments_that_leave_out() -> None:
    text = (
        "a\nb  # pragma: no cover\nc  # pragma: no branch - always\nd  # PRAGMA no cover - \ne  # no cover\n"
    )
    assert left_out(text) == [(2, False), (3, True), (4, False)]
