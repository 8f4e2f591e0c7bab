"""What can't be in options and panels that users write, one line each."""

from __future__ import annotations


class OptionsError(ValueError):
    """Options that can't be; ``problems`` has one line for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


NO_TEXT = "allowed: any text that UTF-8 has, so no lone surrogate"


def is_text(text: str) -> bool:
    """Whether it can be written to a file."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def wrong_type(name: str, value: object, kind: type | tuple[type, ...], allowed: str) -> list[str]:
    """What to say where a value is of another kind. A bool is no number."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
        return []
    return [f"{name} is {value!r}; allowed: {allowed}"]


def wrong_items(name: str, value: object, kind: type, allowed: str) -> list[str]:
    """The same of a tuple or a list, and of each that is in it."""
    if not isinstance(value, tuple | list):
        return [f"{name} is {value!r}; allowed: a tuple of {allowed}"]
    return [f"{name} has {one!r} in it; allowed: {allowed}" for one in value if not isinstance(one, kind)]
