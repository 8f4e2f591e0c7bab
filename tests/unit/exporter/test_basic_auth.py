"""Passwords: right ones once at bcrypt's price, wrong ones always, and nobody learns who is known."""

from __future__ import annotations

import asyncio
import base64
import time
from http import HTTPStatus
from typing import Any

import bcrypt
import pytest

from seawall.exporter import basic_auth
from seawall.exporter.basic_auth import BasicAuth, credentials

WRONG = HTTPStatus.UNAUTHORIZED
LONG = "x" * 72


def hashed(password: str) -> bytes:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4))


HASHES = {"alice": hashed("pass:word"), "jürgen": hashed("grün"), "long": hashed(LONG)}


def header(user: str, password: str) -> list[bytes]:
    return [b"Basic " + base64.b64encode(f"{user}:{password}".encode())]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Hashes that were checked against."""
    found: list[bytes] = []
    real = bcrypt.checkpw

    def check(password: bytes, against: bytes) -> bool:
        found.append(against)
        return real(password, against)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    monkeypatch.setattr(basic_auth, "_REST", 0.0)
    return found


@pytest.fixture
def auth(checked: list[bytes]) -> BasicAuth:
    return BasicAuth(HASHES)


@pytest.mark.parametrize(("user", "password"), [("alice", "pass:word"), ("jürgen", "grün"), ("long", LONG)])
async def test_the_right_one_is_checked_once(
    auth: BasicAuth, checked: list[bytes], user: str, password: str
) -> None:
    for _ in range(100):
        assert await auth.refusal(header(user, password)) is None
    assert checked == [HASHES[user]]


async def test_a_wrong_one_costs_the_same_each_time(auth: BasicAuth, checked: list[bytes]) -> None:
    assert await auth.refusal(header("alice", "pass:word")) is None
    for _ in range(3):
        assert await auth.refusal(header("alice", "guess")) is WRONG
    assert checked == [HASHES["alice"]] * 4
    assert await auth.refusal(header("alice", "pass:word")) is None
    assert len(checked) == 4


async def test_an_unknown_user_costs_the_same(auth: BasicAuth, checked: list[bytes]) -> None:
    for password in ("pass:word", "grün", LONG):
        for _ in range(2):
            assert await auth.refusal(header("mallory", password)) is WRONG
    assert len(checked) == 6
    assert len(set(checked)) == 1
    assert set(checked) < set(HASHES.values())


@pytest.mark.parametrize("password", [LONG + "y", "pass:word\0pass:word", "", "PASS:WORD", "pass:word "])
async def test_almost_right_is_wrong(auth: BasicAuth, checked: list[bytes], password: str) -> None:
    for user in ("alice", "long"):
        assert await auth.refusal(header(user, password)) is WRONG
    assert len(checked) == 2


async def test_the_password_of_another_user_is_wrong(auth: BasicAuth) -> None:
    assert await auth.refusal(header("jürgen", "grün")) is None
    assert await auth.refusal(header("alice", "grün")) is WRONG


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [b"Basic"],
        [b"Basic !!!"],
        [b"Basic " + base64.b64encode(b"alice")],
        [b"Basic " + base64.b64encode(b"\xff:x")],
        [b"Bearer " + base64.b64encode(b"alice:pass:word")],
        header("alice", "pass:word") * 2,
    ],
)
async def test_what_is_no_credentials(auth: BasicAuth, checked: list[bytes], values: list[bytes]) -> None:
    assert await auth.refusal(values) is WRONG
    assert checked == []


def test_credentials() -> None:
    assert credentials([b"bAsIc  " + base64.b64encode(b"a::b ") + b" "]) == ("a", b":b ")
    assert credentials([b"Basic " + base64.b64encode(b":")]) == ("", b"")


async def test_the_same_question_by_many_is_asked_once(auth: BasicAuth, checked: list[bytes]) -> None:
    answers = await asyncio.gather(*(auth.refusal(header("alice", "pass:word")) for _ in range(16)))
    assert answers == [None] * 16
    assert len(checked) == 1


async def test_guesses_wait_in_a_short_line(auth: BasicAuth, checked: list[bytes]) -> None:
    assert await auth.refusal(header("alice", "pass:word")) is None
    guesses = [asyncio.create_task(auth.refusal(header("alice", f"{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    # Who is known already does not wait in it.
    assert await auth.refusal(header("alice", "pass:word")) is None
    answers = await asyncio.gather(*guesses)
    assert answers.count(WRONG) == 16
    assert answers.count(HTTPStatus.SERVICE_UNAVAILABLE) == 34
    assert await auth.refusal(header("alice", "x")) is WRONG


async def test_a_rest_follows_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any) -> bool:
        time.sleep(0.02)
        return False

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    auth = BasicAuth(HASHES)
    began = time.monotonic()
    await asyncio.gather(*(auth.refusal(header("alice", f"{n}")) for n in range(3)))
    assert time.monotonic() - began >= 3 * 0.02 * (1 + 3)


def test_what_is_remembered_is_no_password(auth: BasicAuth) -> None:
    asyncio.run(auth.refusal(header("alice", "pass:word")))
    other = BasicAuth(HASHES)
    assert auth._digest(b"alice", b"pass:word") != other._digest(b"alice", b"pass:word")
    assert auth._digest(b"a", b"bc") != auth._digest(b"ab", b"c")
    assert set(auth._right) == {"alice"}
    assert b"pass:word" not in auth._right["alice"]
