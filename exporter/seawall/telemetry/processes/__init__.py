"""Several processes, one page: ledgers in shared files, summed by whoever is scraped.

``format.py``: what stands where in the file of one process; ``segment.py`` writes it, ``reader.py`` reads it.
``folder.py``: the folder that they lie in, and its lock. ``sharing.py``: puts this process's guards into a
segment. ``columns.py``, ``shares.py``: sums. ``retired.py``: what ended processes counted. ``totals.py``: the
page of all.
"""

from seawall.telemetry.processes.folder import FolderError, shared_folder
from seawall.telemetry.processes.sharing import Sharing
from seawall.telemetry.processes.totals import ProcessSource

__all__ = ["FolderError", "ProcessSource", "Sharing", "shared_folder"]
