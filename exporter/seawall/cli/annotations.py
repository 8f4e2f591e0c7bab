"""Notifications as annotations in Grafana: one for each alert, from its start to its end, once that is told.

Grafana itself is asked what is there already: a notification that comes again, from another Alertmanager or
after a start of this program, makes no second one.
"""

from __future__ import annotations

import hashlib
import html
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seawall.cli.problem import CliError

if TYPE_CHECKING:
    from seawall.dashboards.importing.connection import Connection

EXTRA = ("grafanalib", "httpx", "yaml")
PATH = "/api/annotations"
MINE = "seawall"
#: Characters of a tag's name, and of its value, that Grafana keeps.
LONGEST = 100
#: Seconds at most until a busy Grafana is asked again: Alertmanager waits meanwhile.
PATIENCE = 2.0


class NotAnnotated(Exception):
    """Grafana did not take it; the text says why in one line."""


class Annotations:
    """Posts to one Grafana; ``where`` is its root."""

    def __init__(self, connection: Connection, where: str) -> None:
        self.where = where
        self.close = connection.close
        self._connection = connection
        self._one_at_a_time = threading.Lock()

    def add(self, notification: Mapping[str, Any]) -> None:
        """All alerts of a notification, or `NotAnnotated`."""
        from seawall.dashboards.importing import ImportProblem

        try:
            with self._one_at_a_time:
                for alert in notification["alerts"]:
                    self._one(alert)
        except ImportProblem as problem:
            raise NotAnnotated("; ".join(problem.problems)) from None

    def _one(self, alert: Mapping[str, Any]) -> None:
        started = milliseconds(alert.get("startsAt"))
        if started is None:
            # Nothing to draw it at; it is kept in the file all the same.
            return
        ended = milliseconds(alert.get("endsAt")) if alert.get("status") == "resolved" else None
        tags = list(_tags(alert))
        known = self._known(started, tags[-1])
        if known is None:
            body = {"time": started, "tags": tags, "text": _text(alert)}
            if ended is not None:
                body["timeEnd"] = ended
            self._connection.ask("POST", PATH, needs="annotations:create", body=body)
        elif ended is not None and known.get("timeEnd") != ended:
            path = f"{PATH}/{int(known['id'])}"
            self._connection.ask("PATCH", path, needs="annotations:write", body={"timeEnd": ended})

    def _known(self, started: int, mark: str) -> Mapping[str, Any] | None:
        params = {"from": str(started), "to": str(started), "tags": mark, "limit": "100"}
        found = self._connection.ask("GET", PATH, needs="annotations:read", params=params).body
        each = found if isinstance(found, list) else []
        return next((one for one in each if isinstance(one, dict) and one.get("time") == started), None)


def connect(url: str, token_file: Path, ca_file: Path | None) -> Annotations:
    """`CliError` names what is wrong with the address or the files."""
    try:
        from seawall.dashboards.importing import ImportProblem, Target, read_token
        from seawall.dashboards.importing.connection import Connection
    except ModuleNotFoundError as error:
        if error.name in EXTRA:
            raise CliError(
                f"annotations need {error.name}, which is not installed: pip install 'seawall[generate]'"
            ) from None
        raise
    try:
        target = Target(url=url, token=read_token(token_file), ca_file=ca_file, timeout=5.0)
        connection = Connection(target, wait=lambda seconds: time.sleep(min(seconds, PATIENCE)))
    except ImportProblem as error:
        raise CliError.listing("can't annotate", error.problems) from None
    return Annotations(connection, target.root)


def milliseconds(text: object) -> int | None:
    """A time of Alertmanager's; ``None`` for none, or the zero that it writes for "not yet"."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000) if found.year > 1 else None


def _tags(alert: Mapping[str, Any]) -> Iterator[str]:
    """The last one tells this alert from all others."""
    labels = alert["labels"]
    yield MINE
    for name in ("alertname", "severity", "job", "dependency"):
        if labels.get(name):
            yield f"{name}:{str(labels[name])[:LONGEST]}"
    own = repr(sorted((str(name), str(value)) for name, value in labels.items()))
    mark = alert.get("fingerprint") or hashlib.sha256(own.encode()).hexdigest()[:16]
    yield f"fingerprint:{str(mark)[:LONGEST]}"


def _text(alert: Mapping[str, Any]) -> str:
    """Grafana shows it as HTML."""
    notes = alert.get("annotations") or {}
    text = notes.get("description") or notes.get("summary") or alert["labels"].get("alertname") or "alert"
    return html.escape(str(text))
