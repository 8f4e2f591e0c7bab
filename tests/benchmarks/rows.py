"""A row of the speed table."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure and what is asked of it. ``gate`` must hold; for ``at_least`` rows more is better.

    ``missing``: why there is no figure.
    """

    what: str
    figure: float
    gate: float
    aim: float
    at_least: bool = False
    unit: str = ""
    missing: str = ""

    @classmethod
    def skipped(cls, what: str, gate: float, aim: float, unit: str, missing: str) -> Row:
        return cls(what, math.nan, gate, aim, unit=unit, missing=missing)

    @property
    def holds(self) -> bool:
        return bool(self.missing) or self._within(self.gate)

    @property
    def verdict(self) -> str:
        if self.missing:
            return f"not measured: {self.missing}"
        return "aim reached" if self._within(self.aim) else "gate holds" if self.holds else "GATE BROKEN"

    @property
    def line(self) -> str:
        sign = ">=" if self.at_least else "<="
        unit = f" {self.unit}" if self.unit else ""
        figure = "" if self.missing else f"{self.figure:.3f}{unit}"
        asked = f"{sign} {self.gate:g}{unit} | {sign} {self.aim:g}{unit}"
        return f"| {self.what} | {figure} | {asked} | {self.verdict} |"

    def _within(self, bound: float) -> bool:
        return self.figure >= bound if self.at_least else self.figure <= bound
