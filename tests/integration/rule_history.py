"""What recording rules would have kept of a time gone by, as blocks for a Prometheus."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

Rule = dict[str, str]


def stages(bundle: Mapping[str, str], boards: Mapping[str, str]) -> list[list[Rule]]:
    """Recordings that boards ask for, and what these are made from.

    Each stage asks for raw series and for what the stages before have recorded.
    """
    files = [yaml.safe_load(text) for path, text in bundle.items() if path.startswith("prometheus/rules/")]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    every = {rule["record"]: rule for rule in rules if "record" in rule}
    wanted = {name for text in boards.values() for name in asked(text)}
    while more := {name for each in wanted for name in asked(every[each]["expr"])} - wanted:
        wanted |= more
    left = {name: rule for name, rule in every.items() if name in wanted}
    found: list[list[Rule]] = []
    while left:
        ready = [rule for rule in left.values() if not left.keys() & asked(rule["expr"])]
        found.append(ready)
        for rule in ready:
            del left[rule["record"]]
    return found


def asked(expression: str) -> set[str]:
    """Recordings that an expression asks for."""
    return set(re.findall(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", expression))


def evaluate(
    folder: Path, url: str, rules: Sequence[Rule], begin: float, end: float, interval: float
) -> None:
    """Rules over a time, asked of a server and added to its data, which it reads when it starts anew."""
    (folder / "history.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "history", "rules": list(rules)}]}), encoding="utf-8"
    )
    command = ["promtool", "tsdb", "create-blocks-from", "rules"]
    command += [
        f"--start={int(begin)}",
        f"--end={int(end)}",
        f"--url={url}",
        f"--eval-interval={interval:g}s",
    ]
    command += ["--output-dir=data", "history.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
