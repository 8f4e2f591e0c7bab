"""An exception for each of those who share one.

One object raised in many places would gather the tracebacks and notes of all of them. Each gets a
likeness: same type, arguments, attributes and cause; notes and traceback of its own, which go on from what
was shared.
"""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from types import MemberDescriptorType


class _Plain(Exception):
    pass


#: The size of exceptions that are made of arguments and attributes alone.
_PLAIN = _Plain.__basicsize__


def likeness(error: BaseException) -> BaseException:
    """Another exception like this one. The same, where its type can't be copied."""
    like = _copied(error)
    if like is not error:
        if isinstance(notes := error.__dict__.get("__notes__"), list):
            like.__dict__["__notes__"] = list(notes)
        for name in ("__cause__", "__context__", "__suppress_context__", "__traceback__"):
            # Past a ``__setattr__`` of its own: frozen dataclasses are raised, too.
            BaseException.__setattr__(like, name, getattr(error, name))
    return like


def _copied(error: BaseException) -> BaseException:
    kind = type(error)
    try:
        if kind.__basicsize__ <= _PLAIN:
            # Without its ``__init__``, which may want to know more than the exception remembers.
            like = BaseException.__new__(kind, *error.args)
            like.__dict__.update(error.__dict__)
        else:
            like = copy(error)
        _fill(like, error)
        return like if type(like) is kind and like.args == error.args else error
    except Exception:
        return error


def _fill(like: BaseException, error: BaseException) -> None:
    """What an exception keeps beside arguments and ``__dict__``: slots, and fields of built-in types."""
    members = [m for kind in type(error).__mro__ for m in vars(kind).values()]
    for member in members:
        if type(member) is MemberDescriptorType:
            # One may be unset, or never be set.
            with suppress(AttributeError, TypeError):
                value = member.__get__(error)
                # What a built-in type never set it shows as None, and takes None for something that was set.
                if value is not None:
                    member.__set__(like, value)
