"""What holds for every test: where the repository is, and how properties are tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A property is never timed: a machine that stalls for a moment says nothing about the code. The same code
# is tried with the same examples; ``make campaign`` is what looks for new ones, with a seed of its own.
settings.register_profile(
    "seawall", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("seawall")


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the repository."""
    return Path(__file__).resolve().parents[1]
