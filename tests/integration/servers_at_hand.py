"""Which Prometheus and Alertmanager there are: what is installed, and what `deploy/newer.sh` unpacked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

#: `NAME-VERSION/usr/bin` of each.
NEWER = Path(os.environ.get("SEAWALL_NEWER", Path(__file__).resolve().parents[2] / ".newer"))
NONE = "no newer one is at hand; `make newer` says why"


@dataclass(frozen=True)
class AtHand:
    """A server with its tools; ``version`` is major and minor."""

    version: str
    folder: Path | None = None

    def tool(self, *names: str) -> str:
        path = str(self.folder) if self.folder else None
        found = next((at for name in names if (at := shutil.which(name, path=path))), None)
        if found is None:
            pytest.skip(f"{names[0]} is not on PATH: make servers")
        return found

    def run(self, name: str, *arguments: object, code: int = 0) -> str:
        done = self._run(name, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fail(self, files: Iterable[Path]) -> dict[str, str]:
        """Files of rules' tests that don't pass, with what promtool says. As many at once as cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            done = pool.map(lambda file: (file.name, self._run("promtool", "test", "rules", file)), files)
            return {name: run.stdout + run.stderr for name, run in done if run.returncode}

    def _run(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [self.tool(name), *map(str, arguments)]
        # They end soon: a quarter of their time would go into collecting garbage.
        env = {**os.environ, "GOGC": "800"}
        return subprocess.run(command, capture_output=True, text=True, timeout=580, check=False, env=env)


#: What the machine has.
INSTALLED = AtHand("")


def every(server: str, oldest: str) -> list[object]:
    """The installed one (the oldest, on the Debian this is tested on) and each newer one, for parametrize."""
    found = []
    for folder in sorted(NEWER.glob(f"{server}-[0-9]*")):
        version = re.match(r"[0-9]+\.[0-9]+", folder.name.removeprefix(f"{server}-"))
        if version is not None and (folder / "usr/bin").is_dir():
            found.append(AtHand(version[0], folder / "usr/bin"))
    newer: list[object] = [pytest.param(each, id=each.version) for each in found]
    missing = pytest.param(AtHand(""), id="newer", marks=pytest.mark.skip(reason=NONE))
    return [pytest.param(AtHand(oldest), id=oldest), *(newer or [missing])]


PROMETHEUS = every("prometheus", "2.42")
ALERTMANAGER = every("prometheus-alertmanager", "0.25")
