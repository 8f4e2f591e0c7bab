"""Basic authentication (RFC 7617) against bcrypt hashes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import bcrypt

#: What bcrypt takes into account of a password, in bytes. More is refused instead of cut off.
MOST_BYTES = 72
#: How many may wait for the one check that runs at a time.
_MOST_WAITING = 16
#: A failed check is followed by a rest of so many times its length: guessing costs a quarter of one core.
_REST = 3.0


class BasicAuth:
    """Whether credentials are right; for one event loop.

    A hash takes tens of milliseconds on purpose, so the last right password of each user is remembered: as a
    keyed digest whose key is made up at start. A wrong one is never remembered, and never answered sooner.
    An unknown user takes as long as a known one.
    """

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._hashes = dict(users)
        self._names = sorted(users)
        self._key = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def refusal(self, authorization: Sequence[bytes]) -> HTTPStatus | None:
        """For the values of all ``Authorization`` headers; 503 while too many are being tried."""
        found = credentials(authorization)
        if found is None:
            return HTTPStatus.UNAUTHORIZED
        user, password = found
        digest = self._digest(user.encode(), password)
        if self._is_remembered(user, digest):
            return None
        if self._waiting >= _MOST_WAITING:
            return HTTPStatus.SERVICE_UNAVAILABLE
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                # Whoever was before may have asked the same.
                right = self._is_remembered(user, digest) or await self._check(user, password, digest)
        finally:
            self._waiting -= 1
        return None if right else HTTPStatus.UNAUTHORIZED

    async def _check(self, user: str, password: bytes, digest: bytes) -> bool:
        began = time.monotonic()
        right = await asyncio.to_thread(_matches, password, self._hash_for(user)) and user in self._hashes
        if right:
            self._right[user] = digest
        else:
            await asyncio.sleep(_REST * (time.monotonic() - began))
        return right

    def _is_remembered(self, user: str, digest: bytes) -> bool:
        return hmac.compare_digest(self._right.get(user, b""), digest)

    def _hash_for(self, user: str) -> bytes:
        """Of an unknown user the same one each time, so that costs of hashes tell nothing either."""
        number = int.from_bytes(self._digest(user.encode(), b"")[:8], "big")
        return self._hashes.get(user) or self._hashes[self._names[number % len(self._names)]]

    def _digest(self, *parts: bytes) -> bytes:
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.new(self._key, framed, hashlib.sha256).digest()


def credentials(authorization: Sequence[bytes]) -> tuple[str, bytes] | None:
    """User and password, if there is one header and it holds them."""
    if len(authorization) != 1:
        return None
    scheme, _, encoded = authorization[0].strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
        user, colon, password = decoded.partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _matches(password: bytes, hashed: bytes) -> bool:
    # The time is spent in any case. To bcrypt a zero byte ends one repetition of the password.
    right = bcrypt.checkpw(password[:MOST_BYTES], hashed)
    return right and len(password) <= MOST_BYTES and b"\0" not in password
