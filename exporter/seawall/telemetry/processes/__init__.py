"""Several processes, one page: ledgers in shared files, summed by whoever is scraped.

``segment.py``: the file of one process. ``folder.py``: the folder they lie in, and its lock. ``retired.py``:
what ended processes counted. ``sharing.py``: puts this process's guards into a segment. ``totals.py``: sums.
"""

from seawall.telemetry.processes.folder import FolderError
from seawall.telemetry.processes.sharing import Sharing
from seawall.telemetry.processes.totals import ProcessSource

__all__ = ["FolderError", "ProcessSource", "Sharing"]
