"""The API of ``/apis``, which Grafana has since 12: resources with a name and a version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seawall.dashboards.importing.api import (
    CREATE,
    CREATE_FOLDER,
    MESSAGE,
    READ,
    READ_FOLDERS,
    WRITE,
    Folder,
    Stored,
)
from seawall.dashboards.importing.boards import Board
from seawall.dashboards.importing.connection import Answer, Connection
from seawall.dashboards.importing.problems import ImportProblem

DASHBOARDS = "dashboard.grafana.app"
FOLDERS = "folder.grafana.app"
#: The same content in both; the first that is served is used.
VERSIONS = ("v1", "v1beta1")
IN_FOLDER = "grafana.app/folder"
NOTE = "grafana.app/message"
MANAGED_BY = "grafana.app/managedBy"
#: Strict, which is what it is without this, refuses what a Grafana older or newer than the schema has not.
LENIENT = {"fieldValidation": "Ignore"}
PAGE = 500
PAGES = 100


class Apps:
    """``versions`` has the version to use of each group."""

    name = "apps"

    def __init__(self, connection: Connection, versions: Mapping[str, str], namespace: str) -> None:
        self._ask = connection.ask
        self.close = connection.close
        self._versions = versions
        self._namespace = namespace

    def folders(self) -> list[Folder]:
        found: list[Folder] = []
        asked = {"limit": str(PAGE)}
        for _ in range(PAGES):
            answer = self._ask("GET", self._path(FOLDERS), needs=READ_FOLDERS, params=asked)
            items = answer.found("items")
            for item in items if isinstance(items, list) else []:
                one = Answer(200, item)
                if not one.found("metadata", "annotations", IN_FOLDER):
                    found.append(Folder(str(one.found("metadata", "name")), str(one.found("spec", "title"))))
            more = answer.found("metadata", "continue")
            if not more:
                break
            asked["continue"] = str(more)
        return found

    def folder(self, uid: str) -> Folder | None:
        answer = self._ask("GET", self._path(FOLDERS, uid), needs=READ_FOLDERS, expect=(404,))
        return None if answer.status == 404 else Folder(uid, str(answer.found("spec", "title")))

    def create_folder(self, folder: Folder) -> None:
        body = self._resource(FOLDERS, "Folder", {"name": folder.uid}, {"title": folder.title})
        answer = self._ask("POST", self._path(FOLDERS), needs=CREATE_FOLDER, expect=(409,), body=body)
        if answer.status == 409:
            raise ImportProblem(
                f"a folder {folder.title} exists (HTTP 409), but the token can't see it:"
                f" it needs {READ_FOLDERS}"
            )

    def read(self, uid: str) -> Stored | None:
        path = self._path(DASHBOARDS, uid)
        answer = self._ask("GET", path, needs=READ.format(uid=uid), expect=(404,))
        if answer.status == 404:
            return None
        content, metadata = answer.found("spec"), answer.found("metadata")
        if not isinstance(content, dict) or not isinstance(metadata, dict):
            raise ImportProblem(f"GET {path} gave no dashboard; is this a Grafana?")
        annotations = metadata.get("annotations") or {}
        return Stored(
            content, str(annotations.get(IN_FOLDER) or ""), str(annotations.get(MANAGED_BY) or ""), metadata
        )

    def create(self, board: Board, folder: Folder) -> None:
        metadata = {"name": board.uid, "annotations": {IN_FOLDER: folder.uid, NOTE: MESSAGE}}
        body = self._resource(DASHBOARDS, "Dashboard", metadata, board.content)
        needs = CREATE.format(folder=folder.title)
        self._stored("POST", self._path(DASHBOARDS), board, needs, body)

    def update(self, board: Board, folder: Folder, stored: Stored) -> None:
        kept = {key: stored.mark[key] for key in ("resourceVersion", "labels") if stored.mark.get(key)}
        notes = {**(stored.mark.get("annotations") or {}), IN_FOLDER: folder.uid, NOTE: MESSAGE}
        metadata = {"name": board.uid, **kept, "annotations": notes}
        body = self._resource(DASHBOARDS, "Dashboard", metadata, board.content)
        self._stored("PUT", self._path(DASHBOARDS, board.uid), board, WRITE.format(uid=board.uid), body)

    def _stored(self, method: str, path: str, board: Board, needs: str, body: dict[str, Any]) -> None:
        codes = (400, 404, 409, 412, 422)
        answer = self._ask(method, path, needs=needs, expect=codes, body=body, params=LENIENT)
        if method == "PUT" and answer.status in (409, 412):
            raise ImportProblem(
                f"{board.uid} was changed by somebody else just now (HTTP {answer.status}); import again"
            )
        if answer.status in codes:
            said = f": {answer.message}" if answer.message else ""
            raise ImportProblem(f"{board.uid} was refused (HTTP {answer.status}){said}")

    def _path(self, group: str, name: str = "") -> str:
        kind = "folders" if group == FOLDERS else "dashboards"
        path = f"/apis/{group}/{self._versions[group]}/namespaces/{self._namespace}/{kind}"
        return f"{path}/{name}" if name else path

    def _resource(
        self, group: str, kind: str, metadata: Mapping[str, Any], spec: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "apiVersion": f"{group}/{self._versions[group]}",
            "kind": kind,
            "metadata": {**metadata, "namespace": self._namespace},
            "spec": spec,
        }


def served(connection: Connection) -> dict[str, str]:
    """The version to use of each group; a group that is not served in one of ours is missing."""
    found = {}
    for group in (DASHBOARDS, FOLDERS):
        listed = Answer(200, connection.probe(f"/apis/{group}")).found("versions")
        names = [v.get("version") for v in listed if isinstance(v, dict)] if isinstance(listed, list) else []
        for version in VERSIONS:
            if version in names:
                found[group] = version
                break
    return found
