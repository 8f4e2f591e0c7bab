"""YAML that Go's parsers read back as it was meant: text that is not plain is quoted and escaped."""

from __future__ import annotations

import yaml


class _Dumper(yaml.SafeDumper):
    """Lists are indented, nothing is an alias, no line is folded."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    plain = all(" " <= char <= "~" or ("\u00a1" <= char <= "\ud7ff" and char.isprintable()) for char in value)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_Dumper.add_representer(str, _text)


def dump(document: object, heading: str = "") -> str:
    """``document`` as YAML, after ``heading`` as a comment. Same input, same bytes."""
    visible = ("".join(char if char.isprintable() else "?" for char in line) for line in heading.splitlines())
    comment = "".join(f"# {line}\n" for line in visible)
    body: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20, default_flow_style=False
    )
    return comment + body
