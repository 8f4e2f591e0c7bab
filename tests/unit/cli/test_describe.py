"""`seawall describe`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seawall.cli.main import main
from seawall.resilience import PolicyWarning


def test_policies_in_words(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("describe", "--from", "shop:registry")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("shop: 2 guards, policies ")
    assert "bank (critical; default)" in lines
    assert '"} or x{z=" (default; default)' in lines
    assert any(line.startswith("  breaker     failure_ratio=0.5, window_calls=100,") for line in lines)
    assert "  objectives  success=0.999" in lines


def test_a_family_in_words(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = "\nregistry.family('partner', most=7, breaker=Breaker())\n"
    (here / "more.py").write_text((here / "shop.py").read_text(encoding="utf-8") + more, encoding="utf-8")
    assert main(("describe", "--from", "more:registry")) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("partner (default; default)")
    assert lines[at + 1] == "  family      most=7, idle_for=300.0"
    assert lines[at + 2].startswith("  breaker     failure_ratio=0.5")


def test_what_does_not_fit_together_is_said_last(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("describe", "--from", "shop:registry")) == 0
    assert "to mend" not in capsys.readouterr().out
    odd = "\nregistry.guard('mail\\u202e', breaker=Breaker(slow_after=2), timeout=Timeout(total=1))\n"
    (here / "odd.py").write_text((here / "shop.py").read_text(encoding="utf-8") + odd, encoding="utf-8")
    with pytest.warns(PolicyWarning, match="not below"):
        assert main(("describe", "--from", "odd:registry")) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "",
        "to mend:",
        "  mail\\u202e: breaker.slow_after of 2 s is not below timeout.total of 1 s: an async call "
        "ends before it is slow; set slow_after below 1",
    ]


def test_the_document_itself(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("describe", "--from", "shop:registry", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "seawall.policies/1"
    assert [guard["name"] for guard in document["guards"]] == ['"} or x{z="', "bank"]


def test_what_is_no_document_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "x.json").write_text('{"guards": [3], "service": "x"}', encoding="utf-8")
    assert main(("describe", "--from", "x.json")) == 2
    assert capsys.readouterr().err == "seawall: x.json is no policy document\n"


def test_a_terminal_is_not_steered(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = {"service": "x\x1b[2J", "guards": [], "hash": ""}
    (here / "x.json").write_text(json.dumps(document), encoding="utf-8")
    assert main(("describe", "--from", "x.json")) == 0
    assert "\x1b" not in capsys.readouterr().out
