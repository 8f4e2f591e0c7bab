"""What is generated, with what names stand for instead of them: equal for any that come out harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

import promql_parser

#: Strings of the parser's trees, after what stands before a value or a pattern, where they are one.
_STRING = re.compile(r'(value: |Regex\(\s*)?"(?:[^"\\]|\\.)*"')


class Names:
    """A service and a dependency; what is said of either is turned into what is said of others."""

    def __init__(self, service: str, dependency: str) -> None:
        self.each = {"service": service, "dependency": dependency}

    def known(self, text: str) -> str:
        """Which of the names a whole text is, or with which it begins, or the text."""
        for what, name in self.each.items():
            if text.startswith(name):
                return f"<{what}>{text[len(name) :]}"
        return text

    def instead_of(self, other: Names, text: str) -> str:
        """A text about others as it has to be about these, escaped in addresses as there."""
        pairs = {name: self.each[what] for what, name in other.each.items()}
        if text.startswith("http"):
            pairs = {quote_plus(name): quote_plus(own, safe="") for name, own in pairs.items()}
        return re.sub("|".join(map(re.escape, pairs)), lambda found: pairs[found[0]], text)


def shape(text: str, names: Names) -> tuple[str, list[tuple[str, str, str]]]:
    """A PromQL expression as the parser has it: the tree without labels' values, and all matchers."""
    tree = promql_parser.parse(text)
    bare = _STRING.sub(lambda found: found[0] if found[1] is None else found[1], repr(tree))
    return bare, [_matcher(each, names) for each in _matchers(tree)]


def _matchers(node: Any) -> Iterator[Any]:
    if isinstance(node, list):
        for each in node:
            yield from _matchers(each)
    elif isinstance(node, promql_parser.VectorSelector):
        yield from node.matchers.matchers
    elif isinstance(node, promql_parser.Expr):
        for name in ("expr", "lhs", "rhs", "param", "args", "vector_selector"):
            yield from _matchers(getattr(node, name, None))


def _matcher(matcher: Any, names: Names) -> tuple[str, str, str]:
    value = matcher.value
    if str(matcher.op) in ("MatchOp.Re", "MatchOp.NotRe"):
        # A pattern takes a name literally, alone or as the family of its members, or has no name in it.
        taken = {f"<{what}>{more}" for what, name in names.each.items() for more in ("", "/member")
                 if re.fullmatch(value, name + more)}  # fmt: skip
        value = " ".join(sorted(taken)) or value
    return matcher.name, str(matcher.op), names.known(value)


def renamed(value: Any, names: Names, other: Names) -> Any:
    """Plain data about others, as it has to be about these: keys stay, texts are about these."""
    if isinstance(value, Mapping):
        return {key: renamed(inside, names, other) for key, inside in value.items()}
    if isinstance(value, list):
        return [renamed(each, names, other) for each in value]
    return names.instead_of(other, value) if isinstance(value, str) else value
