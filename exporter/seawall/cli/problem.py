"""What goes wrong at the command line: one message, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Made = TypeVar("Made")


class CliError(Exception):
    """The text is shown to the person as it is."""

    @classmethod
    def listing(cls, what: str, problems: Iterable[str]) -> CliError:
        """``what`` is wrong, and each problem on a line of its own where there are several."""
        each = list(problems)
        return cls(f"{what}: {each[0]}" if len(each) == 1 else "\n  ".join([f"{what}:", *each]))


class Gathered:
    """Problems of several steps, told at once: a step that fails makes nothing, and the next one is tried."""

    def __init__(self, what: str) -> None:
        self.what = what
        #: As it is told alone, and as a line of several.
        self._found: dict[str, list[str]] = {}

    def take(self, step: Callable[[], Made]) -> Made | None:
        """What the step makes; ``None`` where it can't, for which it has a `CliError` or ``problems``."""
        try:
            return step()
        except CliError as error:
            lines = str(error).removeprefix(f"{self.what}: ").splitlines()
            self._found[str(error)] = [line.strip() for line in lines]
        except ValueError as error:
            problems = getattr(error, "problems", None)
            if problems is None:
                raise
            self._found[str(CliError.listing(self.what, problems))] = list(problems)
        return None

    def tell(self) -> None:
        """Raise all that was found, if anything was."""
        if len(self._found) == 1:
            raise CliError(next(iter(self._found)))
        if self._found:
            lines = [line for lines in self._found.values() for line in lines]
            raise CliError.listing(self.what, dict.fromkeys(lines))


def reason(error: OSError) -> str:
    """Why an operation of the system failed, without the number."""
    return (error.strerror or str(error)).lower()
