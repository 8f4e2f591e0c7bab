"""`seawall generate --receivers --target`: who is told, and by which versions of the servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from seawall.cli.main import main

GENERATE = ("generate", "--from", "shop:registry", "--out", "out")
RECEIVERS = """
[[slack]]
api_url_file = "/run/secrets/slack"

[[teams]]
webhook_url_file = "/run/secrets/teams"
"""


def test_receivers_come_from_a_file(here: Path) -> None:
    (here / "receivers.toml").write_text(RECEIVERS, encoding="utf-8")
    assert main((*GENERATE, "--receivers", "receivers.toml", "--target", "alertmanager=0.28")) == 0
    written = (here / "out/alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    assert "api_url_file: /run/secrets/slack" in written
    assert "webhook_url_file: /run/secrets/teams" in written
    assert "webhook_configs" not in written


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ("--target", "prometheus=9.9"),
            "can't generate from shop:registry: target prometheus is '9.9'; allowed: 2.42 to 2.55, "
            "3.0 to 3.16",
        ),
        (("--receivers", "missing.toml"), "can't read missing.toml: no such file or directory"),
        (("--receivers", "receivers.toml"), "receivers: teams needs Alertmanager 0.27"),
        (
            ("--receivers", "missing.toml", "--time-factor", "0", "--webhook-url", "http://x"),
            "--receivers and --webhook-url are both given; allowed: one of them\n"
            "  can't read missing.toml: no such file or directory\n"
            "  options.time_factor is 0.0",
        ),
        (
            ("--receivers", "receivers.toml", "--target", "alertmanager=0.28", "--check-secrets"),
            "secret file /run/secrets/slack can't be read here: no such file or directory\n"
            "  secret file /run/secrets/teams can't be read here: no such file or directory",
        ),
    ],
)
def test_who_can_not_be_told_is_an_error(
    here: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    (here / "receivers.toml").write_text(RECEIVERS, encoding="utf-8")
    assert main((*GENERATE, *more)) == 2
    assert said in capsys.readouterr().err
    assert not (here / "out").exists()
