"""The rules of the house: which way things depend, where names are written, how long a file may be.

Every rule is a function from sources to a list of problems, and is shown a made-up source that breaks it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seawall.telemetry.catalog import SERIES

SOURCE_ROOTS = ("exporter", "dashboards", "alerts")
GENERATORS = ("dashboards", "alerts")
# What each sub-package may import of the others. Generators see how things are named and what an error is.
NAMING = (
    "telemetry.catalog",
    "telemetry.promql",
    "telemetry.promql_text",
    "telemetry.recorded",
    "resilience.errors",
)
ALLOWED = {
    "resilience": (),
    "telemetry": ("resilience",),
    "exporter": ("resilience", "telemetry"),
    "integrations": ("resilience", "telemetry", "exporter"),
    "startup": ("resilience", "telemetry", "exporter", "integrations"),
    "testing": ("resilience", "telemetry"),
    "dashboards": NAMING,
    "alerts": NAMING,
    "cli": ("resilience", "telemetry", "exporter", "integrations", "startup", *GENERATORS),
}
CATALOG = "exporter/seawall/telemetry/catalog.py"
GRAFANALIB_HOME = "dashboards/seawall/dashboards/_grafana.py"
MOST_LINES = 300
COUNTED = {".py", ".sh", ".js", ".mjs", ".ts", ".html", ".css", ".j2", ".jinja", ".tmpl"}
NOT_OURS = {"generated", "node_modules", "__pycache__"}
# What looks like a series of ours: a name of the catalog, or a suffix that Prometheus gives a meaning.
# Between colons it is part of a recording rule's name, which is the generator's own.
UNITS = ("total", "seconds", "bucket", "sum", "count", "created", "info", "ratio", "bytes")
METRIC_NAME = re.compile(
    rf"(?<![\w:])(?:{'|'.join(sorted((series.name for series in SERIES), key=len, reverse=True))}"
    rf"|seawall_[a-z]\w*_(?:{'|'.join(UNITS)}))(?![\w:])"
)

Sources = dict[str, str]


def files(root: Path, *folders: str) -> Iterator[Path]:
    """Every file of ours below these folders."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not NOT_OURS & set(path.relative_to(root).parts):
                yield path


def sources(root: Path, *folders: str) -> Sources:
    """Python sources by their path below `root`."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in files(root, *folders)
        if path.suffix == ".py"
    }


def module_of(path: str) -> str:
    """`exporter/seawall/cli/main.py` -> `seawall.cli.main`"""
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return ".".join(parts[1:])


def imported(path: str, source: str) -> set[str]:
    """Absolute names of everything that a source imports, wherever in the file, `import_module` included.

    `from a.b import c` gives both `a.b` and `a.b.c`: only the file system knows which of them is the module.
    """
    package = module_of(path).split(".")
    if not path.endswith("__init__.py"):
        package.pop()
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names.update(
                a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)
            )
    return names


def is_within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")


def wrong_arrows(found: Sources) -> list[str]:
    """Imports between sub-packages of seawall that go against `ALLOWED`."""
    problems = []
    for path, source in found.items():
        own = module_of(path).split(".")[1]
        may = [f"seawall.{own}", *(f"seawall.{name}" for name in ALLOWED.get(own, ()))]
        for name in sorted(imported(path, source)):
            # The package on the way to something allowed is not an import of its own.
            passing = any(is_within(allowed, name) for allowed in may)
            if is_within(name, "seawall") and not passing and not any(is_within(name, m) for m in may):
                problems.append(f"{path} imports {name}; {own} may import {', '.join(may)}")
    return problems


def outside_standard_library(found: Sources) -> list[str]:
    return [
        f"{path} imports {name}"
        for path, source in found.items()
        for name in sorted({n.partition(".")[0] for n in imported(path, source)})
        if name not in sys.stdlib_module_names and name != "seawall"
    ]


def grafanalib_elsewhere(found: Sources) -> list[str]:
    return [
        path
        for path, source in found.items()
        if path != GRAFANALIB_HOME and any(is_within(name, "grafanalib") for name in imported(path, source))
    ]


def metric_names(found: Sources) -> list[str]:
    """Metric names in strings and f-strings, docstrings aside: they are the catalog's alone."""
    problems = []
    for path, source in found.items():
        if path == CATALOG:
            continue
        tree = ast.parse(source)
        scopes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = {
            node.body[0].value
            for node in ast.walk(tree)
            if isinstance(node, scopes) and node.body and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                problems += [f"{path}:{node.lineno} {name}" for name in METRIC_NAME.findall(node.value)]
    return problems


def too_long(texts: Sources) -> list[str]:
    counts = {path: text.count("\n") for path, text in texts.items()}
    return [f"{path}: {count} lines" for path, count in counts.items() if count >= MOST_LINES]


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


# The rules, on this repository


def test_dependencies_point_one_way(root: Path) -> None:
    assert wrong_arrows(sources(root, *SOURCE_ROOTS)) == []


def test_every_subpackage_has_its_arrows(root: Path) -> None:
    folders = {p.name for part in SOURCE_ROOTS for p in (root / part / "seawall").iterdir() if p.is_dir()}
    assert folders - NOT_OURS == set(ALLOWED)


def test_core_is_standard_library_only(root: Path) -> None:
    assert outside_standard_library(sources(root, "exporter/seawall/resilience")) == []


def test_importing_the_core_loads_nothing_else() -> None:
    loaded = modules_after("import seawall.resilience") - modules_after("pass")
    ours = {name for name in loaded if name.split(".")[:1] == ["seawall"]}
    assert all(is_within(name, "seawall.resilience") for name in ours - {"seawall"})
    assert {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names == {"seawall"}


def test_importing_the_generators_loads_no_server() -> None:
    loaded = modules_after("import seawall.dashboards, seawall.alerts")
    unwanted = ("seawall.exporter", "seawall.startup", "uvicorn", "starlette")
    assert [name for name in sorted(loaded) if any(is_within(name, u) for u in unwanted)] == []


def test_one_module_imports_grafanalib(root: Path) -> None:
    assert grafanalib_elsewhere(sources(root, *SOURCE_ROOTS, "deploy", "tests")) == []


def test_namespace_and_types(root: Path) -> None:
    for part in SOURCE_ROOTS:
        namespace = root / part / "seawall"
        assert not (namespace / "__init__.py").exists()
        for package in (p for p in namespace.iterdir() if p.is_dir() and p.name not in NOT_OURS):
            assert (package / "__init__.py").is_file(), package
            assert (package / "py.typed").is_file(), package


def test_metric_names_are_written_once(root: Path) -> None:
    assert metric_names(sources(root, *SOURCE_ROOTS, "deploy")) == []


def test_templates_name_no_metric(root: Path) -> None:
    texts = {
        p: p.read_text(encoding="utf-8") for p in files(root, *SOURCE_ROOTS, "deploy") if p.suffix != ".py"
    }
    assert [
        f"{path}: {METRIC_NAME.findall(text)}" for path, text in texts.items() if METRIC_NAME.search(text)
    ] == []


def test_files_are_short(root: Path) -> None:
    ours = files(root, *SOURCE_ROOTS, "deploy", "tests")
    texts = {
        p.relative_to(root).as_posix(): p.read_text(encoding="utf-8") for p in ours if p.suffix in COUNTED
    }
    assert len(texts) > len(ALLOWED)
    assert too_long(texts) == []


# Each rule, on a source that breaks it


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("exporter/seawall/resilience/x.py", "import seawall.telemetry.catalog"),
        ("exporter/seawall/resilience/x.py", "def f():\n    from seawall.telemetry import catalog"),
        ("exporter/seawall/resilience/x.py", "from ..telemetry import catalog"),
        ("exporter/seawall/telemetry/__init__.py", "from ..exporter import app"),
        (
            "exporter/seawall/telemetry/x.py",
            "import importlib\nimportlib.import_module('seawall.exporter.app')",
        ),
        ("exporter/seawall/exporter/x.py", "from seawall.startup import install"),
        ("exporter/seawall/integrations/x.py", "from seawall import startup"),
        ("dashboards/seawall/dashboards/x.py", "from seawall.exporter.app import create_app"),
        ("dashboards/seawall/dashboards/x.py", "from seawall.resilience import Guard"),
        ("alerts/seawall/alerts/x.py", "from seawall.telemetry import collector"),
        ("alerts/seawall/alerts/x.py", "from seawall.telemetry.spans import tracer"),
    ],
)
def test_a_wrong_arrow_is_found(path: str, source: str) -> None:
    assert len(wrong_arrows({path: source})) >= 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("exporter/seawall/resilience/x.py", "from . import events\nfrom .errors import Rejected"),
        (
            "exporter/seawall/telemetry/__init__.py",
            "from seawall.resilience import Guard\nfrom . import catalog",
        ),
        ("dashboards/seawall/dashboards/x.py", "from seawall.telemetry import catalog"),
        ("alerts/seawall/alerts/x.py", "from seawall.telemetry.catalog import CALLS"),
    ],
)
def test_a_right_arrow_passes(path: str, source: str) -> None:
    assert wrong_arrows({path: source}) == []


def test_the_other_rules_can_fail() -> None:
    assert outside_standard_library({"exporter/seawall/resilience/x.py": "import json, structlog"}) == [
        "exporter/seawall/resilience/x.py imports structlog"
    ]
    assert grafanalib_elsewhere({"dashboards/seawall/dashboards/x.py": "from grafanalib._gen import y"})
    others = "N = 'job:seawall_policy_info:count'\nV = ContextVar('seawall_deadline')\n"
    named = "'''Counts seawall_calls_total.'''\n" + others + "X = f'rate(seawall_calls_total[{w}])'\n"
    assert metric_names({"deploy/reference/x.py": named}) == ["deploy/reference/x.py:4 seawall_calls_total"]
    assert metric_names({CATALOG: named}) == []
    assert too_long({"a.py": "\n" * MOST_LINES, "b.py": "\n" * (MOST_LINES - 1)}) == ["a.py: 300 lines"]
    assert "json" in modules_after("import json")
