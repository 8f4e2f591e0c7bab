"""Arguments that can't be: what is wrong and where help is, and not the whole of the usage."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Takes options by their whole names alone."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"allow_abbrev": False})
        # Of the command that was chosen, when commands are parsed.
        self.set_defaults(parser=self)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"seawall: {message}\nsee {self.prog} --help\n")

    def read(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """As ``parse_args``; what is unknown is told by the command that does not know it."""
        parsed, unknown = self.parse_known_args(arguments)
        chosen: Parser = parsed.parser
        if unknown:
            known = sorted({*re.findall(r"--[a-z][a-z-]*", chosen.format_help())})
            chosen.error("; ".join(_unknown(word, known) for word in unknown))
        return parsed


def _unknown(word: str, known: Sequence[str]) -> str:
    name, equals, _ = word.partition("=")
    close = difflib.get_close_matches(name, known, n=1) if word.startswith("-") else []
    shown = name if equals else word
    return f"{shown} is unknown" + (f", did you mean {close[0]}?" if close else "")
