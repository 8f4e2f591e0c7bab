"""The classic HTTP API: ``/api/folders`` and ``/api/dashboards``."""

from __future__ import annotations

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
from seawall.dashboards.importing.problems import ImportProblem, plain

PAGE = 1000
PAGES = 50


class Classic:
    """`overwrite` is never asked for: it would replace a dashboard of the same title, whosever it is."""

    name = "classic"

    def __init__(self, connection: Connection) -> None:
        self._ask = connection.ask
        self.close = connection.close

    def folders(self) -> list[Folder]:
        found: list[Folder] = []
        for page in range(1, PAGES + 1):
            asked = {"limit": str(PAGE), "page": str(page)}
            body = self._ask("GET", "/api/folders", needs=READ_FOLDERS, params=asked).body
            if not isinstance(body, list):
                raise ImportProblem("GET /api/folders gave no list; is this a Grafana?")
            found += [Folder(str(f.get("uid")), str(f.get("title"))) for f in body if isinstance(f, dict)]
            if len(body) < PAGE:
                break
        return found

    def folder(self, uid: str) -> Folder | None:
        answer = self._ask("GET", f"/api/folders/{uid}", needs=READ_FOLDERS, expect=(404,))
        return None if answer.status == 404 else Folder(uid, str(answer.found("title")))

    def create_folder(self, folder: Folder) -> None:
        body = {"uid": folder.uid, "title": folder.title}
        answer = self._ask("POST", "/api/folders", needs=CREATE_FOLDER, expect=(409, 412), body=body)
        if answer.status in (409, 412):
            raise ImportProblem(
                f"a folder {folder.title} exists (HTTP {answer.status}), but the token can't see it:"
                f" it needs {READ_FOLDERS}"
            )

    def read(self, uid: str) -> Stored | None:
        path = f"/api/dashboards/uid/{uid}"
        answer = self._ask("GET", path, needs=READ.format(uid=uid), expect=(404,))
        if answer.status == 404:
            return None
        content, meta = answer.found("dashboard"), answer.found("meta")
        if not isinstance(content, dict) or not isinstance(meta, dict):
            raise ImportProblem(f"GET {path} gave no dashboard; is this a Grafana?")
        managed = "file provisioning" if meta.get("provisioned") else ""
        mark = {"id": content.get("id"), "version": content.get("version", 0)}
        return Stored(content, str(meta.get("folderUid") or ""), managed, mark)

    def create(self, board: Board, folder: Folder) -> None:
        self._store(board, folder, {"id": None}, CREATE.format(folder=folder.title))

    def update(self, board: Board, folder: Folder, stored: Stored) -> None:
        self._store(board, folder, dict(stored.mark), WRITE.format(uid=board.uid))

    def _store(self, board: Board, folder: Folder, mark: dict[str, Any], needs: str) -> None:
        body = {
            "dashboard": {**board.content, **mark, "uid": board.uid},
            "folderUid": folder.uid,
            "message": MESSAGE,
            "overwrite": False,
        }
        codes = (400, 404, 409, 412)
        answer = self._ask("POST", "/api/dashboards/db", needs=needs, expect=codes, body=body)
        if answer.status in codes:
            raise ImportProblem(_why(board, folder, answer))
        if answer.found("uid") != board.uid:
            raise ImportProblem(f"{board.uid} was stored as {plain(answer.found('uid'))}")


def _why(board: Board, folder: Folder, answer: Answer) -> str:
    match answer.status, answer.found("status"):
        case 412, "version-mismatch":
            return f"{board.uid} was changed by somebody else just now (HTTP 412); import again"
        case 412, "name-exists":
            return f"another dashboard in {folder.title} is called {board.title!r} (HTTP 412): rename it"
        case 412, "plugin-dashboard":
            return f"{board.uid} belongs to a plugin (HTTP 412)"
        case status, _:
            said = f": {answer.message}" if answer.message else ""
            return f"{board.uid} was refused (HTTP {status}){said}"
