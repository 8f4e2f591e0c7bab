"""What an import would do, decided from what Grafana has before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from seawall.dashboards.importing.api import Api, Folder, Stored
from seawall.dashboards.importing.boards import GIVEN, Board
from seawall.dashboards.importing.problems import ImportProblem, plain
from seawall.dashboards.importing.target import Target

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, or would: ``what`` is ``created``, ``updated`` or ``unchanged``."""

    what: str
    uid: str
    title: str


@dataclass(frozen=True, slots=True)
class Plan:
    folder: Folder
    folder_is_new: bool
    steps: tuple[tuple[str, Board, Stored | None], ...]

    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(Outcome(what, board.uid, board.title) for what, board, _ in self.steps)


def plan(api: Api, boards: Iterable[Board], target: Target) -> Plan:
    """Reads only. `ImportProblem` names every dashboard that is in the way."""
    folder, is_new = _folder(api, target)
    steps, wrong = [], []
    for board in boards:
        stored = api.read(board.uid)
        if stored is not None and (problem := _in_the_way(api, board, folder, stored)):
            wrong.append(problem)
            continue
        what = CREATED if stored is None else UNCHANGED if holds(stored.content, board.content) else UPDATED
        steps.append((what, board, stored))
    if wrong:
        raise ImportProblem(*wrong)
    return Plan(folder, is_new, tuple(steps))


def carry_out(api: Api, made: Plan) -> Iterator[Outcome]:
    """One by one; each outcome comes when it is so."""
    if made.folder_is_new and made.steps:
        api.create_folder(made.folder)
    for (what, board, stored), outcome in zip(made.steps, made.outcomes(), strict=True):
        if stored is None:
            api.create(board, made.folder)
        elif what == UPDATED:
            api.update(board, made.folder, stored)
        yield outcome


def folder_uid(title: str) -> str:
    """The uid of a folder that is made here: the same for the same title."""
    return f"seawall-{hashlib.sha256(title.encode()).hexdigest()[:12]}"


def holds(stored: object, wanted: object, top: bool = True) -> bool:
    """Whether Grafana has all that is wanted; it may have added what it likes, and raised the schema."""
    if isinstance(wanted, Mapping):
        if not isinstance(stored, Mapping):
            return False
        return all(
            _newer(stored.get(key), value)
            if top and key == "schemaVersion"
            else (top and key in GIVEN) or holds(stored.get(key), value, top=False)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(stored, list) or len(stored) != len(wanted):
            return False
        return all(holds(has, value, top=False) for has, value in zip(stored, wanted, strict=True))
    return isinstance(stored, bool) == isinstance(wanted, bool) and stored == wanted


def _newer(stored: object, wanted: object) -> bool:
    return isinstance(stored, int) and isinstance(wanted, int) and stored >= wanted


def _folder(api: Api, target: Target) -> tuple[Folder, bool]:
    if target.folder_uid:
        named = api.folder(target.folder_uid)
        if named is None:
            raise ImportProblem(f"there is no folder of uid {target.folder_uid}")
        return named, False
    own = folder_uid(target.folder)
    there = [folder for folder in api.folders() if folder.title == target.folder]
    if len(there) > 1 and own in [folder.uid for folder in there]:
        there = [folder for folder in there if folder.uid == own]
    if len(there) > 1:
        uids = ", ".join(sorted(plain(folder.uid) for folder in there))
        raise ImportProblem(
            f"{len(there)} folders are called {plain(target.folder)}; name one by uid: {uids}"
        )
    return (there[0], False) if there else (Folder(own, target.folder), True)


def _in_the_way(api: Api, board: Board, folder: Folder, stored: Stored) -> str:
    if stored.managed_by:
        return f"{board.uid} is managed by {plain(stored.managed_by)}: Grafana takes no other changes of it"
    if stored.folder != folder.uid:
        other = api.folder(stored.folder) if stored.folder else None
        where = f"the folder {plain(other.title)}" if other else "no folder"
        return f"{board.uid} is in {where}, not in {plain(folder.title)}; move it, or name its folder"
    return ""
