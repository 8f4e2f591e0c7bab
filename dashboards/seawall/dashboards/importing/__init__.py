"""Brings dashboards into a Grafana over its HTTP API, the classic one or that of ``/apis``.

    from seawall.dashboards.importing import Target, carry_out, connect, plan
    with connect(Target(url="https://grafana.example", token=token)) as api:
        made = plan(api, boards, target)         # reads only
        for outcome in carry_out(api, made): ...

A dashboard of the same uid is brought up to date, any other is left as it is. `ImportProblem` says in a line
each what is in the way; nothing has been written when `plan` raises it.
"""

from __future__ import annotations

from seawall.dashboards.importing.boards import Board, parse, read_folder
from seawall.dashboards.importing.choose import connect
from seawall.dashboards.importing.plan import Outcome, Plan, carry_out, plan
from seawall.dashboards.importing.problems import ImportProblem
from seawall.dashboards.importing.target import APIS, Target, read_token

__all__ = [
    "APIS",
    "Board",
    "ImportProblem",
    "Outcome",
    "Plan",
    "Target",
    "carry_out",
    "connect",
    "parse",
    "plan",
    "read_folder",
    "read_token",
]
