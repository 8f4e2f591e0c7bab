"""What of a caller's headers may be taken over: W3C trace context and baggage, checked before any propagator.

Propagators warn of what they can't read, in log lines that hold it. They are handed only what is right; the
rest is as if it had not been sent, and is nobody's line and nobody's error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: Longest tracestate that goes on, in characters; what all must be able to carry.
LONGEST_STATE: Final = 512
MOST_MEMBERS: Final = 32
#: Members over this length are the first to go when a tracestate is too long.
_LONG_MEMBER: Final = 128
#: A header beyond this is not looked at.
_LONGEST: Final = 8192
_MOST_BAGGAGE: Final = 64

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
#: Sampled, and that the trace id is random; the meaning of the others is not known, and they end here.
_KNOWN_FLAGS: Final = 0x03

_STATE_MEMBER = re.compile(
    r"([a-z][_0-9a-z\-*/]{0,255}|[a-z0-9][_0-9a-z\-*/]{0,240}@[a-z][_0-9a-z\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_VALUE = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_BAGGAGE_MEMBER = re.compile(
    rf"{_TOKEN}[ \t]*=[ \t]*{_VALUE}(?:[ \t]*;[ \t]*{_TOKEN}(?:[ \t]*=[ \t]*{_VALUE})?)*"
)
_BLANK: Final = " \t"


def parent(values: Sequence[str]) -> str | None:
    """The ``traceparent`` of these headers, as version 00; ``None`` unless there is one, and a valid one.

    Of a later version what version 00 knows is taken.
    """
    if len(values) != 1 or len(values[0]) > _LONGEST:
        return None
    found = _PARENT.fullmatch(values[0].strip(_BLANK))
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return f"00-{trace_id}-{span_id}-{int(flags, 16) & _KNOWN_FLAGS:02x}"


def state(values: Sequence[str]) -> str:
    """The ``tracestate`` of these headers, "" when a member of it is wrong or there are too many.

    Of a key that comes twice the first stays; what is too long loses its long members, then its last.
    """
    members: dict[str, str] = {}
    for member in _members(values):
        found = _STATE_MEMBER.fullmatch(member)
        if found is None:
            return ""
        members.setdefault(found[1], member)
        if len(members) > MOST_MEMBERS:
            return ""
    kept = list(members.values())
    while kept and len(",".join(kept)) > LONGEST_STATE:
        long = [i for i, member in enumerate(kept) if len(member) > _LONG_MEMBER]
        kept.pop(long[-1] if long else -1)
    return ",".join(kept)


def baggage(values: Sequence[str]) -> str:
    """The ``baggage`` of these headers: its first valid members."""
    good = [member for member in _members(values) if _BAGGAGE_MEMBER.fullmatch(member)]
    return ",".join(good[:_MOST_BAGGAGE])


def _members(values: Sequence[str]) -> list[str]:
    """The list that several headers of one name are together; nothing of one that is far too long."""
    if sum(len(value) + 1 for value in values) > _LONGEST:
        return []
    return [stripped for member in ",".join(values).split(",") if (stripped := member.strip(_BLANK))]
