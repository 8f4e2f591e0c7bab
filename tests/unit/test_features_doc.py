"""What the page of features says of seawall is so: settings, defaults, tests; and its tables are whole."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seawall import resilience, testing
from seawall.resilience.fallback import MISSING

PAGE = "docs/reference/features.md"
NAMES: dict[str, Any] = {
    **vars(resilience),
    **vars(testing),
    "MISSING": MISSING,
    "time": time,
    "asyncio": asyncio,
}
# `Owner.setting` = `default`, `Owner.setting`, required, `Owner.method()`, `Owner`; and `function()`.
OWNED = re.compile(r"`([A-Z]\w+)(?:\.(\w+)(\(\))?)?`(?: = `([^`]+)`|(, required))?")
FUNCTION = re.compile(r"`([a-z]\w*)\(\)`")
TEST = re.compile(r"`((?:\w+/)*\w+\.py)(?:::(\w+))?`")
CELL = re.compile(r"yes|no|partly|-|not checked")
NOTE = re.compile(r"^(\d+)\. ", re.MULTILINE)
REFERENCE = re.compile(r" \((\d+)\)$")
#: Sections whose cells are what was seen, not a yes or a no.
MEASURED = "Behaviour, run"


def sections(page: str) -> Iterator[tuple[str, list[list[str]], str]]:
    """(heading, rows of its table without the two of the head, text) of each section."""
    for section in page.split("\n## ")[1:]:
        heading = section.split("\n", 1)[0]
        lines = [line for line in section.splitlines() if line.startswith("|")]
        yield heading, [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]], section


def column(page: str) -> list[str]:
    """seawall's cells."""
    return [row[1] for _, rows, _ in sections(page) for row in rows]


def default_of(owner: Any, name: str) -> object:
    """The default of a setting: a field of a dataclass, else an argument of the constructor."""
    if dataclasses.is_dataclass(owner):
        field = {f.name: f for f in dataclasses.fields(owner)}[name]
        if field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
        return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
    return inspect.signature(owner).parameters[name].default


def wrong_settings(cells: list[str]) -> list[str]:
    wrong = []
    for cell in cells:
        for owner, name, method, default, required in OWNED.findall(cell):
            said = f"{owner}.{name}" if name else owner
            try:
                if not name or method:
                    assert callable(getattr(NAMES[owner], name) if name else NAMES[owner])
                elif required:
                    assert default_of(NAMES[owner], name) is inspect.Parameter.empty
                else:
                    actual = default_of(NAMES[owner], name)
                    assert not default or eval(default, NAMES) == actual
            except (KeyError, AttributeError, AssertionError) as error:
                wrong.append(f"{said}: {type(error).__name__}")
        wrong += [name for name in FUNCTION.findall(cell) if not callable(NAMES.get(name))]
    return wrong


def wrong_tests(cells: list[str], tests: Path) -> list[str]:
    wrong = []
    for cell in cells:
        for file, name in TEST.findall(cell):
            path = tests / file
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            if not text or (name and not re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE)):
                wrong.append(f"{file}::{name}" if name else file)
    return wrong


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / PAGE).read_text(encoding="utf-8")


def test_every_setting_and_default_is_the_codes(page: str) -> None:
    cells = column(page)
    assert wrong_settings(cells) == []
    assert len(OWNED.findall(" ".join(cells))) > 60


def test_every_test_that_is_named_exists(page: str, root: Path) -> None:
    cells = column(page)
    assert wrong_tests(cells, root / "tests") == []
    assert len(TEST.findall(" ".join(cells))) > 60


def test_no_setting_of_a_policy_is_left_out(page: str) -> None:
    there = {f"{owner}.{name}" for owner, name, *_ in OWNED.findall(" ".join(column(page)))}
    policies = [name for name in resilience.__all__ if dataclasses.is_dataclass(NAMES[name])]
    settings = {f"{name}.{f.name}" for name in policies for f in dataclasses.fields(NAMES[name])}
    assert sorted(settings - there) == []


def test_tables_are_whole_and_every_note_is_used(page: str) -> None:
    for heading, rows, text in sections(page):
        assert len({len(row) for row in rows}) == 1, heading
        others = [cell for row in rows for cell in row[2:]]
        used = {int(n) for cell in others for n in REFERENCE.findall(cell)}
        assert used == {int(n) for n in NOTE.findall(text)} == set(range(1, len(used) + 1)), heading
        if heading != MEASURED:
            assert [cell for cell in others if not CELL.fullmatch(REFERENCE.sub("", cell))] == []
            assert all(REFERENCE.search(cell) for cell in others if cell.startswith("partly")), heading


@pytest.mark.parametrize(
    "cell",
    [
        "`Breaker.window_calls` = `99`",
        "`Breaker.window` = `100`",
        "`Brake.window_calls` = `100`",
        "`Breaker.window_calls`, required",
        "`Guard.fly()`",
        "`fly()`",
    ],
)
def test_a_wrong_setting_is_found(cell: str) -> None:
    assert len(wrong_settings([cell])) == 1


@pytest.mark.parametrize("cell", ["`unit/test_nothing.py`", "`unit/test_docs.py::test_nothing`"])
def test_a_test_that_is_not_there_is_found(cell: str, root: Path) -> None:
    assert len(wrong_tests([cell], root / "tests")) == 1
