"""Texts written with jinja2. A name that a template does not get is an error, never an empty place."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader("seawall.alerts", "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # Markdown and Go templates: callers escape for where a value stands.
    keep_trailing_newline=True,
    block_start_string="[%",
    block_end_string="%]",
    variable_start_string="[[",
    variable_end_string="]]",
    comment_start_string="[#",
    comment_end_string="#]",
)


def render(name: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(name).render(**values).lstrip("\n")
