"""The cache server: redis-server where it is on PATH, else a named stand-in with the same protocol."""

from __future__ import annotations

import argparse
import shutil
import sys

STAND_IN = "fakeredis (stand-in: no redis-server on PATH)"


def command(port: int) -> tuple[list[str], str]:
    """What to run for a cache on `port`, and what to call it."""
    redis = shutil.which("redis-server")
    if redis:
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        return [redis, *options, "--dir", "/tmp"], "redis-server"
    return [sys.executable, "-m", "reference.dependencies.cache", "--port", str(port)], STAND_IN


def main() -> None:
    from fakeredis import TcpFakeServer

    parser = argparse.ArgumentParser(description="A stand-in for redis-server.")
    parser.add_argument("--port", type=int, required=True)
    server = TcpFakeServer(("127.0.0.1", parser.parse_args().port), server_type="redis")
    server.serve_forever()


if __name__ == "__main__":
    main()
