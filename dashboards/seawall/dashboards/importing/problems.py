"""What is in the way of an import, one line each."""

from __future__ import annotations

MOST = 240


class ImportProblem(Exception):
    """``problems`` has a line for each thing that is wrong; none of them holds the token."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def plain(text: object) -> str:
    """Text of others, fit for one line of a terminal."""
    line = "".join(char if char.isprintable() else "?" for char in str(text).strip())
    return line if len(line) <= MOST else line[: MOST - 3] + "..."
