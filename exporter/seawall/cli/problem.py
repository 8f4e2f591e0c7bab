"""What goes wrong at the command line: one message, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Iterable


class CliError(Exception):
    """The text is shown to the person as it is."""

    @classmethod
    def listing(cls, what: str, problems: Iterable[str]) -> CliError:
        """``what`` is wrong, and each problem on a line of its own where there are several."""
        each = list(problems)
        return cls(f"{what}: {each[0]}" if len(each) == 1 else "\n  ".join([f"{what}:", *each]))


def reason(error: OSError) -> str:
    """Why an operation of the system failed, without the number."""
    return (error.strerror or str(error)).lower()
