"""What stands where in the file of one process.

    header    one page: magic, format, pid, start (ns since the epoch), id, generation, number of extents,
              and a table of extents: kind, offset, size, bytes in use
    extents   SLOT: counters; LIVE: what time moves; COLD: records, one a guard, that say whose they are
    record    magic, size, offsets of its counters and live values, how many | names of error types | JSON

Integers are little-endian, numbers the machine's own doubles, eight aligned bytes each. Whatever is not a
number changes the generation: a reader whose generation is still there need not look at records again.
"""

from __future__ import annotations

import mmap
import struct

FORMAT = 1
MAGIC = b"SEAWALL\n"
PAGE = max(4096, mmap.ALLOCATIONGRANULARITY)

HEADER = struct.Struct("<8sIIQ16sQQ")
START_AT, ID_AT, GENERATION_AT, COUNT_AT = 16, 24, 40, 48
TABLE_AT = 64
EXTENT = struct.Struct("<4s4xQQQ")
MOST_EXTENTS = (4096 - TABLE_AT) // EXTENT.size
SLOT, LIVE, COLD = b"SLOT", b"LIVE", b"COLD"

RECORD = struct.Struct("<4sIQQIIII")
GUARD, OWN, FREE = b"GRD\n", b"OWN\n", b"FREE"
NAME = struct.Struct("<H62s")
