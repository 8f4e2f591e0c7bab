"""Everything for 1,000 guards, generated in processes of their own: how long, and whether it is the same."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seawall.resilience import (
    Breaker,
    Bulkhead,
    Fallback,
    Objectives,
    RateLimit,
    Registry,
    Retry,
    RetryBudget,
    Timeout,
)

GUARDS = 1000
CRITICALITIES = ("critical", "default", "sheddable")


@dataclass(frozen=True)
class Generated:
    """Processor seconds, and all files by path."""

    seconds: float
    files: Mapping[str, bytes]


def registry(guards: int = GUARDS) -> Registry:
    """Guards with every policy that boards and rules look at; every tenth has another."""
    made = Registry(service="thousand")
    for number in range(guards):
        made.guard(
            f"dependency-{number:03}",
            criticality=CRITICALITIES[number % 3],  # type: ignore[arg-type]  # one of them
            operations=("read", "write"),
            breaker=Breaker(failure_ratio=0.3 if number % 10 else 0.5),
            retry=Retry(budget=RetryBudget(ratio=0.2)),
            timeout=Timeout(attempt=0.3, total=5.0),
            bulkhead=Bulkhead(limit=10),
            rate_limit=RateLimit(rate=100.0),
            fallback=Fallback(default=None),
            objectives=Objectives(success=0.999, undegraded=0.99),
        )
    return made


def document(guards: int = GUARDS) -> dict[str, Any]:
    return registry(guards).describe()


def generate(folder: Path, policies: Mapping[str, Any], seed: int) -> Generated:
    """`seawall generate` in a process whose hashes of strings begin with ``seed``."""
    folder.mkdir()
    source, out = folder / "policies.json", folder / "out"
    source.write_text(json.dumps(policies), encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        sys.executable,
        "-m",
        "seawall.cli",
        "generate",
        "--from",
        source,
        "--out",
        out,
        "--kubernetes",
    ]
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = sorted(path for path in out.rglob("*") if path.is_file())
    return Generated(seconds, {path.relative_to(out).as_posix(): path.read_bytes() for path in found})


def twice(folder: Path, guards: int = GUARDS) -> tuple[Generated, Generated]:
    """The same policies, in another order and with other hashes the second time."""
    policies = document(guards)
    turned = dict(reversed(policies.items())) | {"guards": policies["guards"][::-1]}
    return generate(folder / "one", policies, 1), generate(folder / "other", turned, 2)
