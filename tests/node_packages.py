"""Checks that node runs for the tests: packages that a folder locks, and scripts handed documents."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest


def installed(home: Path, package: str, unchecked: str) -> Path:
    """Where a package is that ``home`` locks, from the registry where it isn't there yet.

    unchecked: what is skipped, said where there is no node.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip(f"NOT CHECKED {unchecked}: node and npm are not on PATH (`make test` gets them)")
    place = home / "node_modules" / package
    if not place.is_dir():
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(install, cwd=home, check=True, timeout=110)
    return place


def check_documents(script: Path, documents: Mapping[str, Any], folder: Path) -> tuple[int, str]:
    """What a script came to, exit code and words, on documents that it finds as files of ``folder``."""
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    command = ["node", str(script), *(str(folder / name) for name in documents)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    return run.returncode, run.stdout + run.stderr
