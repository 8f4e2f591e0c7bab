"""The ``seawall`` command. Each subcommand loads what it needs, and nothing of the others'."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from seawall.cli import dashboards, describe, generate, receive, serve
from seawall.cli.parser import Parser
from seawall.cli.problem import CliError

COMMANDS = {
    "generate": (generate, "write dashboards, rules, their tests, configuration and runbooks"),
    "dashboards": (dashboards, "import dashboards into a Grafana"),
    "serve": (serve, "serve a registry's metrics and health"),
    "receive": (receive, "receive Alertmanager's notifications, show and keep them"),
    "describe": (describe, "show a service's policies"),
}


def build_parser() -> Parser:
    parser = Parser(prog="seawall", description="Resilience you can see.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text) in COMMANDS.items():
        about = text[0].upper() + text[1:] + "."
        module.add_arguments(commands.add_parser(name, help=text, description=about))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 ``generate --check`` found differences, 2 bad input: one message on stderr."""
    parser = build_parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help(sys.stderr)
        return 2
    parsed = parser.read(arguments)
    module, _ = COMMANDS[parsed.command]
    try:
        code: int = module.run(parsed)
        sys.stdout.flush()
    except CliError as error:
        print(f"seawall: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain once more when it exits.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return code
