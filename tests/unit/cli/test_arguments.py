"""Arguments that can't be: what is wrong in a line, and where help is."""

from __future__ import annotations

import pytest

from seawall.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dance"], "argument COMMAND: invalid choice: 'dance' (choose from 'generate', "),
        (["generate"], "the following arguments are required: --from, --out\nsee seawall generate --help\n"),
        (["serve", "--port", "x"], "argument --port: invalid int value: 'x'\nsee seawall serve --help\n"),
        (
            ["generate", "--out", "out", "--from", "shop:registry", "--recievers=x", "more"],
            "--recievers is unknown, did you mean --receivers?; more is unknown\nsee seawall generate --help",
        ),
        (["describe", "--from", "shop:registry", "--fro"], "--fro is unknown, did you mean --from?"),
    ],
)
def test_arguments_that_can_not_be(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(f"seawall: {said}")
    assert len(err.splitlines()) == 2


def test_no_command_at_all_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "write dashboards, rules" in capsys.readouterr().err
