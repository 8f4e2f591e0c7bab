"""An Alertmanager that runs beside a test, on what was generated for it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.integration.prometheus_server import PATIENCE, free_port, until
from tests.integration.servers_at_hand import AtHand


@contextmanager
def running(at_hand: AtHand, folder: Path, bundle: Mapping[str, str], port: int = 0) -> Iterator[str]:
    """The address of one with the bundle's configuration and templates, which are written to the folder."""
    for path, text in bundle.items():
        if path.startswith("alertmanager/"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    config, port = folder / "alertmanager/alertmanager.yml", port or free_port()
    at_hand.run("amtool", "check-config", config)
    command = [
        at_hand.tool("prometheus-alertmanager", "alertmanager"), f"--config.file={config}",
        f"--storage.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            until(lambda: httpx.get(f"{url}/-/ready").status_code == 200)
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE)
