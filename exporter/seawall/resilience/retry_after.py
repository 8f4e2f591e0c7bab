"""How long a dependency asks to be left alone: an error's ``retry_after``, or an HTTP ``Retry-After``.

What it says is advice from outside: it may be missing, negative, NaN, no number at all, or a year.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, timedelta

from seawall.resilience.verdict import leaves

#: From an exception to what its dependency asked for, in any form that :func:`seconds` reads.
Ask = Callable[[BaseException], object]
#: Who is told of what code of the user's raised: its role, the exception.
Failed = Callable[[str, Exception], None]


def asked(error: BaseException, ask: Ask | None, failed: Failed) -> float | None:
    """Seconds that an error asks to wait; of a group, the longest. ``None`` when it says nothing usable.

    ``ask`` is asked first, then the error's own ``retry_after``. What they raise goes to ``failed`` and
    counts as nothing said.
    """
    found = [wait for leaf in leaves(error) if (wait := _leaf(leaf, ask, failed)) is not None]
    return max(found, default=None)


def seconds(value: object, wall: Callable[[], float] = time.time) -> float | None:
    """Seconds from a number, a ``timedelta`` or the text of an HTTP ``Retry-After`` (seconds or a date).

    Infinity stays infinity: "never". ``None`` for whatever is negative, NaN or none of these. ``wall``:
    seconds since the epoch, for a date.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    elif isinstance(value, str):
        value = _header(value.strip(), wall)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        wait = float(value)
    except OverflowError:
        wait = math.inf if value > 0 else -math.inf
    return wait if wait >= 0 else None


def _leaf(error: BaseException, ask: Ask | None, failed: Failed) -> float | None:
    for source in (ask, _own):
        try:
            wait = None if source is None else seconds(source(error))
        except Exception as problem:
            failed("retry_after", problem)
            continue
        if wait is not None:
            return wait
    return None


def _own(error: BaseException) -> object:
    return getattr(error, "retry_after", None)


def _header(text: str, wall: Callable[[], float]) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text)
    # Not at the top: half of the email package, for a form of the header that few servers send.
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - wall())
