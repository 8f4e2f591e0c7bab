"""The live view: what the service goes through, while it does. Plain lines where there is no terminal."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reference.demo.scenario import SCENARIO, Phase
from reference.demo.watch import Notification, Watch

STATE_STYLES = {"closed": "green", "half_open": "yellow", "open": "bold red", "": "dim"}
SHOWN = 6


class View:
    """Shows a watch. `show` is cheap enough to be called several times a second."""

    def __init__(self, console: Console, watch: Watch, began: float) -> None:
        self._console = console
        self._watch = watch
        self._began = began
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._told = 0, 0

    def __enter__(self) -> View:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def phase(self, phase: Phase) -> None:
        """A new phase begins."""
        if self._live is None:
            self._line(f"== {phase.name}: {phase.story}")

    def show(self, phase: Phase, left: float) -> None:
        """Show how things are, `left` seconds before the phase ends."""
        if self._live is not None:
            self._live.update(self._picture(phase, left), refresh=True)
            return
        transitions, news = list(self._watch.transitions), self._watch.news()
        for line in transitions[self._told[0] :]:
            self._line(_transition(line).plain)
        for one in news[self._told[1] :]:
            self._line(f"notified: {_words(one)}")
        self._told = len(transitions), len(news)

    def _line(self, text: str) -> None:
        self._console.print(f"{time.time() - self._began:6.1f} s  {text}", highlight=False, soft_wrap=True)

    def _picture(self, phase: Phase, left: float) -> Group:
        return Group(
            _bar(phase, left),
            self._guards(),
            self._rates(),
            Panel(self._transitions(), title="last transitions", title_align="left"),
            Panel(self._alerts(), title="alerts, as notified", title_align="left"),
        )

    def _guards(self) -> Table:
        table = _table("guard", "criticality", "breaker", "failures", "calls in window", "in flight")
        for guard in self._watch.guards:
            state = str(guard["state"])
            table.add_row(
                guard["name"],
                guard.get("criticality", ""),
                Text(state.replace("_", " ") or "none", STATE_STYLES.get(state, "magenta")),
                f"{guard['failure_ratio']:.0%}",
                str(guard["window_calls"]),
                str(guard["in_flight"] if guard["in_flight"] is not None else ""),
            )
        return table

    def _rates(self) -> Table:
        table = _table("requests, last 5 s", "a second", "degraded or kept", "failed", "slowest")
        for rate in self._watch.rates(time.time()):
            table.add_row(
                rate.kind,
                f"{rate.per_second:.1f}",
                Text(f"{rate.degraded:.0%}", "yellow" if rate.degraded else "dim"),
                Text(f"{rate.failed:.0%}", "red" if rate.failed else "dim"),
                f"{rate.worst * 1000:.0f} ms",
            )
        return table

    def _transitions(self) -> Text:
        return Text("\n").join(_transition(line) for line in list(self._watch.transitions)[-SHOWN:]) or Text(
            "none yet", "dim"
        )

    def _alerts(self) -> Text:
        return Text("\n").join(
            Text(f"{_clock(one.received)}  {_words(one)}", "red" if one.status == "firing" else "green")
            for one in self._watch.news()[-SHOWN:]
        ) or Text("none yet", "dim")


def _bar(phase: Phase, left: float) -> Text:
    line = Text()
    for one in SCENARIO:
        line.append(f" {one.name} ", "reverse bold" if one.name == phase.name else "dim")
        line.append(" ")
    line.append(f" {left:4.0f} s\n")
    line.append(f" {phase.story}")
    return line


def _transition(line: dict[str, Any]) -> Text:
    state = str(line.get("to_state"))
    text = Text(
        f"{_local(str(line.get('timestamp', '')))}  {line.get('dependency')}: {line.get('from_state')} -> "
    )
    text.append(state, STATE_STYLES.get(state, "magenta"))
    return text.append(f"  {line.get('reason', '')} {line.get('errors') or ''}", "dim")


def _words(one: Notification) -> str:
    severity = one.labels.get("severity", "")
    about = f" {one.dependency}" if one.dependency else ""
    return f"{one.status} {severity} {one.name}{about}: {one.annotations.get('summary', '')}"


def _clock(when: float) -> str:
    return datetime.fromtimestamp(when).astimezone().strftime("%H:%M:%S")


def _local(timestamp: str) -> str:
    try:
        return _clock(datetime.fromisoformat(timestamp).timestamp())
    except ValueError:
        return timestamp


def _table(*columns: str) -> Table:
    table = Table(expand=True, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table
