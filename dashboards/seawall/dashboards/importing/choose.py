"""Which API a Grafana is asked through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seawall.dashboards.importing.api import Api
from seawall.dashboards.importing.apps import DASHBOARDS, FOLDERS, VERSIONS, Apps, served
from seawall.dashboards.importing.classic import Classic
from seawall.dashboards.importing.connection import Connection
from seawall.dashboards.importing.problems import ImportProblem
from seawall.dashboards.importing.target import Target


@contextmanager
def connect(target: Target, wait: Callable[[float], None] = time.sleep) -> Iterator[Api]:
    """The API that the target names; ``auto`` takes that of ``/apis`` where it serves all that is needed."""
    connection = Connection(target, wait)
    try:
        yield _api(connection, target)
    finally:
        connection.close()


def _api(connection: Connection, target: Target) -> Api:
    if target.api == "classic":
        return Classic(connection)
    versions = served(connection)
    missing = [group for group in (DASHBOARDS, FOLDERS) if group not in versions]
    if not missing:
        return Apps(connection, versions, target.namespace)
    if target.api == "auto":
        return Classic(connection)
    raise ImportProblem(
        f"{target.root} does not serve {', '.join(missing)} in {' or '.join(VERSIONS)}: a Grafana before 12,"
        " or not its root; allowed: --api classic"
    )
