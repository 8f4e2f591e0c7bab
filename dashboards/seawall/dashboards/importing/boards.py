"""Dashboards as they come from files or from the generator."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seawall.dashboards.importing.problems import ImportProblem, plain
from seawall.dashboards.importing.target import reason

_UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
#: What Grafana gives a dashboard when it stores it.
GIVEN = ("id", "uid", "version")


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard to bring: ``content`` is without what Grafana gives it."""

    uid: str
    title: str
    content: Mapping[str, Any]


def read_folder(folder: Path) -> tuple[Board, ...]:
    """The dashboards in a folder's JSON files."""
    texts = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix == ".json" and not path.name.startswith(".") and path.is_file():
                texts[path.name] = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ImportProblem(f"can't read {error.filename or folder}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise ImportProblem(f"can't read {path}: it is no text") from None
    if not texts:
        raise ImportProblem(f"{folder} holds no dashboard; allowed: a folder with .json files")
    return parse(texts)


def parse(texts: Mapping[str, str]) -> tuple[Board, ...]:
    """Dashboards from JSON by file name. `ImportProblem` names every file that is none."""
    boards: dict[str, Board] = {}
    wrong = []
    for name, text in texts.items():
        try:
            board = _board(text)
        except ValueError as error:
            wrong.append(f"{name} {error}")
            continue
        if board.uid in boards:
            wrong.append(f"{name} has the uid {board.uid} of another file")
        boards[board.uid] = board
    if wrong:
        raise ImportProblem(*wrong)
    return tuple(boards.values())


def _board(text: str) -> Board:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(content, dict) or not isinstance(content.get("panels"), list):
        raise ValueError("is no dashboard: it has no list of panels")
    if content.get("__inputs"):
        raise ValueError("was exported for sharing (__inputs): its data sources would not be found")
    uid, title = content.get("uid"), content.get("title")
    if not isinstance(uid, str) or not _UID.fullmatch(uid):
        raise ValueError("has no uid of 1 to 40 letters, digits, - and _")
    if not isinstance(title, str) or not title.strip():
        raise ValueError("has no title")
    return Board(uid, plain(title), {key: value for key, value in content.items() if key not in GIVEN})
