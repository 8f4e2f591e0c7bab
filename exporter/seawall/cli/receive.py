"""``seawall receive``: a webhook receiver for Alertmanager that shows notifications and keeps them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seawall.cli.problem import CliError, reason

if TYPE_CHECKING:
    from starlette.applications import Starlette


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=9465, help="0 takes any free one (default: 9465)")
    parser.add_argument(
        "--file",
        "--out",
        dest="file",
        type=Path,
        metavar="FILE",
        help="keep notifications here, one line of JSON each",
    )
    senders = parser.add_argument_group("who may send (default: everybody who reaches it)")
    senders.add_argument("--token-file", type=Path, metavar="FILE", help="a bearer token")
    senders.add_argument("--user", metavar="NAME", help="basic authentication, with --password-file")
    senders.add_argument("--password-file", type=Path, metavar="FILE", help="the password of --user")
    senders.add_argument(
        "--users-file", type=Path, metavar="FILE", help="users and bcrypt hashes, as htpasswd -B writes them"
    )
    grafana = parser.add_argument_group("annotations in Grafana")
    grafana.add_argument("--grafana-url", metavar="URL", help="Grafana's root")
    grafana.add_argument(
        "--grafana-token-file",
        type=Path,
        metavar="FILE",
        help="a service account's token, for the URL",
    )
    grafana.add_argument("--grafana-ca-file", type=Path, metavar="FILE", help="certificates (PEM) to trust")
    parser.add_argument(
        "--max-bytes", type=int, default=4 * 1024 * 1024, metavar="N", help="largest notification taken"
    )


def run(arguments: argparse.Namespace) -> int:
    from seawall.cli import annotations
    from seawall.cli.notifications import Kept, create_app, words
    from seawall.cli.receive_access import access

    if arguments.max_bytes < 1:
        raise CliError(f"--max-bytes is {arguments.max_bytes}; allowed: 1 or more")
    door = access(
        token_file=arguments.token_file,
        user=arguments.user,
        password_file=arguments.password_file,
        users_file=arguments.users_file,
    )
    if (arguments.grafana_url is None) is not (arguments.grafana_token_file is None):
        raise CliError("--grafana-url and --grafana-token-file belong together; allowed: both, or neither")
    posts = None
    if arguments.grafana_url is not None:
        posts = annotations.connect(
            arguments.grafana_url, arguments.grafana_token_file, arguments.grafana_ca_file
        )
    kept = Kept(arguments.file) if arguments.file else None
    if kept is not None:
        try:
            kept.open()
        except OSError as error:
            raise CliError(f"can't keep notifications in {arguments.file}: {reason(error)}") from None
    listener = _listen(arguments.host, arguments.port)

    def show(notification: dict[str, object]) -> None:
        for line in words(notification):
            print(line, flush=True)

    app = create_app(kept, show=show, access=door, annotations=posts, most=arguments.max_bytes)
    host, port = listener.getsockname()[:2]
    where = f", kept in {arguments.file}" if arguments.file else ""
    where += f", annotated in {posts.where}" if posts is not None else ""
    print(f"receiving notifications on http://{host}:{port}/notifications{where}", flush=True)
    try:
        asyncio.run(_serve(app, listener))
    finally:
        if kept is not None:
            kept.close()
        if posts is not None:
            posts.close()
    return 0


async def _serve(app: Starlette, listener: socket.socket) -> None:
    """Until SIGINT or SIGTERM, after which answers that are under way are still given."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await server.serve([listener])


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise CliError(f"--port is {port}; allowed: 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError:
        raise CliError(f"can't listen: host {host!r} is not known here") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise CliError(f"can't listen on {host} port {port}: {reason(error)}") from None
    return listener
