"""Annotations in words. That templates say the same is checked by promtool, in the generated tests."""

from __future__ import annotations

import pytest

from seawall.alerts.text import Label, Meanwhile, Seen, Setting, Value, human, text

SEEN = Seen(
    labels={"dependency": "a&b c", "job": "shop"},
    value=0.1234,
    settings={("breaker", "open_for"): 90.0},
    modes=("stale", "default"),
)


@pytest.mark.parametrize(
    ("value", "how", "said"),
    [
        (0.5, "percent", "50%"),
        (1 / 3, "percent", "33.33%"),
        (0.999, "percent", "99.9%"),
        (9.998, "count", "10"),
        (1 / 3, "number", "0.3333"),
        (0, "seconds", "0s"),
        (0.25, "seconds", "250ms"),
        (0.0000125, "seconds", "12.5us"),
        (1.5, "seconds", "1.5s"),
        (90, "seconds", "1m 30s"),
        (3600, "seconds", "1h 0m 0s"),
        (90061, "seconds", "1d 1h 1m 1s"),
        (-90, "seconds", "-1m 30s"),
    ],
)
def test_numbers_for_people(value: float, how: str, said: str) -> None:
    assert human(value, how) == said  # type: ignore[arg-type]


def test_a_text_says_what_its_parts_say() -> None:
    made = text(
        Label("dependency"), ": ", Value("percent"), " ", Setting("breaker", "open_for", "seconds"), " ",
        Setting("breaker", "slow_after", "seconds"), " ?x=", Label("dependency", in_url=True),
    )  # fmt: skip
    assert made.shown(SEEN) == "a&b c: 12.34% 1m 30s not set ?x=a%26b+c"


def test_what_happens_meanwhile() -> None:
    assert "(default, stale)" in Meanwhile().shown(SEEN)
    without = Seen(labels={}, value=0, settings={})
    assert "no fallback" in Meanwhile().shown(without)
