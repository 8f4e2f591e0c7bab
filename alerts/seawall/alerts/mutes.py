"""When nobody is told: times in which notifications of some severities wait."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, fields

from seawall.alerts.receivers import SEVERITIES
from seawall.resilience.errors import ConfigurationError

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}")
_DAY = re.compile(r"[1-9]|[12][0-9]|3[01]")
_TIMES = re.compile(r"(([01][0-9]|2[0-3]):[0-5][0-9])-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """Notifications of ``severities`` wait while all that is given of time, day and month holds.

    ``times``: ``00:00-07:00``. ``weekdays``: ``saturday`` or ``monday:friday``. ``days_of_month``: ``1`` or
    ``1:7``. ``months``: ``december`` or ``july:august``. () takes any. ``location``: the time zone of all
    these. ``severities`` are not critical by default: an outage at night is an outage.
    """

    name: str = ""
    severities: tuple[str, ...] = ("warning", "info")
    times: tuple[str, ...] = ()
    weekdays: tuple[str, ...] = ()
    days_of_month: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    location: str = "UTC"

    def __post_init__(self) -> None:
        problems = [f"mute.{problem}" for problem in self._problems()]
        if problems:
            raise ConfigurationError(problems)

    def ranges(self, name: str) -> tuple[tuple[str, str], ...]:
        """First and last of each of ``times``, ``weekdays``, ``days_of_month`` or ``months``."""
        between = "-" if name == "times" else ":"
        pairs = (item.partition(between) for item in getattr(self, name))
        return tuple((first, last or first) for first, _, last in pairs)

    def _problems(self) -> Iterator[str]:
        wrong = [
            f"{f.name} is {getattr(self, f.name)!r}; allowed: {'a list of texts' if many else 'a text'}"
            for f in fields(self)
            if (many := str(f.type).startswith("tuple"), value := getattr(self, f.name))
            and not (
                isinstance(value, tuple) and all(isinstance(v, str) for v in value)
                if many
                else isinstance(value, str)
            )
        ]
        yield from wrong or self._more()

    def _more(self) -> Iterator[str]:
        if not _NAME.fullmatch(self.name):
            yield f"name is {self.name!r}; allowed: 1 to 64 of letters, digits, space and _.-"
        if not self.severities or not set(self.severities) <= set(SEVERITIES):
            yield f"severities is {list(self.severities)!r}; allowed: some of {', '.join(SEVERITIES)}"
        if not (self.times or self.weekdays or self.days_of_month or self.months):
            yield (
                "times, weekdays, days_of_month and months are empty: it would mute for ever; "
                "allowed: any of them"
            )
        for text in self.times:
            match = _TIMES.fullmatch(text)
            if match is None or match[1] >= match[3]:
                yield (
                    f"times has {text!r}; allowed: 00:00-07:00, and two of them for a night: "
                    f"22:00-24:00 before it"
                )
        for name, order in (("weekdays", WEEKDAYS), ("months", MONTHS)):
            for first, last in self.ranges(name):
                if first not in order or last not in order or order.index(first) > order.index(last):
                    yield (
                        f"{name} has {first!r} to {last!r}; allowed: {order[0]} to {order[-1]}, in this order"
                    )
        for first, last in self.ranges("days_of_month"):
            if not (_DAY.fullmatch(first) and _DAY.fullmatch(last) and int(first) <= int(last)):
                yield f"days_of_month has {first!r} to {last!r}; allowed: 1 to 31, in this order"
        zones = zoneinfo.available_timezones()
        if zones and self.location not in zones:
            yield f"location is {self.location!r}; allowed: the name of a time zone, such as Europe/Berlin"
