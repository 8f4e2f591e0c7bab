"""YAML that Go's parsers read back as it was meant: text that is not plain is quoted and escaped."""

from __future__ import annotations

import re

import yaml

#: What PyYAML leaves bare and YAML 1.2, or Go, takes for a number or a truth.
_OTHER = re.compile(
    r"[yYnN]|[-+]?(?:0[oO][0-7_]+|0[xX][0-9a-fA-F_]+|0[bB][01_]+"
    r"|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9_]+)?)"
)


class _Dumper(yaml.SafeDumper):
    """Lists are indented, nothing is an alias, no line is folded."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    plain = all(" " <= char <= "~" or ("\u00a1" <= char <= "\ud7ff" and char.isprintable()) for char in value)
    known = plain and not _OTHER.fullmatch(value)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if known else '"')


_Dumper.add_representer(str, _text)


def dump(document: object, heading: str = "") -> str:
    """``document`` as YAML, after ``heading`` as a comment. Same input, same bytes."""
    visible = ("".join(char if char.isprintable() else "?" for char in line) for line in heading.splitlines())
    comment = "".join(f"# {line}\n" for line in visible)
    body: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20, default_flow_style=False
    )
    return comment + body
