"""A setting that does not exist, as the person sees it who wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seawall.cli.loading import load_registry
from seawall.cli.problem import CliError

MODULE = "from seawall.resilience import *\nregistry = Registry('x')\nregistry.guard('bank', {})\n"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            "breaker=Breaker(failure_rate=0.5)",
            "Breaker has no setting failure_rate, did you mean failure_ratio?",
        ),
        ("braker=Breaker()", "Guard has no setting braker, did you mean breaker?"),
        ("retry=Retry(zzz=1)", "Retry has no setting zzz; allowed: attempts"),
        (
            "breaker=Breaker(failure_ratio=1.5)",
            "Breaker.failure_ratio is 1.5; allowed: a number > 0 and <= 1",
        ),
    ],
)
def test_it_is_named_with_its_line_and_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, said: str
) -> None:
    name = f"guards_{abs(hash(setting))}"
    (tmp_path / f"{name}.py").write_text(MODULE.format(setting))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CliError) as caught:
        load_registry(f"{name}:registry")
    assert said in str(caught.value)
    assert f"({name}.py, line 3)" in str(caught.value)
