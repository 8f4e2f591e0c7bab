"""Who may send notifications: a bearer token, or users with passwords; secrets come from files only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from seawall.cli.problem import CliError, reason

if TYPE_CHECKING:
    from seawall.exporter.basic_auth import BasicAuth

_BCRYPT = re.compile(r"\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}")


class Access:
    """Any of what it is given opens the door; nothing leaves it open."""

    def __init__(
        self, *, token: str = "", login: tuple[str, str] | None = None, hashes: BasicAuth | None = None
    ) -> None:
        self._expected: dict[bytes, bytes] = {}
        if token:
            self._expected[b"bearer"] = token.encode()
        if login is not None:
            self._expected[b"basic"] = base64.b64encode(":".join(login).encode())
        self._hashes = hashes

    @property
    def challenge(self) -> str:
        """The ``WWW-Authenticate`` of a refusal."""
        basic = b"basic" in self._expected or self._hashes is not None
        ways = (("Bearer", b"bearer" in self._expected), ('Basic realm="seawall"', basic))
        return ", ".join(way for way, is_open in ways if is_open)

    async def refusal(self, authorization: Sequence[bytes]) -> HTTPStatus | None:
        """For the values of all ``Authorization`` headers."""
        if not self._expected and self._hashes is None:
            return None
        if len(authorization) != 1:
            return HTTPStatus.UNAUTHORIZED
        scheme, _, shown = authorization[0].strip().partition(b" ")
        if (expected := self._expected.get(scheme.lower())) and _same(shown.strip(), expected):
            return None
        return HTTPStatus.UNAUTHORIZED if self._hashes is None else await self._hashes.refusal(authorization)


def access(
    *, token_file: Path | None, user: str | None, password_file: Path | None, users_file: Path | None
) -> Access:
    """What the files say. `CliError` names the file that can't be, never what is in it."""
    if (user is None) is not (password_file is None):
        raise CliError("--user and --password-file belong together; allowed: both, or neither")
    if user is not None and (not user or ":" in user):
        raise CliError("--user is empty or has a colon; allowed: a name without one")
    login = (user, secret(password_file, "password")) if user is not None and password_file else None
    hashes = _basic_auth(_users(users_file)) if users_file is not None else None
    return Access(token=secret(token_file, "token") if token_file else "", login=login, hashes=hashes)


def secret(path: Path, what: str) -> str:
    """The one line of a file."""
    found = _text(path, what).strip()
    if not found:
        raise CliError(f"the {what} file {path} is empty")
    if not found.isprintable():
        raise CliError(f"the {what} file {path} holds more than one line")
    return found


def _users(path: Path) -> dict[str, bytes]:
    users: dict[str, bytes] = {}
    problems = []
    for number, line in enumerate(_text(path, "users").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, digest = line.strip().partition(":")
        if not user or not colon or not _BCRYPT.fullmatch(digest):
            problems.append(f"line {number} is none; allowed: name:hash, the hash by bcrypt (htpasswd -B)")
        elif user in users:
            problems.append(f"line {number} names a user again; allowed: once")
        else:
            users[user] = digest.encode()
    if not users and not problems:
        problems.append("it names nobody; allowed: at least one name:hash")
    if problems:
        raise CliError.listing(f"can't use the users file {path}", problems)
    return users


def _basic_auth(users: Mapping[str, bytes]) -> BasicAuth:
    try:
        from seawall.exporter.basic_auth import BasicAuth
    except ModuleNotFoundError as error:
        if error.name == "bcrypt":
            raise CliError(
                "--users-file needs bcrypt, which is not installed: pip install 'seawall[web-config]'"
            ) from None
        raise
    return BasicAuth(users)


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is no text"
        raise CliError(f"can't read the {what} file {path}: {why}") from None


def _same(one: bytes, other: bytes) -> bool:
    """In a time that tells nothing of either's length."""
    return hmac.compare_digest(hashlib.sha256(one).digest(), hashlib.sha256(other).digest())
