"""What people install: the wheel holds every part, imports are declared, every version is pinned."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

PARTS = ("exporter", "dashboards", "alerts")
# Which extras a folder's own imports may come from, beside the base dependencies.
EXTRAS = {
    "exporter/seawall/exporter": ("web-config",),
    "exporter/seawall/integrations": ("httpx", "redis", "trio"),
    "dashboards": ("generate",),
    "alerts": ("generate",),
    "deploy": ("reference", "generate", "httpx", "redis", "postgres"),
    "tests": (
        "dev",
        "reference",
        "generate",
        "httpx",
        "redis",
        "postgres",
        "bench",
        "mutation",
        "trio",
        "web-config",
    ),
}
OWN = {"seawall", "reference", "tests"}


@pytest.fixture(scope="session")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built by the pinned hatchling."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(build, cwd=root, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    """`["redis>=5"]` -> `{"redis"}`; extras of this project itself are left out."""
    found = {normal(re.split(r"[\s\[<>=!~;]", requirement)[0]) for requirement in requirements}
    return found - {"seawall"}


@functools.cache
def installed() -> Mapping[str, list[str]]:
    """Top-level modules that are installed, with the distributions that bring them."""
    return metadata.packages_distributions()


def undeclared(source: str, declared: set[str]) -> set[str]:
    """Top-level modules that a source imports and that no declared distribution provides."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            imported.add(node.module.partition(".")[0])
    providers = installed()
    foreign = imported - sys.stdlib_module_names - OWN
    # What is not installed here, such as the benchmarks' peers, is taken to be named like its module.
    return {name for name in foreign if not declared & {normal(d) for d in providers.get(name, (name,))}}


def test_wheel_holds_all_three_parts(root: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("seawall/")}
    expected = {
        path.relative_to(root / part).as_posix()
        for part in PARTS
        for path in (root / part / "seawall").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == expected
    assert {f"seawall/{name}/py.typed" for name in ("resilience", "dashboards", "alerts")} <= held
    assert "seawall/__init__.py" not in held


def test_wheel_has_the_licence_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            Path(name).name: archive.read(name).decode()
            for name in archive.namelist()
            if ".dist-info/" in name
        }
    assert "Apache License" in texts["LICENSE"]
    assert "seawall = seawall.cli.main:main" in texts["entry_points.txt"]
    assert "Requires-Python: >=3.11" in texts["METADATA"]


def test_imports_are_declared(root: Path, project: dict[str, Any]) -> None:
    base = names(project["project"]["dependencies"])
    optional = project["project"]["optional-dependencies"]
    problems = []
    for part in (*PARTS, "deploy", "tests"):
        for path in sorted((root / part).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            place = path.relative_to(root).as_posix()
            extras = [
                extra for folder, some in EXTRAS.items() if place.startswith(folder + "/") for extra in some
            ]
            declared = base.union(*(names(optional[extra]) for extra in extras))
            missing = undeclared(path.read_text(encoding="utf-8"), declared)
            problems += [
                f"{place} imports {name}, which is not among {extras or 'the base'}" for name in missing
            ]
    assert problems == []


def test_undeclared_imports_are_found() -> None:
    assert undeclared("import redis.asyncio\nimport json\nfrom seawall import cli", {"httpx"}) == {"redis"}
    assert undeclared("def f():\n    from redis import Redis", {"redis"}) == set()


def test_every_dependency_is_pinned_without_an_address(root: Path, project: dict[str, Any]) -> None:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+-]+", pin)] == []
    declared = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    assert set().union(*map(names, declared)) - {normal(pin.partition("==")[0]) for pin in pins} == set()


def test_npm_locks_hold_no_address(root: Path) -> None:
    locks = [p for p in (root / "tests").rglob("package-lock.json") if "node_modules" not in p.parts]
    for lock in locks:
        packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
        assert [name for name, entry in packages.items() if "resolved" in entry] == []
