"""What both of Grafana's APIs can do for an import, and what they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from seawall.dashboards.importing.boards import Board

MESSAGE = "seawall dashboards import"
#: Permissions, as Grafana names them, with the scope that has to be covered.
READ_FOLDERS = "folders:read on the folder"
CREATE_FOLDER = "folders:create"
READ = "dashboards:read on {uid}"
CREATE = "dashboards:create in the folder {folder}"
WRITE = "dashboards:write on {uid}"


@dataclass(frozen=True, slots=True)
class Folder:
    uid: str
    title: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A dashboard as Grafana has it. ``managed_by`` is "" where people may change it over the API."""

    content: Mapping[str, Any]
    folder: str
    managed_by: str
    #: What the API needs to know it again.
    mark: Mapping[str, Any]


class Api(Protocol):
    """Every method raises `ImportProblem` where Grafana does not do it."""

    name: str

    def folders(self) -> list[Folder]:
        """Those at the top level."""
        ...

    def folder(self, uid: str) -> Folder | None: ...

    def create_folder(self, folder: Folder) -> None: ...

    def read(self, uid: str) -> Stored | None: ...

    def create(self, board: Board, folder: Folder) -> None: ...

    def update(self, board: Board, folder: Folder, stored: Stored) -> None:
        """Refused by Grafana if somebody changed it since it was read."""
        ...

    def close(self) -> None: ...
