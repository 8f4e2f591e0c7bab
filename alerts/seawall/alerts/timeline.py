"""Samples of a test's input series, and how promtool writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from seawall.alerts.model import Mishap, Signal
from seawall.telemetry.promql import number, quoted

#: A number, no sample at all, or the marker that Prometheus writes when a series is gone.
Sample = float | None | Literal["stale"]
Phase = Literal["quiet", "firing", "near"]


def samples(signal: Signal, phases: Sequence[tuple[Phase, int]], step: float) -> list[Sample]:
    """One sample per step, plus the first one at 0. A counter starts at 0 and grows by the phase's rate."""
    out: list[Sample] = []
    total = 0.0
    for phase, steps in phases:
        level = _level(signal, phase)
        for _ in range(steps + (0 if out else 1)):
            if signal.kind == "gauge":
                out.append(level)
            else:
                total += level * step if out else 0.0
                out.append(total)
    return out


def happen(mishap: Mishap, signal: Signal, own: list[Sample], begin: int, end: int) -> list[Sample]:
    """The samples after a mishap; ``begin`` and ``end`` are the first and last index of the bad phase."""
    middle = end - max(1, (end - begin) // 4)
    if mishap == "counter reset" and signal.kind == "counter":
        base = own[middle - 1]
        assert isinstance(base, float)
        return own[:middle] + [value - base if isinstance(value, float) else value for value in own[middle:]]
    if mishap == "missed scrape":
        return [*own[:middle], "stale", *own[middle + 1 :]]
    if (
        mishap == "first error from nothing"
        and signal.kind == "counter"
        and signal.quiet == 0
        and signal.firing
    ):
        return [None if i <= max(begin, 2) else value for i, value in enumerate(own)]
    if mishap == "target vanishes":
        return [*own[: end + 1], "stale", *[None] * (len(own) - end - 2)]
    return own


def series(signal: Signal) -> str:
    """``name{label="value"}`` with every value quoted."""
    labels = ",".join(f"{name}={quoted(value)}" for name, value in sorted(signal.labels.items()))
    return f"{signal.name}{{{labels}}}"


def notation(own: Sequence[Sample]) -> str:
    """promtool's short form: ``start+deltaxcount`` for runs of equal distance."""
    return " ".join(_runs(own))


def _runs(own: Sequence[Sample]) -> Iterator[str]:
    i = 0
    while i < len(own):
        value = own[i]
        if not isinstance(value, float | int):
            length = next((n for n in range(i, len(own)) if own[n] != value), len(own)) - i
            yield f"_x{length}" if value is None else " ".join(["stale"] * length)
            i += length
            continue
        j, delta = i + 1, 0.0
        while j < len(own):
            following, before = own[j], own[j - 1]
            if not isinstance(following, float | int) or not isinstance(before, float | int):
                break
            distance = round(following - before, 6)
            if j > i + 1 and distance != delta:
                break
            delta, j = distance, j + 1
        sign = "-" if delta < 0 else "+"
        yield f"{number(round(value, 6))}{sign}{number(abs(delta))}x{j - i - 1}"
        i = j


def _level(signal: Signal, phase: Phase) -> float:
    if phase == "near":
        return float(signal.quiet if signal.near is None else signal.near)
    return float(signal.quiet if phase == "quiet" else signal.firing)
