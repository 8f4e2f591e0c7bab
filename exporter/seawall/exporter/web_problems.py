"""Reads one mapping of a web-config file, and collects what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import ItemsView, Mapping


class Section:
    """A mapping with its name. `done` tells the keys that nobody has asked for."""

    def __init__(
        self, name: str, content: Mapping[str, object], problems: list[str], *, prefix: str = ""
    ) -> None:
        self._at = f"{prefix}{name}." if name else prefix
        self._content = content
        self._asked: dict[str, None] = {}
        self.problems = problems

    def fail(self, key: str, problem: str) -> None:
        self.problems.append(f"{self._at}{key} {problem}")

    def get(self, key: str) -> object:
        self._asked[key] = None
        return self._content.get(key)

    def has(self, key: str) -> bool:
        return key in self._content

    def items(self) -> ItemsView[str, object]:
        return self._content.items()

    def section(self, key: str) -> Section | None:
        """The mapping below; ``None`` when there is none."""
        found = self.get(key)
        if not self.has(key):
            return None
        if not isinstance(found, dict):
            self.fail(key, "is empty" if found is None else "is no mapping")
            return None
        if not found:
            self.fail(key, "is empty")
            return None
        return Section(key, found, self.problems, prefix=self._at)

    def text(self, key: str) -> str | None:
        """Text that is not empty; ``None`` when there is none."""
        found = self.get(key)
        if not self.has(key):
            return None
        if not isinstance(found, str) or not found:
            self.fail(key, "is no text")
            return None
        return found

    def texts(self, key: str) -> list[str]:
        found = self.get(key)
        if not self.has(key):
            return []
        if not isinstance(found, list) or not found or not all(isinstance(t, str) and t for t in found):
            self.fail(key, "is no list of texts")
            return []
        return found

    def flag(self, key: str, *, default: bool) -> bool:
        found = self.get(key)
        if not self.has(key):
            return default
        if not isinstance(found, bool):
            self.fail(key, "is neither true nor false")
            return default
        return found

    def one_of(self, key: str, allowed: tuple[str, ...], *, default: str) -> str | None:
        """One of ``allowed``; ``None`` when it is another."""
        if not self.has(key):
            self.get(key)
            return default
        found = self.text(key)
        if found is not None and found not in allowed:
            self.fail(key, f"is {found[:80]!r}; allowed: {', '.join(allowed)}")
            return None
        return found

    def done(self) -> None:
        for key in self._content:
            if key not in self._asked:
                close = difflib.get_close_matches(str(key)[:80], self._asked, n=1)
                meant = f", did you mean {close[0]}?" if close else ";"
                self.fail(repr(key)[:80], f"is unknown{meant} allowed: {', '.join(self._asked)}")


def why(error: OSError | ValueError) -> str:
    """Why a file can't be used, without the number or a part of it."""
    return (error.strerror or "unknown error").lower() if isinstance(error, OSError) else "no path of a file"
