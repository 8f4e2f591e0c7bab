"""What the scripts behind `make env` and `make servers` say when a thing can't be had."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = ("bash", "cut", "dirname", "env", "id", "sed", "sort", "tr")


@pytest.fixture
def bare_path(tmp_path: Path) -> dict[str, str]:
    """An environment with the few tools that the scripts use: no apt, no sudo, no server, no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return {"PATH": str(folder)}


def run(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([script, *arguments], capture_output=True, text=True, env=environment, check=False)


def test_the_tests_get_a_list_of_what_to_install(root: Path, bare_path: dict[str, str]) -> None:
    result = run(root / "deploy/servers.sh", "test", **bare_path)
    assert result.returncode == 1
    for package in ("prometheus", "prometheus-alertmanager", "redis-server", "chromium", "nodejs", "npm"):
        assert f"package {package} " in result.stderr


def test_the_demo_goes_on_without(root: Path, bare_path: dict[str, str]) -> None:
    result = run(root / "deploy/servers.sh", "demo", **bare_path)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "servers: going on without: prometheus alertmanager"
        " (Debian: apt-get install prometheus prometheus-alertmanager)"
    ]


def test_nothing_is_said_of_what_is_there(root: Path, bare_path: dict[str, str]) -> None:
    folder = Path(bare_path["PATH"])
    for command in ("prometheus", "prometheus-alertmanager"):
        (folder / command).symlink_to(folder / "bash")
    result = run(root / "deploy/servers.sh", "demo", **bare_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_an_unknown_set_is_refused(root: Path) -> None:
    result = run(root / "deploy/servers.sh", "everything", **os.environ)
    assert (result.returncode, result.stderr) == (
        2,
        'servers: unknown set "everything"; one of: test, demo\n',
    )


def test_without_python_the_environment_says_so(
    root: Path, tmp_path: Path, bare_path: dict[str, str]
) -> None:
    script = tmp_path / "deploy/env.sh"
    script.parent.mkdir()
    shutil.copy(root / "deploy/env.sh", script)
    result = run(script, **bare_path, PYTHON="/no/such/python")
    assert result.returncode == 1
    assert "no Python 3.11 or newer found as PYTHON=/no/such/python" in result.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.fixture
def newer(root: Path, tmp_path: Path) -> Path:
    """The script in a repository of its own, into which nothing was unpacked yet."""
    script = tmp_path / "deploy/newer.sh"
    script.parent.mkdir()
    shutil.copy(root / "deploy/newer.sh", script)
    return script


def test_newer_servers_are_debians(newer: Path, bare_path: dict[str, str]) -> None:
    result = run(newer, **bare_path)
    assert result.returncode == 1
    assert "this is no Debian" in result.stderr


def test_the_tests_go_on_without_newer_servers(newer: Path, bare_path: dict[str, str]) -> None:
    result = run(newer, "test", **bare_path)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "newer: going on without newer servers to test with: "
        "this is no Debian; one may unpack programs into .newer/NAME-VERSION/usr/bin"
    ]


def test_newer_servers_that_are_there_are_not_fetched_again(newer: Path, bare_path: dict[str, str]) -> None:
    """Without apt, which would be missed."""
    there = newer.parents[1] / ".newer"
    there.mkdir()
    for suite in ("trixie", "sid"):
        (there / f".{suite}").touch()
    for mode in ("all", "test"):
        result = run(newer, mode, **bare_path)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_an_unknown_way_to_fetch_newer_servers_is_refused(newer: Path) -> None:
    result = run(newer, "everything", **os.environ)
    assert (result.returncode, result.stderr) == (2, 'newer: unknown mode "everything"; one of: all, test\n')


def test_newer_servers_of_which_apt_knows_nothing(newer: Path, bare_path: dict[str, str]) -> None:
    """Each that can't be had is named, in one line, and nothing is left behind."""
    folder = Path(bare_path["PATH"])
    for tool in ("awk", "cat", "mkdir", "mktemp", "rm", "timeout", "touch"):
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    (folder / "dpkg-deb").symlink_to(folder / "bash")
    apt = '#!/usr/bin/env bash\n[ "$1" = indextargets ] && echo "Debian http://archive.example/debian"'
    (folder / "apt-get").write_text(apt + " || exit 100\n", encoding="utf-8")
    (folder / "apt-get").chmod(0o755)
    result = run(newer, "test", **bare_path)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "newer: going on without newer servers to test with: trixie can't be had from "
        "http://archive.example/debian; sid can't be had from http://archive.example/debian"
    ]
    assert not list((newer.parents[1] / ".newer").iterdir())
