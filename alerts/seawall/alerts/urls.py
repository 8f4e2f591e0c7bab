"""Addresses in settings: complete, and without a secret."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def url_problem(url: str) -> str:
    """What is wrong with an address, to be said after its name; "" if nothing is. Repeats no secret."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s{}]", url)
        secret = bool(parts.username or parts.password)
    except ValueError:
        good, secret = False, False
    if secret:
        return "holds a user name or password; allowed: none, secrets go by file only"
    return "" if good else f"is {url!r}; allowed: an http or https address"
