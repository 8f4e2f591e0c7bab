"""What users need to test their own guards; docs/how-to/test-your-guards.md shows an example of each."""

from seawall.testing.clock import ManualClock
from seawall.testing.counting import calls
from seawall.testing.faults import Faults, fail_next
from seawall.testing.forcing import force_open
from seawall.testing.recording import Recording
from seawall.testing.transitions import assert_transitions
from seawall.testing.waiting import instant_retries

__all__ = [
    "Faults",
    "ManualClock",
    "Recording",
    "assert_transitions",
    "calls",
    "fail_next",
    "force_open",
    "instant_retries",
]
