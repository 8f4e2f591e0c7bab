"""Exceptions for each of those who share one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from seawall.resilience import BulkheadFull, TimedOut
from seawall.resilience.likeness import likeness


class Status(Exception):
    """As HTTP clients have them: more than its arguments, and a constructor that wants all of it."""

    def __init__(self, message: str, *, response: object) -> None:
        super().__init__(message)
        self.response = response


class Rewrites(OSError):
    """A constructor that does not give its arguments on as they are."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")


class Uncopied(OSError):
    def __reduce__(self) -> Any:
        raise TypeError


class Turns(OSError):
    """Becomes another type when copied."""

    def __reduce__(self) -> Any:
        return ValueError, self.args


def raised(error: BaseException) -> BaseException:
    try:
        try:
            raise KeyError("context")
        except KeyError as cause:
            raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a", 1),
        Status("503", response=["body"]),
        OSError(2, "no such file", "name"),
        ConnectionError("down"),
        TimedOut("bank", "total", 1.5),
        BulkheadFull("bank", "bulkhead", "full", None),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "why"),
        ExceptionGroup("several", [ValueError(1), OSError(2)]),
        AttributeError("none", name="x", obj=1),
    ],
)
def test_all_that_an_exception_says(error: BaseException) -> None:
    raised(error)
    error.add_note("shared")
    like = likeness(error)
    assert like is not error
    assert (type(like), str(like), like.args) == (type(error), str(error), error.args)
    assert {k: v for k, v in vars(like).items() if k != "__notes__"} == {
        k: v for k, v in vars(error).items() if k != "__notes__"
    }
    assert like.__cause__ is error.__cause__ is not None
    assert like.__context__ is error.__context__ is not None
    assert like.__suppress_context__ is True
    assert like.__traceback__ is error.__traceback__ is not None
    like.add_note("its own")
    assert error.__notes__ == ["shared"]
    assert like.__notes__ == ["shared", "its own"]
    trace = error.__traceback__
    assert raised(like).__traceback__ is not trace
    assert error.__traceback__ is trace


def test_without_notes_there_are_none() -> None:
    assert not hasattr(likeness(ValueError()), "__notes__")


@pytest.mark.parametrize("error", [Rewrites(1), Uncopied("a"), Turns("a")])
def test_what_can_not_be_copied_is_shared(error: BaseException) -> None:
    raised(error)
    trace = error.__traceback__
    assert likeness(error) is error
    assert error.__traceback__ is trace


class Slotted(OSError):
    __slots__ = ("unset", "why")
    unset: str
    why: str


class OneSlot(Exception):
    __slots__ = ("why",)
    why: str


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


def test_what_is_kept_beside_arguments_and_attributes() -> None:
    slotted = Slotted(2, "no such file", "name")
    slotted.why = "because"
    like = likeness(slotted)
    assert isinstance(like, Slotted)
    assert (like.why, like.errno, like.filename) == ("because", 2, "name")
    assert not hasattr(like, "unset")
    one = OneSlot("a")
    one.why = "because"
    assert likeness(one).why == "because"  # type: ignore[attr-defined]
    missing = likeness(AttributeError("none", name="x", obj=1))
    assert isinstance(missing, AttributeError)
    assert (missing.name, missing.obj) == ("x", 1)


def test_odd_attributes_get_in_nobodys_way() -> None:
    frozen = raised(Frozen(3))
    like = likeness(frozen)
    assert isinstance(like, Frozen)
    assert (like is frozen, like.code, like.args) == (False, 3, (3,))
    assert like.__traceback__ is frozen.__traceback__ is not None
    odd = ValueError("a")
    odd.__notes__ = 5  # type: ignore[assignment]
    assert likeness(odd).__notes__ == 5  # type: ignore[comparison-overlap]
