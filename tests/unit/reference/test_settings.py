"""Settings from the environment, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference.settings import Settings


def test_defaults_need_no_environment() -> None:
    assert Settings.from_environment({"PATH": "x"}) == Settings()


def test_every_field_is_read_as_what_it_is() -> None:
    settings = Settings.from_environment(
        {
            "RECONCILIATION_PORT": "81",
            "RECONCILIATION_DRAIN_EVERY": "0.25",
            "RECONCILIATION_DATA": "/data",
            "RECONCILIATION_CACHE_URL": "redis://h/0",
        }
    )
    assert settings == Settings(port=81, drain_every=0.25, data=Path("/data"), cache_url="redis://h/0")


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="RECONCILIATION_PORT must be a number, got 'eighty'"):
        Settings.from_environment({"RECONCILIATION_PORT": "eighty"})
