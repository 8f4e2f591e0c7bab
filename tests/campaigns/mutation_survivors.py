"""Mutants as people read them: where, which line, what was changed; and why some of them have no effect."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import libcst
from mutmut.mutation.diff_apply import read_functions_from_index
from mutmut.utils.format_utils import orig_function_and_class_names_from_key
from tests.campaigns.mutation_results import Mutant

EQUIVALENT = Path(__file__).with_name("equivalent.toml")


class Survivor(NamedTuple):
    where: str
    line: int
    change: str

    @property
    def module(self) -> str:
        return self.where.partition(".")[0]

    def __str__(self) -> str:
        return f"`{self.module}.py:{self.line}` in `{self.where.partition('.')[2]}`: `` {self.change} ``"


class Explained(NamedTuple):
    """Survivors by the reason that is known of them, and those without."""

    by_reason: dict[str, list[Survivor]]
    unexplained: list[Survivor]
    #: Of what is listed, what is no survivor.
    stale: list[tuple[str, str]]


def survivor(core: str, mutant: Mutant) -> Survivor:
    """``core``: the folder of the sources, below the one that the tool works in, which is the current one."""
    source = f"{core}/{mutant.module}.py"
    pair = read_functions_from_index(mutant.key, source)
    assert pair is not None, mutant.key
    before, after = (_code(function) for function in pair)
    first = next(i for i, (old, new) in enumerate(zip(before, after, strict=False)) if old != new)
    tail = 0
    while before[-1 - tail] == after[-1 - tail] and tail < min(len(before), len(after)) - first - 1:
        tail += 1
    old, new = (" ".join(x.strip() for x in code[first : len(code) - tail]) for code in (before, after))
    name, of = orig_function_and_class_names_from_key(mutant.key)
    where = ".".join(filter(None, (mutant.module, of, name)))
    return Survivor(where, _line(source, of, name) + first, f"{old} -> {new}")


def _code(function: object) -> list[str]:
    assert isinstance(function, libcst.FunctionDef)
    code: str = libcst.Module([function.with_changes(leading_lines=[])]).code
    return code.strip().split("\n")


@cache
def _line(source: str, of: str | None, name: str) -> int:
    """Where the function begins: the last of this name, after its overloads."""
    body: list[ast.stmt] = ast.parse(Path(source).read_text()).body
    if of is not None:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == of)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    node = [node for node in body if isinstance(node, functions) and node.name == name][-1]
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def explained(survivors: Iterable[Survivor]) -> Explained:
    known = {
        (entry["in"], change): entry["because"]
        for entry in tomllib.loads(EQUIVALENT.read_text())["equivalent"]
        for change in entry["changes"]
    }
    found = Explained({}, [], [])
    seen = set()
    for one in survivors:
        seen.add((one.where, one.change))
        reason = known.get((one.where, one.change))
        (found.unexplained if reason is None else found.by_reason.setdefault(reason, [])).append(one)
    found.stale.extend(sorted(known.keys() - seen))
    return found
