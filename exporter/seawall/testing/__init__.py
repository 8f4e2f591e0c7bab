"""What users need to test their own guards."""

from seawall.testing.clock import ManualClock
from seawall.testing.recording import Recording

__all__ = ["ManualClock", "Recording"]
