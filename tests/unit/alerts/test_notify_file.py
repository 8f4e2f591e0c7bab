"""Receivers and mute times from a file, and mute times that can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seawall.alerts import Email, Mute, Slack, read
from seawall.resilience import ConfigurationError

FILE = """
[[slack]]
api_url_file = "/run/secrets/slack"
severities = ["critical", "warning"]

[[email]]
to = ["a@shop.example"]
sender = "alerts@shop.example"
smarthost = "mail:587"

[[mute]]
name = "night"
times = ["00:00-07:00"]
"""


def test_a_file_says_it_too(tmp_path: Path) -> None:
    path = tmp_path / "receivers.toml"
    path.write_text(FILE, encoding="utf-8")
    found = read(path)
    assert found.receivers == (
        Slack(api_url_file="/run/secrets/slack", severities=("critical", "warning")),
        Email(to=("a@shop.example",), sender="alerts@shop.example", smarthost="mail:587"),
    )
    assert found.mutes == (Mute(name="night", times=("00:00-07:00",)),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", ["{} is no TOML: "]),
        (
            "[[mute]]\nname='n'\ntimes=['00:00-07:00']",
            ["{} has no receiver; allowed: at least one of webhook, email"],
        ),
        ("[slack]\napi_url_file='/s'", ["{}: slack is no list; allowed: [[slack]]"]),
        (
            "[[slak]]\n[[slack]]\napi_url='http://x'\n[[slack]]\napi_url_file='s'",
            [
                "{}: 'slak' is unknown, did you mean slack?",
                "{}: slack 1: slack.api_url is unknown, did you mean api_url_file?",
                "{}: slack 1: slack.api_url_file is missing",
                "{}: slack 2: slack.api_url_file is 's'; allowed: an absolute path",
            ],
        ),
    ],
)
def test_a_file_that_can_not_be_names_all(tmp_path: Path, text: str, said: list[str]) -> None:
    path = tmp_path / "receivers.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert len(caught.value.problems) == len(said)
    for problem, expected in zip(caught.value.problems, said, strict=True):
        assert problem.startswith(expected.format(path))


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path / "missing")
    assert caught.value.problems == (f"can't read {tmp_path / 'missing'}: no such file or directory",)
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path / "binary")
    assert caught.value.problems == (f"can't read {tmp_path / 'binary'}: it is no text",)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "a/b", "times": ("00:00-07:00",)}, "mute.name is 'a/b'"),
        ({"name": "n"}, "mute.times, weekdays, days_of_month and months are empty: it would mute for ever"),
        (
            {"name": "n", "times": ("22:00-07:00",)},
            "mute.times has '22:00-07:00'; allowed: 00:00-07:00, and two",
        ),
        ({"name": "n", "times": ("25:00-26:00",)}, "mute.times has '25:00-26:00'"),
        ({"name": "n", "times": ("07:00-07:00",)}, "mute.times has '07:00-07:00'"),
        (
            {"name": "n", "weekdays": ("friday:monday",)},
            "mute.weekdays has 'friday' to 'monday'; allowed: sunday",
        ),
        ({"name": "n", "weekdays": ("Montag",)}, "mute.weekdays has 'Montag' to 'Montag'"),
        (
            {"name": "n", "months": ("july:june",)},
            "mute.months has 'july' to 'june'; allowed: january to december",
        ),
        ({"name": "n", "days_of_month": ("0:3",)}, "mute.days_of_month has '0' to '3'; allowed: 1 to 31"),
        ({"name": "n", "days_of_month": ("1:32",)}, "mute.days_of_month has '1' to '32'"),
        ({"name": "n", "times": ("00:00-07:00",), "severities": ()}, "mute.severities is []"),
        ({"name": "n", "times": ("00:00-07:00",), "severities": ("page",)}, "mute.severities is ['page']"),
        ({"name": "n", "times": ("00:00-07:00",), "location": "Mars"}, "mute.location is 'Mars'"),
        ({"name": "n", "times": "00:00-07:00"}, "mute.times is '00:00-07:00'; allowed: a list of texts"),
        ({"name": 3, "times": ("00:00-07:00",)}, "mute.name is 3; allowed: a text"),
    ],
)
def test_a_mute_that_can_not_be_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Mute(**settings)
    (problem,) = caught.value.problems
    assert problem.startswith(said)
