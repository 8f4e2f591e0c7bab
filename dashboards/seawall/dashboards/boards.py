"""The set: which boards there are, and how options reach into each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from seawall.dashboards import degradation, dependency, effectiveness, exporter, fleet, overview, retries
from seawall.dashboards.facts import Facts
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Board, Panel, Row
from seawall.dashboards.problems import OptionsError

#: One function per board, by its name; None where the policies give it nothing to show. A new board is a
#: module with ``board(facts, options)``, named here.
BOARDS: dict[str, Callable[[Facts, Options], Board | None]] = {
    overview.NAME: overview.board,
    dependency.NAME: dependency.board,
    retries.NAME: retries.board,
    degradation.NAME: degradation.board,
    effectiveness.NAME: effectiveness.board,
    fleet.NAME: fleet.board,
    exporter.NAME: exporter.board,
}


def every(facts: Facts, options: Options) -> tuple[Board, ...]:
    """All boards as the options want them; `OptionsError` where they name what is not there."""
    made = [board for make in BOARDS.values() if (board := make(facts, options)) is not None]
    known = {f"{board.name}.{panel.key}" for board in made for row in board.rows for panel in row.panels}
    absent = set(BOARDS) - {board.name for board in made}
    unknown = sorted(key for key in options.drop - known if key.partition(".")[0] not in absent)
    problems = [f"drop names no panel: {key}; there are {', '.join(sorted(known))}" for key in unknown]
    problems += [f"extra names no board: {name}" for name in sorted(set(options.extra) - set(BOARDS))]
    if problems:
        raise OptionsError(tuple(problems))
    return tuple(_chosen(board, options) for board in made)


def _chosen(board: Board, options: Options) -> Board:
    rows = [_row(board.name, row, options) for row in (*board.rows, *options.extra.get(board.name, ()))]
    kept = tuple(row for row in rows if row.panels)
    keys = [panel.key for row in kept for panel in row.panels]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise OptionsError(tuple(f"two panels of {board.name} have the key {key}" for key in twice))
    return replace(board, rows=kept)


def _row(board: str, row: Row, options: Options) -> Row:
    panels = [panel for panel in row.panels if f"{board}.{panel.key}" not in options.drop]
    return replace(row, panels=tuple(_changed(board, panel, options) for panel in panels))


def _changed(board: str, panel: Panel, options: Options) -> Panel:
    if options.change is None:
        return panel
    try:
        changed: object = options.change(board, panel)
    except Exception as error:
        why = f"change of {board}.{panel.key} failed: {type(error).__name__}: {error}"
        raise OptionsError((why,)) from error
    if not isinstance(changed, Panel):
        raise OptionsError((f"change of {board}.{panel.key} gave {changed!r}; allowed: a Panel",))
    return changed
