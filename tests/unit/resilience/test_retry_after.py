"""What a dependency may say of how long it wants to be left alone."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest
from tests.unit.resilience.test_rate_limits import TooMany

from seawall.resilience.retry_after import asked, seconds

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (5, 5.0), (0, 0.0), (2.5, 2.5), (timedelta(minutes=2), 120.0), (inf, inf), (10**400, inf),
        ("120", 120.0), (" 7 ", 7.0), ("0", 0.0), ("9" * 5000, inf),
        ("Mon, 01 Jan 2024 12:00:30 GMT", 30.0), ("Mon, 01 Jan 2024 11:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2024 12:00:30 -0000", 30.0),
        (-1, None), (-(10**400), None), (nan, None), (-inf, None), (True, None), (None, None), ("", None),
        ("soon", None), ("-5", None), ("1e3", None), ("٣", None), (b"5", None), ([], None), (object(), None),
        ("Mon, 99 Jan 2024 12:00:30 GMT", None), ("Mon, 01 Jan 99999 12:00:30 GMT", None),
        (timedelta(seconds=-1), None),
    ],
)  # fmt: skip
def test_what_a_retry_after_may_be(said: object, expected: float | None) -> None:
    assert seconds(said, lambda: NOON) == expected


def test_a_date_is_read_in_its_own_zone_wherever_the_host_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Etc/GMT+5")
    time.tzset()
    try:
        assert seconds("Mon, 01 Jan 2024 14:00:30 +0200", lambda: NOON) == 30.0
        assert seconds("Mon, 01 Jan 2024 12:00:30 -0000", lambda: NOON) == 30.0
        assert seconds("Mon, 01 Jan 2024 12:00:30 GMT", lambda: NOON) == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()


def nobody(who: str, error: Exception) -> None:
    raise AssertionError(who)


def test_a_group_asks_for_its_longest_and_the_function_goes_before_the_attribute() -> None:
    assert asked(ExceptionGroup("", [TooMany(3), TooMany(5), KeyError()]), None, nobody) == 5
    assert asked(TooMany(3), lambda error: 8, nobody) == 8
    assert asked(TooMany(3), lambda error: "never heard of", nobody) == 3
    assert asked(KeyError(), None, nobody) is None


def test_what_raises_says_nothing_and_is_counted() -> None:
    class Odd(Exception):
        @property
        def retry_after(self) -> float:
            raise RuntimeError("host=secret")

    told: list[tuple[str, str]] = []

    def failed(who: str, error: Exception) -> None:
        told.append((who, type(error).__name__))

    assert asked(Odd(), lambda error: error.missing, failed) is None  # type: ignore[attr-defined]
    assert told == [("retry_after", "AttributeError"), ("retry_after", "RuntimeError")]
