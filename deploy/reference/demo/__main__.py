"""`python -m reference.demo`: an outage of a service's dependencies, watched.

Exit codes: 0 all promises kept, 1 one was broken or something failed to start, 2 the command or a port was
wrong, 130 stopped by Ctrl-C (143 by SIGTERM).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from reference.demo.listing import listing
from reference.demo.play import gather, play
from reference.demo.ports import Ports, PortsTaken
from reference.demo.processes import StartFailed
from reference.demo.scenario import SCENARIO
from reference.demo.stand import Folders, Stand
from reference.demo.summary import check, show_figures, show_promises
from reference.demo.view import View
from reference.demo.watch import open_watch

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked the demo to stop; `code` is its exit code."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line. Exits with 2 and one message when it is wrong."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__ and __doc__.splitlines()[0])
    parser.add_argument("--stay", action="store_true", help="keep everything running until Ctrl-C")
    parser.add_argument("--port-base", type=int, metavar="N", help="use the ports from N on")
    parser.add_argument("--out", type=Path, metavar="DIR", help="make the run's folder in here")
    parser.add_argument("--panels", type=Path, metavar="FILE", help="list there what every query returned")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    wanted = arguments(words)
    try:
        ports = Ports() if wanted.port_base is None else Ports.from_base(wanted.port_base)
        ports.check()
        folders = Folders(_run_folder(wanted.out))
    except (ValueError, PortsTaken) as problem:
        return _wrong(str(problem))
    except OSError as problem:
        return _wrong(f"can't write to {problem.filename}: {problem.strerror}")
    stand = Stand(ports, folders)
    # Where nobody looks on, a log should not be cut to 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 132)
    try:
        return asyncio.run(_until_stopped(_run(stand, console, wanted)))
    except Stopped as stopped:
        console.print("stopped; ending what was started")
        return stopped.code
    except StartFailed as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    finally:
        # It is ending already: a signal may hurry it, but not end it before the others.
        for number in SIGNALS[1:]:
            signal.signal(number, signal.SIG_IGN)
        stand.end()


async def _until_stopped(run: Coroutine[Any, Any, int]) -> int:
    """Run; the first signal cancels it. Raises Stopped when the run does not end by itself then."""
    task = asyncio.ensure_future(run)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        raise Stopped(received[0]) from None


def _wrong(problem: str) -> int:
    print(f"demo: {problem}", file=sys.stderr)
    return 2


def _run_folder(out: Path | None) -> Path:
    """A new folder for a run; below `out` when that is given. Raises OSError when it can't be made."""
    if out is None:
        return Path(tempfile.mkdtemp(prefix="seawall-demo-"))
    folder = out.resolve() / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    return folder


async def _run(stand: Stand, console: Console, wanted: argparse.Namespace) -> int:
    began = time.time()
    console.print(f"this run keeps everything in {stand.folders.run}", soft_wrap=True, highlight=False)
    await stand.start()
    console.print(f"cache: {stand.cache_name}", highlight=False)
    for note in stand.notes:
        console.print(note, style="yellow", soft_wrap=True, highlight=False)
    watch = open_watch(
        f"http://127.0.0.1:{stand.ports.exporter}",
        load=stand.folders.load,
        webhook=stand.folders.notifications,
        logs=stand.folders.service_log,
        spans=stand.folders.spans,
    )
    with View(console, watch, began) as view:
        story = await play(stand, watch, view, SCENARIO)
    console.print("the scenario is over; reading back what happened")
    evidence = await gather(stand, watch, story)
    promises = await check(evidence)
    await show_figures(console, evidence)
    show_promises(console, promises)
    await watch.close()
    if stand.prometheus is not None:
        if wanted.panels is not None:
            text = listing(evidence, await stand.prometheus.version())
            await asyncio.to_thread(wanted.panels.write_text, text, encoding="utf-8")
        await stand.prometheus.close()
    if wanted.stay:
        with contextlib.suppress(asyncio.CancelledError):
            await _stay(stand, console)
    return 1 if any(promise.kept is False for promise in promises) else 0


async def _stay(stand: Stand, console: Console) -> None:
    stand.start_load()
    console.print("everything stays up until Ctrl-C:")
    for name, address in stand.addresses().items():
        console.print(f"  {name:13} {address}", highlight=False)
    while True:
        stand.processes.check()
        await asyncio.sleep(1.0)


if __name__ == "__main__":
    raise SystemExit(main())
