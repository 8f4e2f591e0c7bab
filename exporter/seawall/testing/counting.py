"""What a guard's callers got, for asserting it."""

from __future__ import annotations

from collections import Counter

from seawall.resilience.fields import CALL_OUTCOMES
from seawall.testing.subjects import Subject, places


def calls(of: Subject) -> Counter[str]:
    """Calls so far by outcome: of a guard, or of one operation. An outcome that was not is not in it, and 0.

    Of a pipeline: what callers felt, the calls of its first layer.

    assert calls(guard) == {"success": 2, "degraded": 1}
    """
    guard, operation = places(of)[0]
    names = guard.operations if operation is None else (operation,)
    reading, at = guard.read(), guard.ledger.layout.at
    counts = {x: int(sum([reading[at("calls", name, x)] for name in names])) for x in CALL_OUTCOMES}
    return Counter({outcome: count for outcome, count in counts.items() if count})
