"""An exception for each of those who share one.

One object raised in many places would gather the tracebacks and notes of all of them. Each gets a
likeness: same type, arguments, attributes and cause; notes and traceback of its own, which go on from what
was shared.
"""

from __future__ import annotations

from copy import copy


class _Plain(Exception):
    pass


#: The size of exceptions that are made of arguments and attributes alone.
_PLAIN = _Plain.__basicsize__


def likeness(error: BaseException) -> BaseException:
    """Another exception like this one. The same, where its type can't be copied."""
    like = _copied(error)
    if like is not error:
        if notes := getattr(error, "__notes__", None):
            like.__notes__ = list(notes)
        like.__cause__ = error.__cause__
        like.__context__ = error.__context__
        like.__suppress_context__ = error.__suppress_context__
        like.__traceback__ = error.__traceback__
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
        return like if type(like) is kind and like.args == error.args else error
    except Exception:
        return error
