"""Lines into streams that are full, closed, read by nobody, or shared with a forked child."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from seawall.telemetry.dropped import Dropped
from seawall.telemetry.lines import CAPACITY, LineWriter

LINE = "x" * 99


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, TextIO]]:
    """A pipe: its end to read from, and a stream into it."""
    read, write = os.pipe()
    stream = os.fdopen(write, "w", encoding="utf-8")
    try:
        yield read, stream
    finally:
        os.close(read)
        with contextlib.suppress(OSError):
            stream.close()


def lost(dropped: Dropped) -> dict[str, int]:
    return {reason: n for (signal, reason), n in dropped.counts().items() if signal == "logs" and n}


def read_all(read: int, size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += os.read(read, 65536)
    return got


@pytest.mark.parametrize("of_file", [True, False])
def test_lines_come_out_in_their_order(tmp_path: Path, of_file: bool) -> None:
    path, dropped = tmp_path / "lines", Dropped()
    stream: TextIO = path.open("w", encoding="utf-8") if of_file else io.StringIO()
    writer = LineWriter(stream, dropped)
    writer.msg("before")
    writer.start()
    for number in range(500):
        writer.msg(str(number))
    writer.stop(10)
    writer.msg("after")
    text = path.read_text(encoding="utf-8") if of_file else stream.getvalue()  # type: ignore[attr-defined]
    assert text.splitlines() == ["before", *map(str, range(500)), "after"]
    assert lost(dropped) == {}
    stream.close()


def test_a_line_goes_where_standard_error_is_when_it_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    writer = LineWriter(None, Dropped())
    writer.start()
    monkeypatch.setattr(sys, "stderr", first)
    writer.msg("one")
    monkeypatch.setattr(sys, "stderr", second)
    writer.msg("two")
    writer.stop(10)
    assert (first.getvalue(), second.getvalue()) == ("one\n", "two\n")


def test_without_a_stream_lines_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = Dropped()
    writer = LineWriter(None, dropped)
    monkeypatch.setattr(sys, "stderr", None)
    writer.msg("direct")
    writer.start()
    writer.msg("queued")
    writer.stop(10)
    assert lost(dropped) == {"write_failed": 2}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_reaches_nobody() -> None:
    dropped = Dropped()
    with open("/dev/full", "w", encoding="utf-8") as stream:
        writer = LineWriter(stream, dropped)
        writer.msg(LINE)
        writer.start()
        writer.msg(LINE)
        writer.stop(10)
    assert lost(dropped) == {"write_failed": 2}


def test_a_closed_stream_reaches_nobody(tmp_path: Path) -> None:
    dropped = Dropped()
    stream = (tmp_path / "lines").open("w")
    writer = LineWriter(stream, dropped)
    stream.close()
    writer.msg(LINE)
    writer.start()
    writer.msg(LINE)
    writer.stop(10)
    assert lost(dropped) == {"write_failed": 2}


def test_a_pipe_that_nobody_reads_holds_up_nobody() -> None:
    dropped = Dropped()
    with pipe() as (read, stream):
        writer = LineWriter(stream, dropped)
        writer.start()
        count = CAPACITY + 2000  # a pipe holds 64 KiB, some 650 lines
        slowest = 0.0
        for _ in range(count):
            began = time.perf_counter()
            writer.msg(LINE)
            slowest = max(slowest, time.perf_counter() - began)
        assert slowest < 1.0
        assert 1000 < lost(dropped)["stream_blocked"] <= 2000
        began = time.monotonic()
        writer.stop(0.2)
        assert time.monotonic() - began < 0.2 + 0.5
        writer.msg("after")  # nobody waits for it now either
        taken = len(os.read(read, 1 << 20)) // 100
        assert lost(dropped) == {"stream_blocked": count - taken + 1}


def test_a_stuck_stream_that_is_read_again_gets_what_waited() -> None:
    dropped = Dropped()
    with pipe() as (read, stream):
        writer = LineWriter(stream, dropped)
        writer.start()
        for _ in range(2000):
            writer.msg(LINE)
        assert read_all(read, 2000 * 100) == (LINE.encode() + b"\n") * 2000
        writer.stop(10)
    assert lost(dropped) == {}


def test_a_pipe_that_does_not_block_is_waited_for_by_the_thread_alone() -> None:
    dropped = Dropped()
    with pipe() as (read, stream):
        flags = fcntl.fcntl(stream.fileno(), fcntl.F_GETFL)
        fcntl.fcntl(stream.fileno(), fcntl.F_SETFL, flags | os.O_NONBLOCK)
        writer = LineWriter(stream, dropped)
        writer.start()
        for _ in range(1000):
            writer.msg(LINE)
        assert read_all(read, 1000 * 100) == (LINE.encode() + b"\n") * 1000
        writer.stop(10)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(stream.fileno(), b"x" * 4096)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(stream.fileno(), b"x")
        writer.msg("no room")
    assert lost(dropped) == {"write_failed": 1}


def test_a_line_cut_by_a_full_disk_does_not_swallow_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes four bytes of the second line, no more for a while, and then has room again."""
    room = [100, 4, 0, 0, 100]
    written = b""

    class Disk(io.FileIO):
        def write(self, data: Any) -> int:
            nonlocal written
            taken = min(room.pop(0), len(data))
            if not taken:
                raise OSError(28, "No space left on device")
            written += bytes(data[:taken])
            return taken

    dropped = Dropped()
    read, write = os.pipe()
    monkeypatch.setattr("seawall.telemetry.lines.below", lambda _: Disk(write, "w", closefd=False))
    writer = LineWriter(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), dropped)
    for line in ("first", "second", "third", "fourth"):
        writer.msg(line)
    assert written == b"first\nseco\nfourth\n"
    assert lost(dropped) == {"write_failed": 2}
    os.close(read)
    os.close(write)


def test_a_stream_that_changes_what_is_written_is_written_through(tmp_path: Path) -> None:
    path = tmp_path / "lines.gz"
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        writer = LineWriter(stream, Dropped())
        writer.start()
        writer.msg("one")
        writer.stop(10)
    assert gzip.decompress(path.read_bytes()) == b"one\n"


def test_what_a_streams_encoding_has_not_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with path.open("w", encoding="ascii") as stream:
        LineWriter(stream, Dropped()).msg("\N{SNOWMAN}")
    assert path.read_bytes() == b"\\u2603\n"


def test_it_can_be_stopped_and_started_again(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with path.open("w") as stream:
        writer = LineWriter(stream, Dropped())
        for number in range(3):
            writer.start()
            writer.msg(str(number))
            writer.stop(10)
            writer.stop(10)
    assert path.read_text().split() == ["0", "1", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_line_comes_out_twice_after_a_fork() -> None:
    with pipe() as (read, stream):
        writer = LineWriter(stream, Dropped())
        writer.start()
        for number in range(1000):
            writer.msg(f"{number:99}")  # more than the pipe holds: some wait here
        child = os.fork()
        if child == 0:
            writer.msg(f"{'child':99}")
            writer.stop(10)
            os._exit(0)
        lines = read_all(read, 1001 * 100).decode().splitlines()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        writer.stop(10)
    assert sorted(line.strip() for line in lines) == sorted([*map(str, range(1000)), "child"])
    assert [line.strip() for line in lines if "child" not in line] == [str(n) for n in range(1000)]


END = """
import sys, time
from seawall.resilience import Registry
from seawall.startup import ResilienceManager
manager = ResilienceManager(Registry("shop"), "shop")
manager.start()
for number in range(5000):
    manager.logger.info("one", number=number, text="x" * 100)
print(time.monotonic(), flush=True)
"""


@pytest.mark.parametrize("unbuffered", [True, False])
def test_a_process_whose_standard_error_is_stuck_ends_all_the_same(unbuffered: bool) -> None:
    """An interpreter at its end aborts when a thread has the lock of standard error."""
    command = [sys.executable, *(["-u"] if unbuffered else []), "-c", END]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        began = float(process.stdout.readline())
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - began < 1.0 + 2.0


def test_whoever_logs_at_once_all_come_out_whole(tmp_path: Path) -> None:
    path, dropped = tmp_path / "lines", Dropped()
    with path.open("w") as stream:
        writer = LineWriter(stream, dropped)
        writer.start()

        def log(who: int) -> None:
            for number in range(200):
                writer.msg(f"{who} {number}")

        threads = [threading.Thread(target=log, args=(who,)) for who in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        writer.stop(10)
    lines = [tuple(map(int, line.split())) for line in path.read_text().splitlines()]
    assert sorted(lines) == [(who, number) for who in range(8) for number in range(200)]
    for who in range(8):
        assert [number for mine, number in lines if mine == who] == list(range(200))
    assert lost(dropped) == {}
