"""What the command asks of its plugin, which runs in a process and a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from tests.campaigns.mutation_results import Mutant


class Work(NamedTuple):
    """Paths are absolute."""

    mutants: list[Mutant]
    commit: str
    results: str
    statistics: str
    #: Where the tests print that are run without a mutant.
    output: str
    processes: int

    @classmethod
    def read(cls, path: Path) -> Work:
        work = cls(**json.loads(path.read_text(encoding="utf-8")))
        return work._replace(mutants=[Mutant(*mutant) for mutant in work.mutants])

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self._asdict()), encoding="utf-8")
