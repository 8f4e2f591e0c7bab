"""A stand-in for Grafana: the rules that its documentation gives for folders and dashboards, in both APIs.

It is no Grafana. What it refuses is what the pages on the HTTP API say is refused, and it keeps a list of all
that was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
EVERYTHING = frozenset(
    {"folders:read", "folders:create", "dashboards:read", "dashboards:create", "dashboards:write"}
)
UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
NAMESPACE = "default"


class Refused(Exception):
    def __init__(self, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code, self.body = code, {"message": message, **more}


@dataclass
class Held:
    """A dashboard that is stored; ``notes`` are its annotations in /apis."""

    content: Json
    folder: str
    id: int
    version: int = 1
    managed_by: str = ""
    notes: Json = field(default_factory=dict)


@dataclass
class Grafana:
    """What it holds, what it lets the token do, and which of the APIs it has."""

    apps: tuple[str, ...] = ("v1beta1",)
    sub_path: str = ""
    titles_are_unique: bool = True
    raises_schema_to: int = 0
    #: What its schema has against our dashboards, where it is asked to be strict.
    schema_problem: str = ""
    permissions: frozenset[str] = EVERYTHING
    folders: dict[str, Json] = field(default_factory=dict)
    boards: dict[str, Held] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    #: Statuses that the next requests are answered with, and the headers with them.
    trouble: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    #: Called between a reading and the writing that follows.
    before_write: Any = None
    url: str = ""

    def add_folder(self, uid: str, title: str, parent: str = "") -> None:
        self.folders[uid] = {"uid": uid, "title": title, "parentUid": parent}

    def add_board(self, content: Json, folder: str, managed_by: str = "") -> Held:
        held = Held(dict(content), folder, len(self.boards) + 1, managed_by=managed_by)
        self.boards[content["uid"]] = held
        return held

    def may(self, permission: str) -> None:
        if permission not in self.permissions:
            raise Refused(403, f"You'll need additional permissions to perform this action: {permission}")

    # Rules that both APIs share

    def new_folder(self, uid: str, title: str) -> None:
        self.may("folders:create")
        if not title or not UID.fullmatch(uid):
            raise Refused(400, "folder title cannot be empty, uid is at most 40 characters")
        taken = [f for f in self.folders.values() if f["title"] == title and self.titles_are_unique]
        if uid in self.folders or taken:
            raise Refused(409, "a folder with the same name already exists")
        self.add_folder(uid, title)
        self.writes.append(f"folder {uid}")

    def store(self, uid: str, content: Json, folder: str, seen: object) -> Held:
        """``seen``: the version that the writer read; None for a new dashboard."""
        if self.before_write:
            self.before_write()
        held = self.boards.get(uid)
        self.may("dashboards:write" if held else "dashboards:create")
        if not content.get("title") or not UID.fullmatch(uid):
            raise Refused(400, "Dashboard title cannot be empty, uid is at most 40 characters")
        if folder and folder not in self.folders:
            raise Refused(404, "folder not found")
        if held and held.managed_by:
            raise Refused(400, "Cannot save provisioned dashboard")
        if held and held.version != seen:
            raise Refused(412, "The dashboard has been changed by someone else", status="version-mismatch")
        if self.titles_are_unique and any(
            other != uid and has.folder == folder and has.content["title"] == content["title"]
            for other, has in self.boards.items()
        ):
            raise Refused(
                412, "A dashboard with the same name in the folder already exists", status="name-exists"
            )
        kept = {key: value for key, value in content.items() if key not in ("id", "uid", "version")}
        if self.raises_schema_to:
            kept["schemaVersion"] = max(self.raises_schema_to, kept.get("schemaVersion", 0))
        held = held or Held({}, folder, len(self.boards) + 1, version=0)
        held.content, held.folder, held.version = {**kept, "uid": uid}, folder, held.version + 1
        self.boards[uid] = held
        self.writes.append(f"dashboard {uid}")
        return held

    # /api

    def classic(self, method: str, path: str, query: dict[str, list[str]], body: Json) -> tuple[int, Any]:
        match method, path.split("/"):
            case "GET", ["folders"]:
                self.may("folders:read")
                found = [f for f in self.folders.values() if not f["parentUid"]]
                limit, page = int(query.get("limit", ["1000"])[0]), int(query.get("page", ["1"])[0])
                return 200, found[limit * (page - 1) : limit * page]
            case "GET", ["folders", uid]:
                self.may("folders:read")
                if uid not in self.folders:
                    raise Refused(404, "folder not found")
                return 200, self.folders[uid]
            case "POST", ["folders"]:
                self.new_folder(body.get("uid", ""), body.get("title", ""))
                return 200, self.folders[body["uid"]]
            case "GET", ["dashboards", "uid", uid]:
                self.may("dashboards:read")
                if uid not in self.boards:
                    raise Refused(404, "Dashboard not found")
                has = self.boards[uid]
                return 200, {
                    "dashboard": {**has.content, "id": has.id, "version": has.version},
                    "meta": {"folderUid": has.folder, "provisioned": bool(has.managed_by)},
                }
            case "POST", ["dashboards", "db"]:
                assert body.get("overwrite") is False, "overwrite replaces what has the same title"
                dashboard = body["dashboard"]
                uid, known = dashboard.get("uid") or "made-up", dashboard.get("id")
                held = self.boards.get(uid)
                if known is not None and (held is None or held.id != known):
                    raise Refused(404, "Dashboard not found")
                stored = self.store(uid, dashboard, body.get("folderUid", ""), dashboard.get("version"))
                return 200, {"id": stored.id, "uid": uid, "status": "success", "version": stored.version}
        raise Refused(404, "Not found")

    # /apis

    def resources(self, method: str, path: str, query: dict[str, list[str]], body: Json) -> tuple[int, Any]:
        group, *rest = path.split("/")
        if group not in ("dashboard.grafana.app", "folder.grafana.app") or not self.apps:
            raise Refused(404, "the server could not find the requested resource")
        if not rest:
            versions = [{"groupVersion": f"{group}/{v}", "version": v} for v in self.apps]
            return 200, {"kind": "APIGroup", "name": group, "versions": versions}
        version, _, namespace, kind, *name = rest
        if version not in self.apps:
            raise Refused(404, "the server could not find the requested resource")
        if namespace != NAMESPACE:
            raise Refused(403, "invalid namespace")
        metadata = body.get("metadata", {})
        if method in ("POST", "PUT"):
            expected = (f"{group}/{version}", "Folder" if kind == "folders" else "Dashboard")
            if (body.get("apiVersion"), body.get("kind")) != expected:
                raise Refused(400, f"the object is no {expected}")
            if metadata.get("namespace", NAMESPACE) != NAMESPACE or "uid" in body["spec"]:
                raise Refused(400, "the namespace of the object does not match, or its spec has a uid")
            if method == "PUT" and [metadata.get("name")] != name:
                raise Refused(400, "the name of the object does not match that of the address")
        if kind == "folders":
            return self._folder_resources(method, name, query, body)
        if method != "GET" and self.schema_problem and query.get("fieldValidation") != ["Ignore"]:
            raise Refused(422, self.schema_problem)
        return self._board_resources(method, name, body, metadata)

    def _folder_resources(
        self, method: str, name: list[str], query: dict[str, list[str]], body: Json
    ) -> tuple[int, Any]:
        if method == "POST":
            self.new_folder(body["metadata"]["name"], body["spec"]["title"])
            return 201, body
        self.may("folders:read")
        items = [
            {
                "metadata": {"name": f["uid"], "annotations": {"grafana.app/folder": f["parentUid"]}},
                "spec": {"title": f["title"]},
            }
            for f in self.folders.values()
            if not name or f["uid"] == name[0]
        ]
        if name:
            if not items:
                raise Refused(404, "folders.folder.grafana.app not found")
            return 200, items[0]
        start, limit = int(query.get("continue", ["0"])[0]), int(query.get("limit", ["50"])[0])
        more = str(start + limit) if start + limit < len(items) else ""
        return 200, {"metadata": {"continue": more}, "items": items[start : start + limit]}

    def _board_resources(self, method: str, name: list[str], body: Json, metadata: Json) -> tuple[int, Any]:
        if method == "GET":
            self.may("dashboards:read")
            if name[0] not in self.boards:
                raise Refused(404, "dashboards.dashboard.grafana.app not found")
            return 200, self._resource(name[0])
        notes = metadata.get("annotations", {})
        uid, held = metadata["name"], self.boards.get(metadata["name"])
        if method == "POST" and held:
            raise Refused(409, "the dashboard already exists")
        if method == "PUT" and held is None:
            raise Refused(404, "dashboards.dashboard.grafana.app not found")
        seen = metadata.get("resourceVersion")
        try:
            held = self.store(
                uid, body["spec"], notes.get("grafana.app/folder", ""), int(seen) if seen else None
            )
        except Refused as refused:
            conflict = refused.body.get("status") == "version-mismatch"
            raise Refused(409, "the object has been modified") if conflict else refused from None
        held.notes = notes
        return 201 if method == "POST" else 200, self._resource(uid)

    def _resource(self, uid: str) -> Json:
        held = self.boards[uid]
        notes = {**held.notes, "grafana.app/folder": held.folder}
        if held.managed_by:
            notes["grafana.app/managedBy"] = held.managed_by
        spec = {key: value for key, value in held.content.items() if key != "uid"}
        return {
            "metadata": {
                "name": uid,
                "resourceVersion": str(held.version),
                "labels": {"grafana.app/deprecatedInternalID": str(held.id)},
                "annotations": notes,
            },
            "spec": spec,
        }
