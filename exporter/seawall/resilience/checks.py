"""Validation of settings: every violation of one object collected into one error."""

from __future__ import annotations

import math
from collections.abc import Iterable

from seawall.resilience.errors import ConfigurationError


class Checks:
    """Collects violations of the settings of ``what``, then raises them together."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.problems: list[str] = []

    def fail(self, setting: str, value: object, allowed: str) -> None:
        self.problems.append(f"{self.what}.{setting} is {value!r}; allowed: {allowed}")

    def number(
        self,
        setting: str,
        value: object,
        *,
        above: float | None = None,
        at_least: float | None = None,
        at_most: float | None = None,
        whole: bool = False,
        optional: bool = False,
    ) -> bool:
        """Check one number; NaN, infinity and bools are none. Returns whether it is good."""
        if value is None and optional:
            return True
        kinds: tuple[type, ...] = (int,) if whole else (int, float)
        good = (
            isinstance(value, int | float)
            and isinstance(value, kinds)
            and not isinstance(value, bool)
            and _finite(value)
            and (above is None or value > above)
            and (at_least is None or value >= at_least)
            and (at_most is None or value <= at_most)
        )
        if not good:
            bounds = [f"> {above:g}"] if above is not None else []
            bounds += [f">= {at_least:g}"] if at_least is not None else []
            bounds += [f"<= {at_most:g}"] if at_most is not None else []
            kind = "a whole number" if whole else "a number"
            allowed = f"{kind} {' and '.join(bounds)}".strip()
            self.fail(setting, value, f"{allowed}, or None" if optional else allowed)
        return good

    def name(self, setting: str, value: object) -> None:
        if value is not None and not (isinstance(value, str) and 1 <= len(value) <= 200):
            self.fail(setting, value, "1 to 200 characters, or None")

    def one_of(self, setting: str, value: object, allowed: Iterable[str]) -> None:
        names = tuple(allowed)
        if value not in names:
            self.fail(setting, value, ", ".join(names))

    def exceptions(self, setting: str, value: object) -> None:
        if not isinstance(value, tuple) or not all(
            isinstance(t, type) and issubclass(t, BaseException) for t in value
        ):
            self.fail(setting, value, "a tuple of exception types")

    def done(self) -> None:
        if self.problems:
            raise ConfigurationError(self.problems)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        # A whole number beyond the largest float.
        return False


def type_names(types: tuple[type[BaseException], ...]) -> list[str]:
    return [t.__name__ for t in types]
