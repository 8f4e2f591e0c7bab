"""Colours that mean the same on every panel, told apart by the colour-blind too (after Okabe and Ito).

The label values that they belong to are the ledger's; a test holds the two together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from seawall.dashboards.problems import OptionsError
from seawall.telemetry.recorded import FAILED, REJECTING
from seawall.telemetry.recorded import STATE_CODES as STATE_CODES

STATE_TEXTS = {
    "closed": "closed",
    "metrics_only": "metrics only",
    "disabled": "disabled",
    "half_open": "half open",
    "open": "open",
    "forced_open": "forced open",
}
REJECTING_STATES = REJECTING

CALL_OUTCOMES = ("success", "degraded", "failure", "timeout", "rejected", "cancelled")
FAILED_OUTCOMES = FAILED
ATTEMPT_OUTCOMES = ("success", "slow", "failure", "timeout", "ignored", "cancelled")
CRITICALITIES = ("critical", "default", "sheddable")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """One colour per meaning, as CSS hex. Replace any of them through `Options`."""

    good: str = "#009E73"
    degraded: str = "#E69F00"
    bad: str = "#D55E00"
    timeout: str = "#CC79A7"
    rejected: str = "#0072B2"
    slow: str = "#F0E442"
    neutral: str = "#8E8E8E"
    notice: str = "#56B4E9"

    def __post_init__(self) -> None:
        """Raise `OptionsError` that names every colour that is none."""
        colours = ((meaning.name, getattr(self, meaning.name)) for meaning in fields(self))
        if wrong := tuple(
            f"Palette.{name} is {colour!r}; allowed: a colour such as #009E73"
            for name, colour in colours
            if not isinstance(colour, str) or not _COLOUR.fullmatch(colour)
        ):
            raise OptionsError(wrong)

    @property
    def states(self) -> dict[str, str]:
        return {
            "closed": self.good,
            "metrics_only": self.notice,
            "disabled": self.neutral,
            "half_open": self.degraded,
            "open": self.bad,
            "forced_open": self.timeout,
        }

    @property
    def outcomes(self) -> dict[str, str]:
        """Of calls and of attempts."""
        return {
            "success": self.good,
            "degraded": self.degraded,
            "slow": self.slow,
            "failure": self.bad,
            "timeout": self.timeout,
            "rejected": self.rejected,
            "ignored": self.notice,
            "cancelled": self.neutral,
        }

    def rising(self, warning: float, critical: float) -> tuple[tuple[float | None, str], ...]:
        """Thresholds of something that is better when small."""
        return ((None, self.good), (warning, self.degraded), (critical, self.bad))

    def falling(self, critical: float, warning: float) -> tuple[tuple[float | None, str], ...]:
        """Thresholds of something that is better when large."""
        return ((None, self.bad), (critical, self.degraded), (warning, self.good))
