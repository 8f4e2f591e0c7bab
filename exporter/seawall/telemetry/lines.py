"""Lines into a stream. Whatever the stream does, full, closed or read by nobody, reaches no caller."""

from __future__ import annotations

import io
import sys
import time
from typing import Final, TextIO

from seawall.telemetry.dropped import Dropped
from seawall.telemetry.outbox import Outbox, Reasons

#: Lines that wait for a stream that does not take them: a minute or so of a service that logs a lot.
CAPACITY: Final = 4096
_REASONS = Reasons(signal="logs", full="stream_blocked", failed="write_failed", ended="stream_blocked")
_BUFFERS = (io.BufferedWriter, io.BufferedRandom)


class LineWriter:
    """Writes each line to a stream, by default to standard error. One that fails is counted and lost.

    From `start` to `stop` a thread does the writing, in the order of the lines: a pipe that nobody reads, or
    a disk that hangs, holds up that thread alone. Killed meanwhile, the process loses what still waits.
    Before and after, whoever logs writes.
    """

    def __init__(self, stream: TextIO | None, dropped: Dropped) -> None:
        self._stream = stream
        self._dropped = dropped
        self._outbox: Outbox[tuple[TextIO, str]] | None = None
        self._stuck = False
        self._torn = False

    def msg(self, line: str) -> None:
        # Looked up now: whoever redirects standard error gets the lines too.
        stream = self._stream if self._stream is not None else sys.stderr
        outbox = self._outbox
        if outbox is not None:
            outbox.put((stream, line))
        elif self._stuck:
            self._dropped.add(_REASONS.signal, _REASONS.full)
        else:
            try:
                self._write(stream, line, patient=False)
            except Exception:  # noqa: BLE001 - closed, full or gone: never the caller's problem
                self._dropped.add(_REASONS.signal, _REASONS.failed)

    log = debug = info = warn = warning = error = critical = exception = fatal = msg

    def start(self) -> None:
        outbox: Outbox[tuple[TextIO, str]] = Outbox(
            _REASONS,
            self._send,
            lambda: None,
            self._dropped,
            capacity=CAPACITY,
            batch=1,
            interval=1.0,
            name="lines",
        )
        outbox.start()
        self._outbox = outbox

    def stop(self, deadline: float) -> None:
        """Write what waits, for ``deadline`` seconds at most. What a stuck stream did not take is lost."""
        until = time.monotonic() + deadline
        outbox = self._outbox
        if outbox is None:
            return
        self._stuck = not outbox.flush(deadline / 2)
        self._outbox = None
        outbox.ask_to_end()
        self._stuck = not outbox.end(until)

    def _send(self, items: list[tuple[TextIO, str]]) -> int:
        ((stream, line),) = items
        self._write(stream, line, patient=True)
        return 0

    def _write(self, stream: TextIO, line: str, *, patient: bool) -> None:
        raw = below(stream)
        if raw is None:
            stream.write(line + "\n")
            stream.flush()
            return
        start = "\n" if self._torn else ""
        left = memoryview(f"{start}{line}\n".encode(stream.encoding, "backslashreplace"))
        size = len(left)
        try:
            while left:
                written = raw.write(left)
                if written is not None:
                    left = left[written:]
                elif patient:  # a stream that does not block has no room
                    time.sleep(0.01)
                else:
                    raise BlockingIOError
        finally:
            self._torn = 0 < len(left) < size or (self._torn and len(left) == size)


def below(stream: TextIO) -> io.FileIO | None:
    """The file below the buffers of an ordinary stream.

    A write through the buffers holds their lock. At its end the interpreter takes that of standard error, and
    aborts when a thread is stuck with it; and a forked child would inherit what they hold.
    """
    if type(stream) is not io.TextIOWrapper:
        return None
    buffer: object = stream.buffer
    raw = buffer.raw if type(buffer) in _BUFFERS and isinstance(buffer, _BUFFERS) else buffer
    return raw if type(raw) is io.FileIO else None
