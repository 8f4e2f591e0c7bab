"""What became of each mutant: a line of JSON each, added as soon as it is known, so that a run may go on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple


class Fate(StrEnum):
    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"
    #: Not run, or not decided yet.
    OPEN = "open"


class Mutant(NamedTuple):
    key: str
    #: The digest of the function it was made of: what is known of another one counts no more.
    made_of: str

    @property
    def function(self) -> str:
        return self.key.partition("__mutmut_")[0]

    @property
    def module(self) -> str:
        return self.function.rpartition(".")[0].rpartition(".")[2]


class Result(NamedTuple):
    key: str
    made_of: str
    commit: str
    fate: str
    #: The last test that it met, and how many before that.
    test: str
    before: int
    seconds: float
    #: Whether it was decided alone, after another end that a busy machine may have caused.
    again: bool = False


class Run(NamedTuple):
    """One of the command: added when it begins, and again when it ends."""

    began: str
    arguments: str
    commit: str
    mutants: int
    #: Not there when it was interrupted.
    seconds: float | None = None


def add(path: Path, line: Result | Run) -> None:
    """On a line of its own, also after half a line that a machine left when it was switched off."""
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(line._asdict(), ensure_ascii=False))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                yield json.loads(line)


def runs(path: Path) -> list[Run]:
    found = (Run(**line) for line in _lines(path))
    return [*{run.began: run for run in found}.values()]


def results(path: Path, mutants: Iterable[Mutant]) -> dict[str, Result]:
    """The last result of each of these mutants, if it is of the function as it is now."""
    made_of = {mutant.key: mutant.made_of for mutant in mutants}
    found = (Result(**line) for line in _lines(path))
    return {result.key: result for result in found if made_of.get(result.key) == result.made_of}
