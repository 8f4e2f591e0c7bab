"""Who may send notifications to `seawall receive`."""

from __future__ import annotations

import asyncio
import base64
from http import HTTPStatus
from pathlib import Path

import bcrypt
import pytest

from seawall.cli.problem import CliError
from seawall.cli.receive_access import Access, access

HASH = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()


def basic(user: str, password: str, scheme: str = "Basic") -> bytes:
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}".encode()


def opened(tmp_path: Path, **files: str) -> Access:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return access(
        token_file=tmp_path / "token" if "token" in files else None,
        user="am" if "password" in files else None,
        password_file=tmp_path / "password" if "password" in files else None,
        users_file=tmp_path / "users" if "users" in files else None,
    )


def refusals(door: Access, *headers: bytes) -> list[HTTPStatus | None]:
    async def ask() -> list[HTTPStatus | None]:
        return [await door.refusal([header]) for header in headers]

    return asyncio.run(ask())


NO = HTTPStatus.UNAUTHORIZED


def test_without_a_secret_everybody_may() -> None:
    door = Access()
    assert refusals(door, b"", b"Basic x") == [None, None]
    assert asyncio.run(door.refusal([])) is None


def test_a_token_opens(tmp_path: Path) -> None:
    door = opened(tmp_path, token="hunter2\n")
    assert refusals(door, b"Bearer hunter2", b"bearer  hunter2", b"Bearer hunter3", b"hunter2", b"") == [
        None, None, NO, NO, NO,
    ]  # fmt: skip
    assert door.challenge == "Bearer"


def test_none_or_two_headers_open_nothing(tmp_path: Path) -> None:
    door = opened(tmp_path, token="hunter2")
    assert asyncio.run(door.refusal([])) is NO
    assert asyncio.run(door.refusal([b"Bearer hunter2", b"Bearer hunter2"])) is NO


def test_a_password_opens(tmp_path: Path) -> None:
    door = opened(tmp_path, password="correct: horse\n")
    found = refusals(
        door, basic("am", "correct: horse"), basic("am", "correct: horse", "basic"), basic("am", "x"),
        basic("x", "correct: horse"), b"Basic !", b"Bearer hunter2",
    )  # fmt: skip
    assert found == [None, None, NO, NO, NO, NO]
    assert door.challenge == 'Basic realm="seawall"'


def test_a_hash_opens(tmp_path: Path) -> None:
    door = opened(tmp_path, users=f"# people\n\nam:{HASH}\n", token="hunter2")
    assert refusals(door, basic("am", "correct horse"), b"Bearer hunter2", basic("am", "x")) == [
        None,
        None,
        NO,
    ]
    assert door.challenge == 'Bearer, Basic realm="seawall"'


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"token": "\n"}, "the token file {}/token is empty"),
        ({"password": "a\nb"}, "the password file {}/password holds more than one line"),
        (
            {"users": ""},
            "can't use the users file {}/users: it names nobody; allowed: at least one name:hash",
        ),
        (
            {"users": f"am:secret\nx:{HASH}\nx:{HASH}"},
            "can't use the users file {}/users:\n"
            "  line 1 is none; allowed: name:hash, the hash by bcrypt (htpasswd -B)\n"
            "  line 3 names a user again; allowed: once",
        ),
    ],
)
def test_a_file_that_can_not_be_is_named_and_not_shown(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(CliError) as caught:
        opened(tmp_path, **files)
    assert str(caught.value) == said.format(tmp_path)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    with pytest.raises(CliError, match="can't read the users file "):
        access(token_file=None, user=None, password_file=None, users_file=nothing)
    nothing.write_bytes(b"\xff")
    with pytest.raises(CliError, match="it is no text"):
        access(token_file=nothing, user=None, password_file=None, users_file=None)


@pytest.mark.parametrize(("user", "password"), [("am", None), (None, "p"), ("", "p"), ("a:b", "p")])
def test_a_user_needs_a_password_and_a_name(tmp_path: Path, user: str | None, password: str | None) -> None:
    file = tmp_path / "p" if password else None
    with pytest.raises(CliError, match="--user "):
        access(token_file=None, user=user, password_file=file, users_file=None)
