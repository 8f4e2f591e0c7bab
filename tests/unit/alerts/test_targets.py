"""Versions of the servers: which are known, and what differs by them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from seawall.alerts import Options, build
from seawall.alerts.targets import OLDEST, Target, parse
from seawall.resilience import ConfigurationError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (OLDEST, Target((2, 42), (0, 25))),
        ("prometheus=3.5", Target((3, 5), (0, 25))),
        ("alertmanager=0.33.1", Target((2, 42), (0, 33))),
        (" alertmanager = 0.34 , prometheus = 2.55 ", Target((2, 55), (0, 34))),
    ],
)
def test_a_version_is_known(text: str, found: Target) -> None:
    assert parse(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prometheus=2.41", ["target prometheus is '2.41'; allowed: 2.42 to 2.55, 3.0 to 3.16"]),
        ("prometheus=2.56", ["target prometheus is '2.56'"]),
        ("prometheus=4.0", ["target prometheus is '4.0'"]),
        ("prometheus=latest", ["target prometheus is 'latest'"]),
        (
            "alertmanager=0.24,prometheus=",
            ["target alertmanager is '0.24'; allowed: 0.25 to 0.34", "target prom"],
        ),
        ("grafana=12", ["target 'grafana=12' is unknown; allowed: prometheus=VERSION, alertmanager=VERSION"]),
        ("", ["target '' is unknown"]),
        ("prometheus", ["target 'prometheus' is unknown"]),
        ("prometheus=3.0,prometheus=3.1", ["target prometheus is given twice; allowed: once"]),
    ],
)
def test_a_version_that_is_not_known_is_named(text: str, said: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Options(target=text)
    assert len(caught.value.problems) == len(said)
    for problem, expected in zip(caught.value.problems, said, strict=True):
        assert problem.startswith(expected)


def test_inhibitions_have_names_where_they_can(document: dict[str, Any]) -> None:
    def names(target: str) -> list[str | None]:
        text = build(document, Options(target=target))["alertmanager/alertmanager.yml"]
        return [rule.get("name") for rule in yaml.safe_load(text)["inhibit_rules"]]

    assert names("alertmanager=0.29") == [None, None, None]
    assert names("alertmanager=0.30") == [
        "an open breaker explains it",
        "critical is told already",
        "warning is told already",
    ]


def test_what_the_oldest_take_is_the_default(document: dict[str, Any]) -> None:
    assert build(document) == build(document, Options(target="prometheus=2.42,alertmanager=0.25"))
