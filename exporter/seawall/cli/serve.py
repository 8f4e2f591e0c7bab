"""``seawall serve``: the exporter of a registry, alone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal

from seawall.cli.loading import load_registry
from seawall.cli.problem import CliError
from seawall.resilience import ConfigurationError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", required=True, metavar="MODULE:REGISTRY")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=9464, help="0 takes any free one (default: 9464)")


def run(arguments: argparse.Namespace) -> int:
    from seawall.exporter import ExporterServer, ExporterSettings, ServerError, create_app
    from seawall.telemetry.service import Service

    registry = load_registry(arguments.source)
    try:
        settings = ExporterSettings(host=arguments.host, port=arguments.port)
    except ConfigurationError as error:
        raise CliError.listing("can't serve", error.problems) from None
    server = ExporterServer(create_app(registry, service=Service(name=registry.service)), settings)

    async def serve() -> None:
        task = asyncio.ensure_future(server.serve())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        # `serve` listens before it first waits, so that the port is known then.
        await asyncio.sleep(0)
        if not task.done():
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            print(f"serving {registry.service} on http://{host}:{server.port}/metrics", flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    try:
        asyncio.run(serve())
    except ServerError as error:
        raise CliError(str(error)) from None
    return 0
