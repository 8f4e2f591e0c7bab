"""``seawall serve``: the exporter alone, of a registry, or of the processes that share a folder."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal

from seawall.cli.loading import load_registry
from seawall.cli.problem import CliError
from seawall.resilience import ConfigurationError, Registry

#: As ``seawall.telemetry.processes`` knows it, which not every command has to import.
VARIABLE = "SEAWALL_PROCESSES_DIR"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="source", metavar="MODULE:REGISTRY", help="whose guards to show on the health pages"
    )
    parser.add_argument(
        "--processes",
        metavar="DIR",
        help=f"sum the processes that share this folder (default: ${VARIABLE}, if it is set)",
    )
    parser.add_argument(
        "--service-name", metavar="NAME", help="default: the registry's; without one $OTEL_SERVICE_NAME"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=9464, help="0 takes any free one (default: 9464)")
    parser.add_argument(
        "--web-config",
        metavar="FILE",
        help="TLS and users, in the format that Prometheus exporters share (default: neither)",
    )


def run(arguments: argparse.Namespace) -> int:
    from seawall.exporter import ExporterServer, ExporterSettings, ServerError, create_app
    from seawall.telemetry.processes import FolderError, ProcessSource, shared_folder
    from seawall.telemetry.service import Service

    folder = shared_folder(arguments.processes)
    if arguments.source is None and folder is None:
        raise CliError("nothing to serve; allowed: --from MODULE:REGISTRY, --processes DIR, or both")
    if arguments.source is not None:
        registry = load_registry(arguments.source)
    else:
        registry = Registry(os.environ.get("OTEL_SERVICE_NAME") or "service")
    service = Service(name=arguments.service_name or registry.service)
    source = None
    if folder is not None:
        try:
            source = ProcessSource(folder, registry, service=service)
        except FolderError as error:
            raise CliError(str(error)) from None
    try:
        settings = ExporterSettings(host=arguments.host, port=arguments.port, web_config=arguments.web_config)
        server = ExporterServer(create_app(registry, service=service, source=source), settings)
    except ConfigurationError as error:
        raise CliError.listing("can't serve", error.problems) from None

    async def serve() -> None:
        task = asyncio.ensure_future(server.serve())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        # `serve` listens before it first waits, so that the port is known then.
        await asyncio.sleep(0)
        if not task.done():
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            print(f"serving {service.name} on {server.scheme}://{host}:{server.port}/metrics", flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    try:
        asyncio.run(serve())
    except ServerError as error:
        raise CliError(str(error)) from None
    return 0
